//! The bytes of a GGUF header: numbers, strings, values, arrays.

use std::fmt::{self, Display};

use super::source::{SourceFile, brief};
use crate::error::{Error, Result};

const LONGEST_NAME: u64 = 65_535;
const BUFFER_BYTES: u64 = 64 << 10;

/// The value of a header key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum HeaderValue {
    Unsigned(u64),
    Signed(i64),
    /// An f32 is kept as the f64 nearest its shortest decimal, so 1e-6 stays 1e-6.
    Float(f64),
    Bool(bool),
    Text(String),
    Array(Array),
}

impl Display for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            HeaderValue::Unsigned(number) => write!(f, "{number}"),
            HeaderValue::Signed(number) => write!(f, "{number}"),
            HeaderValue::Float(number) => write!(f, "{number}"),
            HeaderValue::Bool(flag) => write!(f, "{flag}"),
            HeaderValue::Text(text) => f.write_str(&brief(text)),
            HeaderValue::Array(array) => write!(f, "an array of {} elements", array.count),
        }
    }
}

/// An array, left in the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    /// Type number of the elements.
    element: u32,
    pub count: u64,
    at: u64,
}

impl Array {
    /// Reads the strings of an array of strings. `key` names it in errors.
    pub fn strings(&self, source: &SourceFile, key: &str) -> Result<Vec<String>> {
        // An empty string takes 8 bytes in the file and more in memory.
        let most = source.len().saturating_mul(2) / size_of::<String>() as u64;
        if self.element != 8 || self.count > most {
            return Err(self.unlike("an array of strings", source, key));
        }
        let mut header = HeaderReader::new(source, self.at);
        let mut strings = Vec::with_capacity(self.count as usize);
        for _ in 0..self.count {
            strings.push(header.text(key, u64::MAX)?);
        }
        Ok(strings)
    }

    /// Reads the numbers of an array of 32-bit integers.
    pub fn integers(&self, source: &SourceFile, key: &str) -> Result<Vec<i32>> {
        if self.element != 4 && self.element != 5 {
            return Err(self.unlike("an array of 32-bit integers", source, key));
        }
        self.words(source, key, i32::from_le_bytes)
    }

    /// Reads the numbers of an array of 32-bit floats, which must be finite.
    pub fn floats(&self, source: &SourceFile, key: &str) -> Result<Vec<f32>> {
        if self.element != 6 {
            return Err(self.unlike("an array of 32-bit floats", source, key));
        }
        let floats = self.words(source, key, f32::from_le_bytes)?;
        match floats.iter().position(|float| !float.is_finite()) {
            Some(at) => Err(source.damaged(format!("{key}, element {at}"), "a finite number", floats[at])),
            None => Ok(floats),
        }
    }

    fn words<T>(&self, source: &SourceFile, key: &str, word: fn([u8; 4]) -> T) -> Result<Vec<T>> {
        let mut header = HeaderReader::new(source, self.at);
        let mut words = Vec::with_capacity(self.count as usize);
        for _ in 0..self.count {
            words.push(word(header.bytes(key)?));
        }
        Ok(words)
    }

    fn unlike(&self, expected: &str, source: &SourceFile, key: &str) -> Error {
        source.damaged(key, expected, format!("{} elements of type {}", self.count, self.element))
    }
}

/// A reader of a header, front to back through a small buffer.
pub(super) struct HeaderReader<'a> {
    pub source: &'a SourceFile,
    pub at: u64,
    /// Bytes of the file from `start`.
    buffer: Vec<u8>,
    start: u64,
}

impl<'a> HeaderReader<'a> {
    pub fn new(source: &'a SourceFile, at: u64) -> HeaderReader<'a> {
        HeaderReader { source, at, buffer: Vec::new(), start: at }
    }

    pub fn bad(&self, field: &str, expected: impl Display, found: impl Display) -> Error {
        self.source.damaged(field, expected, found)
    }

    fn left(&self) -> u64 {
        self.source.len().saturating_sub(self.at)
    }

    /// Errors unless `count` more bytes are in the file.
    fn need(&self, field: &str, count: u64) -> Result<()> {
        if count <= self.left() {
            return Ok(());
        }
        let found = format!("{} bytes before the end of the file", self.left());
        Err(self.bad(field, format!("{count} bytes at offset {}", self.at), found))
    }

    fn skip(&mut self, field: &str, count: u64) -> Result<()> {
        self.need(field, count)?;
        self.at += count;
        Ok(())
    }

    pub fn bytes<const N: usize>(&mut self, field: &str) -> Result<[u8; N]> {
        self.need(field, N as u64)?;
        let buffered = self.start + self.buffer.len() as u64;
        if self.at < self.start || self.at + N as u64 > buffered {
            self.buffer.resize(self.left().min(BUFFER_BYTES) as usize, 0);
            self.start = self.at;
            self.source.read_at(self.at, &mut self.buffer)?;
        }
        let offset = (self.at - self.start) as usize;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.buffer[offset..offset + N]);
        self.at += N as u64;
        Ok(bytes)
    }

