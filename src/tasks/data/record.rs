//! One record of a file, and reading its fields with errors that say where they stand.

use std::fmt::Display;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

pub type Records = Vec<Record>;

/// A record: fields by name, in the order of the file, and where it stands.
#[derive(Clone, Debug)]
pub struct Record {
    pub file: Arc<Path>,
    /// `line 3`, `record 3`: from 1.
    pub place: String,
    pub fields: Map<String, Value>,
}

impl Record {
    /// Returns a field as it is.
    ///
    /// # Errors
    /// There is none.
    pub fn value(&self, field: &str) -> Result<&Value> {
        let names = || self.fields.keys().cloned().collect::<Vec<_>>().join(", ");
        self.fields.get(field).ok_or_else(|| self.error(field, "a field of this name", format!("only {}", names())))
    }

    /// Returns a text, which may be empty.
    ///
    /// # Errors
    /// No such field, or not a text.
    pub fn text(&self, field: &str) -> Result<&str> {
        let value = self.value(field)?;
        value.as_str().ok_or_else(|| self.error(field, "a text", shown(value)))
    }

    /// Returns a text with more than white space in it.
    ///
    /// # Errors
    /// No such field, not a text, or an empty one.
    pub fn filled(&self, field: &str) -> Result<&str> {
        let text = self.text(field)?;
        match text.trim().is_empty() {
            true => Err(self.error(field, "a text", "nothing but white space")),
            false => Ok(text),
        }
    }

    /// Returns the index of the field among `words`.
    ///
    /// # Errors
    /// No such field, or another word.
    pub fn one_of(&self, field: &str, words: &[&str]) -> Result<usize> {
        let text = self.text(field)?;
        let found = words.iter().position(|word| *word == text);
        found.ok_or_else(|| self.error(field, format!("one of {}", words.join(", ")), format!("{text:?}")))
    }

    /// Returns an integer of `range`, written as a number or, as CSV has it, as digits.
    ///
    /// # Errors
    /// No such field, not an integer, or out of the range.
    pub fn integer(&self, field: &str, range: Range<i64>) -> Result<i64> {
        let value = self.value(field)?;
        let number = value.as_i64().or_else(|| value.as_str().and_then(|digits| digits.parse().ok()));
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            self.error(field, format!("an integer of {} to {}", range.start, range.end - 1), shown(value))
        })
    }

    /// Returns a list of texts.
    ///
    /// # Errors
    /// No such field, not a list, or something else than texts in it.
    pub fn texts(&self, field: &str) -> Result<Vec<&str>> {
        let value = self.value(field)?;
        let texts = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        texts.ok_or_else(|| self.error(field, "a list of texts", shown(value)))
    }

    /// Returns an object as a record whose place names the outer field, too.
    ///
    /// # Errors
    /// No such field, or not an object.
    pub fn object(&self, field: &str) -> Result<Record> {
        let value = self.value(field)?;
        let fields = value.as_object().ok_or_else(|| self.error(field, "an object", shown(value)))?.clone();
        Ok(Record { file: self.file.clone(), place: format!("{}: {field}", self.place), fields })
    }

    /// Returns the error that a field is not as expected.
    pub fn error(&self, field: &str, expected: impl Display, found: impl Display) -> Error {
        let fix = "compare the file with the published one";
        Error::malformed(&self.file, format!("{}: {field}", self.place), expected, found, fix)
    }
}

/// Returns a value in an error message: its kind, and its beginning.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
