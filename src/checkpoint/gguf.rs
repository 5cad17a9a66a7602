//! GGUF files, versions 2 and 3: header keys and tensor infos, checked before anything relies on them.
//!
//! Every count and length is compared with the bytes left before memory is taken for it. Arrays stay
//! in the file until somebody asks for one, so a long unused array costs no memory.

use std::collections::HashMap;

use super::gguf_header::{HeaderReader, HeaderValue};
use super::source::SourceFile;
use super::storage::{STORAGE, Storage};
use super::tensors::{TensorInfo, place};
use crate::error::Result;

/// Limits far above any real file that keep the memory for small entries in proportion to the file.
const MOST_KEYS: u64 = 1024;
const MOST_TENSORS: u64 = 16_384;
/// Bytes of the smallest key (name length, type, one-byte value) and tensor (name length, dimension
/// count, one dimension, type, offset, and 8 bytes of data).
const KEY_BYTES: u64 = 13;
const TENSOR_BYTES: u64 = 40;

/// The header of a GGUF file.
#[derive(Debug)]
pub(super) struct Gguf {
    pub keys: HashMap<String, HeaderValue>,
    /// Names as in GGUF, shapes turned to row-major, ordered by offset.
    pub tensors: Vec<TensorInfo>,
}

/// Reads the header. Errors name the key or tensor at fault.
pub(super) fn parse(source: &SourceFile) -> Result<Gguf> {
    source.refuse_placeholder("a GGUF file")?;
    let mut header = HeaderReader::new(source, 0);
    magic_and_version(&mut header)?;
    let tensor_count = header.count("tensor count", MOST_TENSORS, TENSOR_BYTES)?;
    let key_count = header.count("key count", MOST_KEYS, KEY_BYTES)?;

    let mut keys = HashMap::new();
    for index in 0..key_count {
        let key = header.name(&format!("key {index}"))?;
        let value = header.value(&key)?;
        if keys.contains_key(&key) {
            return Err(header.bad(&key, "one key of this name", "a duplicate"));
        }
        keys.insert(key, value);
    }
    let alignment = alignment(&header, &keys)?;

    if tensor_count == 0 {
        return Err(header.bad("tensor count", "at least one tensor", 0));
    }
    let mut tensors = Vec::with_capacity(tensor_count as usize);
    for index in 0..tensor_count {
        tensors.push(tensor(&mut header, index, alignment)?);
    }
    place(source, header.at.next_multiple_of(alignment), "offset", true, &mut tensors)?;
    Ok(Gguf { keys, tensors })
}

fn magic_and_version(header: &mut HeaderReader) -> Result<()> {
    let magic: [u8; 4] = header.bytes("magic")?;
    if &magic != b"GGUF" {
        let found = if &magic == b"FUGG" { "byte-swapped magic".to_owned() } else { format!("bytes {magic:02x?}") };
        let fix = "this is no little-endian GGUF file; name a .gguf file or a model folder";
        return Err(header.source.malformed("magic", "GGUF", found, fix));
    }
    let version = header.u32("version")?;
    if version == 2 || version == 3 {
        return Ok(());
    }
    let found = match version.swap_bytes() {
        swapped @ 1..=3 => format!("big-endian version {swapped}"),
        _ => version.to_string(),
    };
    let fix = "convert the model again with a current llama.cpp, for little-endian machines";
    Err(header.source.malformed("version", "2 or 3", found, fix))
}

fn alignment(header: &HeaderReader, keys: &HashMap<String, HeaderValue>) -> Result<u64> {
    const KEY: &str = "general.alignment";
    match keys.get(KEY) {
        None => Ok(32),
        Some(&HeaderValue::Unsigned(bytes @ 8..=65_536)) if bytes.is_power_of_two() => Ok(bytes),
        Some(other) => Err(header.bad(KEY, "a power of two from 8 to 65536", other)),
    }
}

/// Reads a tensor info; its offset is still relative to the data section.
fn tensor(header: &mut HeaderReader, index: u64, alignment: u64) -> Result<TensorInfo> {
    let name = header.name(&format!("name of tensor {index}"))?;
    let field = |part: &str| format!("tensor {name}, {part}");

    let dimensions = header.u32(&field("dimension count"))?;
    if !(1..=4).contains(&dimensions) {
        return Err(header.bad(&field("dimension count"), "1 to 4", dimensions));
    }
    let mut shape = Vec::with_capacity(dimensions as usize);
    for _ in 0..dimensions {
        let length = header.u64(&field("dimensions"))?;
        match usize::try_from(length) {
            Ok(length @ 1..) => shape.push(length),
            _ => return Err(header.bad(&field("dimensions"), "lengths of 1 or more", length)),
        }
    }
    let id = header.u32(&field("type"))?;
    let Some(storage) = Storage::from_ggml(id) else {
        let known: Vec<String> =
            STORAGE.iter().filter_map(|storage| Some(format!("{} {}", storage.ggml?, storage.name))).collect();
        let fix = "use a conversion of the model to one of these types";
        return Err(header.source.malformed(field("type"), format!("one of {}", known.join(", ")), id, fix));
    };
    let row = shape[0];
    if !row.is_multiple_of(storage.elements) {
        let expected = format!("rows of whole {} blocks of {}", storage.name, storage.elements);
        return Err(header.bad(&field("dimensions"), expected, format!("rows of {row}")));
    }
    let bytes = shape
        .iter()
        .try_fold(1usize, |product, &length| product.checked_mul(length))
        .and_then(|elements| (elements / storage.elements).checked_mul(storage.bytes))
        .ok_or_else(|| header.bad(&field("dimensions"), "a size that fits in memory addresses", format!("{shape:?}")))?
        as u64;
    let offset = header.u64(&field("offset"))?;
    if !offset.is_multiple_of(alignment) {
        return Err(header.bad(&field("offset"), format!("a multiple of the alignment {alignment}"), offset));
    }
    shape.reverse();
    Ok(TensorInfo { name, shape, storage, bytes, file: 0, offset, interleaved: None })
}
