//! Fields of config.json and of `quantization_config`, each under the names that tools gave it.

use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

const COLUMNS: &str = "a number of columns, or -1 for a whole row";
const FIX: &str = "take the file as the model's authors published it";

/// Fields of a JSON object, with the file they came from for errors.
pub struct Fields<'a> {
    pub map: &'a Map<String, Value>,
    pub file: &'a Path,
    /// Prefix of a field's name in errors: `quantization_config.`; empty for the whole file.
    pub within: &'a str,
}

impl<'a> Fields<'a> {
    /// Returns an error about the value of a field.
    pub fn bad(&self, field: &str, expected: impl std::fmt::Display) -> Error {
        let found = self.map.get(field).map_or("nothing".into(), Value::to_string);
        Error::malformed(self.file, format!("{}{field}", self.within), expected, found, FIX)
    }

    /// Returns an error about a value that this version does not compute.
    pub fn unsupported(&self, field: &str, value: impl std::fmt::Display, fix: &str) -> Error {
        let what = format!("{}{field} {value}", self.within);
        Error::unsupported(self.file, what, fix)
    }

    /// Returns the value under any of these names; null is none. Two that differ are an error.
    pub fn find(&self, names: &[&'a str]) -> Result<Option<(&'a str, &'a Value)>> {
        let given = |name: &&'a str| Some((*name, self.map.get(*name).filter(|value| !value.is_null())?));
        let mut found = names.iter().filter_map(given);
        let first = found.next();
        match (first, found.find(|(_, value)| first.is_some_and(|(_, one)| one != *value))) {
            (Some((name, value)), Some((other, _))) => Err(self.bad(other, format!("{value}, as {name} says"))),
            _ => Ok(first),
        }
    }

    /// Returns a string and the name it stands under.
    pub fn text(&self, names: &[&'a str]) -> Result<Option<(&'a str, &'a str)>> {
        self.of_type(names, "a name", Value::as_str)
    }

    /// Returns true or false.
    pub fn flag(&self, names: &[&'a str]) -> Result<Option<bool>> {
        Ok(self.of_type(names, "true or false", Value::as_bool)?.map(|(_, flag)| flag))
    }

    /// Returns a whole number and the name it stands under.
    pub fn whole(&self, names: &[&'a str]) -> Result<Option<(&'a str, i64)>> {
        self.of_type(names, "a whole number", Value::as_i64)
    }

    /// Returns a value of the type that `of` takes, and the name it stands under.
    fn of_type<T>(
        &self,
        names: &[&'a str],
        expected: &str,
        of: fn(&'a Value) -> Option<T>,
    ) -> Result<Option<(&'a str, T)>> {
        let Some((name, value)) = self.find(names)? else { return Ok(None) };
        of(value).map(|value| Some((name, value))).ok_or_else(|| self.bad(name, expected))
    }

    /// Returns a whole number that must be given, and lie in this range.
    pub fn size(&self, name: &'a str, range: RangeInclusive<usize>) -> Result<usize> {
        let size = self.map.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let bad = || self.bad(name, format!("a number from {} to {}", range.start(), range.end()));
        size.filter(|n| range.contains(n)).ok_or_else(bad)
    }

    /// Returns a number that must be given, and be above zero and finite as an f32.
    pub fn positive(&self, name: &'a str) -> Result<f64> {
        let fits = |n: &f64| *n as f32 > 0.0 && (*n as f32).is_finite();
        let number = self.map.get(name).and_then(Value::as_f64).filter(fits);
        number.ok_or_else(|| self.bad(name, "a positive number"))
    }

    /// Returns a list of names; none is an empty one.
    pub fn names(&self, names: &[&'a str]) -> Result<Vec<String>> {
        let Some((name, value)) = self.find(names)? else { return Ok(Vec::new()) };
        let list = value.as_array().and_then(|list| list.iter().map(|name| name.as_str().map(str::to_owned)).collect());
        list.ok_or_else(|| self.bad(name, "a list of names"))
    }

    /// Returns the bits of a code: 2, 3, 4 or 8.
    pub fn bits(&self) -> Result<u32> {
        self.given_bits()?.ok_or_else(|| self.bad("bits", "2, 3, 4 or 8"))
    }

    /// Returns the bits of a code where they are given.
    pub fn given_bits(&self) -> Result<Option<u32>> {
        match self.whole(&["bits", "w_bit", "wbits"])? {
            None => Ok(None),
            Some((_, bits @ (2 | 3 | 4 | 8))) => Ok(Some(bits as u32)),
            Some((name, _)) => Err(self.bad(name, "2, 3, 4 or 8")),
        }
    }

    /// Returns the columns of a group; None is a whole row.
    pub fn group_size(&self) -> Result<Option<usize>> {
        self.given_group_size()?.ok_or_else(|| self.bad("group_size", COLUMNS))
    }

    /// Returns the columns of a group where they are given; the inner None is a whole row.
    pub fn given_group_size(&self) -> Result<Option<Option<usize>>> {
        match self.whole(&["group_size", "q_group_size"])? {
            None => Ok(None),
            Some((_, -1)) => Ok(Some(None)),
            Some((_, group @ 1..=0xff_ffff)) => Ok(Some(Some(group as usize))),
            Some((name, _)) => Err(self.bad(name, COLUMNS)),
        }
    }
}