    pub fn u32(&mut self, field: &str) -> Result<u32> {
        self.bytes(field).map(u32::from_le_bytes)
    }

    pub fn u64(&mut self, field: &str) -> Result<u64> {
        self.bytes(field).map(u64::from_le_bytes)
    }

    /// Reads a count of items of at least `bytes` each, which may be `most`.
    pub fn count(&mut self, field: &str, most: u64, bytes: u64) -> Result<u64> {
        let count = self.u64(field)?;
        let most = most.min(self.left() / bytes);
        if count > most {
            return Err(self.bad(field, format!("at most {most}"), count));
        }
        Ok(count)
    }

    fn text(&mut self, field: &str, longest: u64) -> Result<String> {
        let length = self.u64(field)?;
        let most = longest.min(self.left());
        if length > most {
            return Err(self.bad(field, format!("a length of at most {most}"), format!("length {length}")));
        }
        let mut bytes = vec![0; length as usize];
        let offset = (self.at - self.start) as usize;
        match self.buffer.get(offset..offset + bytes.len()) {
            Some(buffered) => bytes.copy_from_slice(buffered),
            None => self.source.read_at(self.at, &mut bytes)?,
        }
        self.at += length;
        String::from_utf8(bytes).map_err(|error| self.bad(field, "text in UTF-8", error.utf8_error()))
    }

    /// Reads the name of a key or tensor.
    pub fn name(&mut self, field: &str) -> Result<String> {
        let name = self.text(field, LONGEST_NAME)?;
        if name.is_empty() || name.contains(char::is_control) {
            return Err(self.bad(field, "a printable name", brief(&name)));
        }
        Ok(name)
    }

    pub fn value(&mut self, key: &str) -> Result<HeaderValue> {
        Ok(match self.u32(key)? {
            0 => HeaderValue::Unsigned(u8::from_le_bytes(self.bytes(key)?).into()),
            1 => HeaderValue::Signed(i8::from_le_bytes(self.bytes(key)?).into()),
            2 => HeaderValue::Unsigned(u16::from_le_bytes(self.bytes(key)?).into()),
            3 => HeaderValue::Signed(i16::from_le_bytes(self.bytes(key)?).into()),
            4 => HeaderValue::Unsigned(self.u32(key)?.into()),
            5 => HeaderValue::Signed(i32::from_le_bytes(self.bytes(key)?).into()),
            6 => {
                let value = f32::from_le_bytes(self.bytes(key)?);
                HeaderValue::Float(value.to_string().parse().unwrap_or_else(|_| value.into()))
            }
            7 => match self.bytes(key)? {
                [0] => HeaderValue::Bool(false),
                [1] => HeaderValue::Bool(true),
                [other] => return Err(self.bad(key, "a bool of 0 or 1", other)),
            },
            8 => HeaderValue::Text(self.text(key, u64::MAX)?),
            9 => HeaderValue::Array(self.array(key)?),
            10 => HeaderValue::Unsigned(self.u64(key)?),
            11 => HeaderValue::Signed(i64::from_le_bytes(self.bytes(key)?)),
            12 => HeaderValue::Float(f64::from_le_bytes(self.bytes(key)?)),
            other => return Err(self.bad(key, "a value type from 0 to 12", other)),
        })
    }

    /// Steps over an array and checks the length of each string.
    fn array(&mut self, key: &str) -> Result<Array> {
        let element = self.u32(key)?;
        let bytes = match element {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => return Err(self.bad(key, "numbers or strings", "an array of arrays")),
            other => return Err(self.bad(key, "an element type from 0 to 12", other)),
        };
        let count = self.u64(key)?;
        let at = self.at;
        let most = self.left() / bytes;
        if count > most {
            return Err(self.bad(key, format!("at most {most} elements"), format!("{count} elements")));
        }
        if element == 8 {
            for _ in 0..count {
                let length = self.u64(key)?;
                self.skip(key, length)?;
            }
        } else {
            self.skip(key, count * bytes)?;
        }
        Ok(Array { element, count, at })
    }
}
