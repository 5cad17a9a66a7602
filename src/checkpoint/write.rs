//! Writing safetensors files: streamed, and never half written under their final name.

use std::io::Write;
use std::path::Path;

use half::f16;
use serde_json::{Map, json};

use super::storage::Storage;
use super::tensors::Tensors;
use super::{Checkpoint, TensorInfo};
use crate::atomic_write::{self, Failure};
use crate::error::{Error, Result};

/// Elements that pass through memory at a time.
const PIECE: usize = 1 << 20;

/// A tensor to write.
pub struct NewTensor<'a> {
    /// Its name in the file.
    pub name: String,
    /// Row-major, the last index fastest.
    pub shape: Vec<usize>,
    storage: &'static Storage,
    data: Data<'a>,
}

enum Data<'a> {
    Bytes(Vec<u8>),
    /// The tensor of this name as a file stores it.
    Stored(&'a Tensors),
    /// The tensor of this name, its values checked and converted.
    Values(&'a Tensors),
}

impl<'a> NewTensor<'a> {
    /// Makes a tensor of little-endian bytes; `dtype` is spelled as in safetensors headers.
    ///
    /// # Panics
    /// On an unknown dtype, or bytes that do not fill the shape.
    pub fn from_bytes(name: String, dtype: &str, shape: &[usize], bytes: Vec<u8>) -> NewTensor<'a> {
        let storage = storage(dtype);
        assert_eq!(shape.iter().product::<usize>() * storage.bytes, bytes.len(), "{name}: bytes of {shape:?} {dtype}");
        NewTensor { name, shape: shape.to_vec(), storage, data: Data::Bytes(bytes) }
    }

    /// Takes the tensor `name` of a checkpoint as F16, BF16 or F32, read when it is written.
    ///
    /// # Errors
    /// No such tensor. Writing errors where a value is not finite or too large for the type.
    pub fn from_checkpoint(checkpoint: &'a Checkpoint, name: &str, dtype: &str) -> Result<NewTensor<'a>> {
        let storage = storage(dtype);
        assert!(storage.decode.is_some(), "{dtype} is no floating-point type");
        let tensor = checkpoint.tensors.get(name).ok_or_else(|| {
            let fix = "the checkpoint is incomplete; download it again";
            Error::malformed(&checkpoint.path, format!("tensor {name}"), "a tensor of this name", "none", fix)
        })?;
        let shape = tensor.shape.clone();
        Ok(NewTensor { name: name.to_owned(), shape, storage, data: Data::Values(&checkpoint.tensors) })
    }

    pub(super) fn stored(tensors: &'a Tensors, info: &TensorInfo) -> NewTensor<'a> {
        let (name, shape, storage) = (info.name.clone(), info.shape.clone(), info.storage);
        NewTensor { name, shape, storage, data: Data::Stored(tensors) }
    }

    /// Returns the dtype as safetensors spells it.
    pub fn dtype(&self) -> &'static str {
        self.storage.name
    }

    /// Returns the bytes of the data.
    pub fn bytes(&self) -> u64 {
        (self.elements() * self.storage.bytes) as u64
    }

    fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    fn write(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let tensors = match &self.data {
            Data::Bytes(bytes) => return Ok(out.write_all(bytes)?),
            Data::Stored(tensors) | Data::Values(tensors) => tensors,
        };
        let (mut bytes, mut floats, mut halves) = (Vec::new(), Vec::new(), Vec::new());
        for start in (0..self.elements()).step_by(PIECE) {
            let range = start..(start + PIECE).min(self.elements());
            match (&self.data, self.storage.name) {
                (Data::Stored(_), _) => tensors.read_bytes(&self.name, range, &mut bytes)?,
                (_, "BF16") => {
                    tensors.read_bf16(&self.name, range, &mut halves)?;
                    bytes = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
                }
                (_, "F16") => {
                    // As this program computes: values that are not f16 already are rounded to bf16.
                    if tensors.get(&self.name).is_some_and(|t| t.storage.name == "F16") {
                        tensors.read_f32(&self.name, range, &mut floats)?;
                    } else {
                        tensors.read_bf16(&self.name, range, &mut halves)?;
                        floats = halves.iter().map(|&half| f32::from_bits(u32::from(half) << 16)).collect();
                    }
                    self.refuse_beyond_f16(&floats, start, tensors)?;
                    bytes = floats.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
                }
                _ => {
                    tensors.read_f32(&self.name, range, &mut floats)?;
                    bytes = floats.iter().flat_map(|value| value.to_le_bytes()).collect();
                }
            }
            out.write_all(&bytes)?;
        }
        Ok(())
    }

    fn refuse_beyond_f16(&self, values: &[f32], first: usize, tensors: &Tensors) -> Result<()> {
        let Some(at) = values.iter().position(|&value| f16::from_f32(value).is_infinite()) else { return Ok(()) };
        let field = format!("tensor {}, element {}", self.name, first + at);
        let expected = "a number in the range of F16, the type to be written";
        Err(Error::malformed(tensors.file_of(&self.name), field, expected, values[at], "write BF16"))
    }
}

/// Returns the storage of a dtype.
///
/// # Panics
/// On a dtype that safetensors does not have.
fn storage(dtype: &str) -> &'static Storage {
    Storage::from_dtype(dtype).unwrap_or_else(|| panic!("{dtype} is no dtype of safetensors"))
}

/// Writes a safetensors file. The same tensors in another order give the same bytes.
///
/// # Errors
/// The file cannot be written, or a tensor of a checkpoint cannot be read.
pub fn write_safetensors(path: &Path, tensors: &[NewTensor]) -> Result<()> {
    let mut sorted: Vec<&NewTensor> = tensors.iter().collect();
    sorted.sort_by(|a, b| (b.storage.bytes, &a.name).cmp(&(a.storage.bytes, &b.name)));
    let header = header(&sorted);
    let total = header.len() as u64 + tensors.iter().map(NewTensor::bytes).sum::<u64>();
    atomic_write::write_with(path, total, |out| -> Result<(), Failure> {
        out.write_all(&header)?;
        sorted.iter().try_for_each(|tensor| tensor.write(out))
    })
}

/// Returns the length and the JSON of the header, padded so that the data starts at a multiple of 8.
fn header(sorted: &[&NewTensor]) -> Vec<u8> {
    let mut entries = Map::new();
    // transformers refuses a file without it.
    entries.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut begin = 0;
    for tensor in sorted {
        let end = begin + tensor.bytes();
        let entry = json!({"dtype": tensor.dtype(), "shape": tensor.shape, "data_offsets": [begin, end]});
        assert!(entries.insert(tensor.name.clone(), entry).is_none(), "two tensors named {}", tensor.name);
        begin = end;
    }
    let mut text = serde_json::Value::Object(entries).to_string();
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}
