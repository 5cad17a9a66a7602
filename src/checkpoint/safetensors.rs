//! safetensors files: the header, checked in full.
//!
//! The `safetensors` crate (0.8) does not read it: of the 51 bad headers in tests/checkpoint it accepts 8, among them a
//! duplicate tensor, whose first entry it drops before anyone sees it, and names that are paths. Of the 43 that it
//! refuses, its error names the tensor in 7 and no offset or shape in any. It also needs the whole file in memory.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::source::{SourceFile, brief};
use super::storage::{STORAGE, Storage};
use super::tensors::{TensorInfo, Tensors, place};
use crate::error::Result;

/// The format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;
/// Beyond any model's; the format has no limit, and `0,` in a header becomes eight bytes in memory.
const MOST_DIMENSIONS: usize = 8;

/// Opens one file on its own.
///
/// # Errors
/// The header is not that of a sound file; the error names the tensor or field at fault.
pub fn open(source: SourceFile) -> Result<Tensors> {
    let tensors = parse(&source, 0)?;
    Ok(Tensors::new(vec![source], tensors))
}

/// Reads the header; `file` is the number of this file in its checkpoint. Returns the tensors by offset. Errors name the
/// header, field or tensor at fault.
pub(super) fn parse(source: &SourceFile, file: usize) -> Result<Vec<TensorInfo>> {
    source.refuse_placeholder("a safetensors file")?;
    let Some(room) = source.len().checked_sub(8) else {
        return Err(source.damaged("header length", "8 bytes", format!("a file of {} bytes", source.len())));
    };
    let mut length = [0; 8];
    source.read_at(0, &mut length)?;
    let length = u64::from_le_bytes(length);
    let most = room.min(LONGEST_HEADER);
    if !(2..=most).contains(&length) {
        let expected = format!("2 to {most}, for {room} bytes after it");
        return Err(source.damaged("header length", expected, length));
    }
    let mut header = vec![0; length as usize];
    source.read_at(8, &mut header)?;
    let text = std::str::from_utf8(&header).map_err(|error| source.damaged("header", "JSON in UTF-8", error))?;
    if !text.starts_with('{') {
        let found = format!("{:?}", text.chars().next().unwrap_or(' '));
        return Err(source.damaged("header", "a JSON object from its first byte", found));
    }
    let expected = "JSON of names with dtype, shape and data_offsets";
    let TensorEntries(entries) =
        serde_json::from_str(text).map_err(|error| source.damaged("header", expected, error))?;
    drop(header);
    if entries.is_empty() {
        return Err(source.damaged("header", "at least one tensor", "none"));
    }

    let mut tensors = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        tensors.push(tensor(source, file, name, &entry)?);
    }
    place(source, 8 + length, "data_offsets", false, &mut tensors)?;
    Ok(tensors)
}

/// Checks one entry; its offset stays relative to the data.
fn tensor(source: &SourceFile, file: usize, name: String, entry: &Entry) -> Result<TensorInfo> {
    let path_like = name.contains(['/', '\\']) || name.starts_with('.');
    if name.is_empty() || name.contains(char::is_control) || path_like {
        let fix = "the file was made to mislead or is damaged; do not use it";
        return Err(source.malformed("tensor name", "a printable name that is no path", brief(&name), fix));
    }
    let Some(storage) = Storage::from_dtype(&entry.dtype) else {
        let known: Vec<&str> =
            STORAGE.iter().filter(|storage| storage.elements == 1).map(|storage| storage.name).collect();
        let (expected, found) = (format!("one of {}", known.join(", ")), brief(&entry.dtype));
        let fix = "use the model in 16 bits; this version reads no other types";
        return Err(source.malformed(format!("tensor {name}, dtype"), expected, found, fix));
    };
    let [begin, end] = entry.data_offsets;
    let Some(bytes) = end.checked_sub(begin) else {
        let (expected, found) = ("a begin not after its end", format!("[{begin}, {end}]"));
        return Err(source.damaged(format!("tensor {name}, data_offsets"), expected, found));
    };
    let shape: Option<Vec<usize>> = entry.shape.0.iter().map(|&n| n.try_into().ok()).collect();
    let size = shape.as_ref().and_then(|shape| {
        let mut lengths = shape.iter();
        lengths.try_fold(storage.bytes, |product, &length| product.checked_mul(length))
    });
    match (shape, size) {
        (Some(shape), Some(size)) if size as u64 == bytes => {
            Ok(TensorInfo { name, shape, storage, bytes, file, offset: begin, interleaved: None })
        }
        (_, size) => {
            let expected = format!("{} elements in its {bytes} bytes", bytes / storage.bytes as u64);
            let takes = size.map_or("more than memory can address".to_owned(), |size| format!("{size} bytes"));
            let found = format!("{:?}, {takes}", entry.shape.0);
            Err(source.damaged(format!("tensor {name}, shape"), expected, found))
        }
    }
}

/// The header's entries in file order, duplicates included.
struct TensorEntries(Vec<(String, Entry)>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Shape,
    data_offsets: [u64; 2],
}

struct Shape(Vec<u64>);

impl<'de> Deserialize<'de> for TensorEntries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TensorEntries, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = TensorEntries;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TensorEntries, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let within = |error| A::Error::custom(format!("{name}: {error}"));
                    if name == "__metadata__" {
                        map.next_value::<HashMap<String, String>>().map_err(within)?;
                    } else {
                        let entry = map.next_value().map_err(within)?;
                        entries.push((name, entry));
                    }
                }
                Ok(TensorEntries(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
        struct Lengths;
        impl<'de> Visitor<'de> for Lengths {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "at most {MOST_DIMENSIONS} whole numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Shape, A::Error> {
                let mut lengths = Vec::new();
                while let Some(length) = sequence.next_element()? {
                    if lengths.len() == MOST_DIMENSIONS {
                        return Err(A::Error::invalid_length(MOST_DIMENSIONS + 1, &self));
                    }
                    lengths.push(length);
                }
                Ok(Shape(lengths))
            }
        }
        deserializer.deserialize_seq(Lengths)
    }
}
