//! JSON lines and JSON arrays. Keys keep their order; one that stands twice is refused.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::record::{Record, Records};
use super::{lines, some};
use crate::error::{Error, Result};

/// Bytes of the largest file that is read as one JSON array; the largest of the study has a few million.
const MAX_ARRAY: u64 = 1 << 30;

/// Reads the objects of a file with one on each line. Empty lines are skipped.
///
/// # Errors
/// The file cannot be read; a line is not an object, is cut off, holds a key twice, is too long or nests too deep;
/// there are none.
pub fn json_lines(file: &Path) -> Result<Records> {
    let shared: Arc<Path> = Arc::from(file);
    let mut records = Records::new();
    lines::each(file, |number, line| {
        if !line.trim().is_empty() {
            let value = parse(file, line, Some(number))?;
            records.push(record(&shared, format!("line {number}"), value)?);
        }
        Ok(())
    })?;
    some(file, records)
}

/// Reads the objects of a file that holds one array of them.
///
/// # Errors
/// As [`json_lines`]; what is not an array; files above 1 GiB.
pub fn json_array(file: &Path) -> Result<Records> {
    let shared: Arc<Path> = Arc::from(file);
    let input = lines::open(file)?;
    let mut bytes = Vec::new();
    input.take(MAX_ARRAY + 1).read_to_end(&mut bytes).map_err(Error::io(file))?;
    if bytes.len() as u64 > MAX_ARRAY {
        let fix = "write one object on each line, into a file that ends in .jsonl";
        return Err(Error::malformed(file, "size", format!("at most {MAX_ARRAY} bytes"), "more", fix));
    }
    let text = lines::text(file, "text", &bytes)?;
    let Value::Array(values) = parse(file, text.trim_start_matches('\u{feff}'), None)? else {
        return Err(Error::malformed(file, "JSON", "an array", "another value", "give the published file"));
    };
    let values = values.into_iter().enumerate();
    let records = values.map(|(index, value)| record(&shared, format!("record {}", index + 1), value));
    some(file, records.collect::<Result<_>>()?)
}

/// Returns whether the first character of a file opens an array.
pub(super) fn is_array(file: &Path) -> Result<bool> {
    let mut start = Vec::new();
    lines::open(file)?.take(4096).read_to_end(&mut start).map_err(Error::io(file))?;
    let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&start);
    Ok(start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'['))
}

fn record(file: &Arc<Path>, place: String, value: Value) -> Result<Record> {
    match value {
        Value::Object(fields) => Ok(Record { file: file.clone(), place, fields }),
        _ => Err(Error::malformed(file, place, "a JSON object", "another value", "give the published file")),
    }
}

/// Parses one JSON text. `line` is its line in the file; without it the text is the whole file.
fn parse(file: &Path, text: &str, line: Option<usize>) -> Result<Value> {
    let Strict(value) = serde_json::from_str(text).map_err(|error: serde_json::Error| {
        let place = format!("line {}, column {}", line.unwrap_or(error.line()), error.column());
        Error::malformed(file, place, "JSON", error, "get the file again; it may be cut off")
    })?;
    Ok(value)
}

/// A value in which no key stands twice and no text holds NUL. serde_json alone keeps the last of equal keys without a
/// word, so that two records run together would be read as one.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        if value.contains('\0') { Err(E::custom("a NUL character in a text")) } else { Ok(value.into()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(value)) = input.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = input.next_key::<String>()? {
            let Strict(value) = input.next_value()?;
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("the key \"{key}\" twice")));
            }
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}
