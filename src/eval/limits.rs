//! Number of documents of each set of a task that an evaluation uses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::error::{Error, Result};

/// The number of first documents of each set: `100`, or with tasks of their own, `100,mmlu=2,ceval=2`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The limit of tasks that are not named; None: a profile's own limit, else all.
    all: Option<usize>,
    named: Vec<(String, usize)>,
}

impl Limits {
    /// Returns the limit of a task, if one is given.
    pub fn of(&self, task: &str) -> Option<usize> {
        self.named.iter().find(|(name, _)| name == task).map(|(_, limit)| *limit).or(self.all)
    }

    /// Checks that each limit is of one of `tasks`.
    ///
    /// # Errors
    /// A limit of a task that is not among `tasks`.
    pub fn expect_among(&self, tasks: &[&str]) -> Result<()> {
        match self.named.iter().find(|(name, _)| !tasks.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                let fix = "name one of `tasks`, without a part";
                Err(Error::request("`limit`", format!("tasks among {}", tasks.join(", ")), name, fix))
            }
        }
    }
}

impl FromStr for Limits {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Limits, String> {
        let mut limits = Limits::default();
        for part in text.split(',') {
            let (name, number) = part.split_once('=').map_or((None, part), |(name, number)| (Some(name), number));
            let number = number.parse().ok().filter(|number| *number > 0);
            let number = number.ok_or_else(|| format!("`{part}`: expected N or TASK=N with N from 1 on"))?;
            match name {
                Some(name) if limits.named.iter().all(|(known, _)| known != name) => {
                    limits.named.push((name.to_owned(), number));
                }
                None if limits.all.is_none() => limits.all = Some(number),
                _ => return Err(format!("`{part}`: a second limit of the same")),
            }
        }
        Ok(limits)
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let named = self.named.iter().map(|(name, limit)| format!("{name}={limit}"));
        let parts: Vec<String> = self.all.iter().map(usize::to_string).chain(named).collect();
        out.write_str(&parts.join(","))
    }
}

/// A number where it can be one, as in results of lm-evaluation-harness.
impl Serialize for Limits {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.all {
            Some(all) if self.named.is_empty() => serializer.serialize_u64(all as u64),
            _ => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Limits, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            number => number.to_string(),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}
