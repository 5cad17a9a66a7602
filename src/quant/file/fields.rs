//! Fields of a quantization config, each under any of the names that tools gave it.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

const FIX: &str = "take the file as the model's authors published it";

pub(super) struct Fields<'a> {
    pub map: &'a Map<String, Value>,
    pub file: &'a Path,
    /// What stands before a field's name in errors: `quantization_config.`.
    pub within: &'a str,
}

impl<'a> Fields<'a> {
    pub fn bad(&self, field: &str, expected: &str, found: &Value) -> Error {
        Error::malformed(self.file, format!("{}{field}", self.within), expected, found, FIX)
    }

    pub fn unsupported(&self, field: &str, value: impl std::fmt::Display, fix: &str) -> Error {
        let what = format!("{}{field} {value}", self.within);
        Error::Unsupported { file: self.file.to_owned(), what, fix: fix.to_owned() }
    }

    /// The value under any of these names; null is none. Two that differ are an error.
    pub fn find(&self, names: &[&'a str]) -> Result<Option<(&'a str, &'a Value)>> {
        let given = |name: &&'a str| Some((*name, self.map.get(*name).filter(|value| !value.is_null())?));
        let mut found = names.iter().filter_map(given);
        let first = found.next();
        match (first, found.find(|(_, value)| first.is_some_and(|(_, one)| one != *value))) {
            (Some((name, value)), Some((other, differs))) => {
                Err(self.bad(other, &format!("{value}, as {name} says"), differs))
            }
            _ => Ok(first),
        }
    }

    pub fn text(&self, names: &[&'a str]) -> Result<Option<&'a str>> {
        match self.find(names)? {
            None => Ok(None),
            Some((_, Value::String(text))) => Ok(Some(text)),
            Some((name, other)) => Err(self.bad(name, "a name", other)),
        }
    }

    pub fn flag(&self, names: &[&'a str]) -> Result<Option<bool>> {
        match self.find(names)? {
            None => Ok(None),
            Some((_, Value::Bool(flag))) => Ok(Some(*flag)),
            Some((name, other)) => Err(self.bad(name, "true or false", other)),
        }
    }

    pub fn whole(&self, names: &[&'a str]) -> Result<Option<(&'a str, i64)>> {
        match self.find(names)? {
            None => Ok(None),
            Some((name, value)) => match value.as_i64() {
                Some(number) => Ok(Some((name, number))),
                None => Err(self.bad(name, "a whole number", value)),
            },
        }
    }

    /// Bits of a code: 2, 3, 4 or 8.
    pub fn bits(&self) -> Result<Option<u32>> {
        match self.whole(&["bits", "w_bit", "wbits"])? {
            None => Ok(None),
            Some((_, bits @ (2 | 3 | 4 | 8))) => Ok(Some(bits as u32)),
            Some((name, other)) => Err(self.bad(name, "2, 3, 4 or 8", &other.into())),
        }
    }

    /// Columns of a group; within, none is a whole row.
    pub fn group(&self) -> Result<Option<Option<usize>>> {
        match self.whole(&["group_size", "q_group_size"])? {
            None => Ok(None),
            Some((_, -1)) => Ok(Some(None)),
            Some((_, group @ 1..=0xff_ffff)) => Ok(Some(Some(group as usize))),
            Some((name, other)) => Err(self.bad(name, "a number of columns, or -1 for a whole row", &other.into())),
        }
    }
}
