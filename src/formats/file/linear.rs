//! Tensors of one quantized linear in a checkpoint.

use std::fmt::Display;
use std::ops::Range;

use half::f16;

use crate::checkpoint::{Checkpoint, NewTensor, TensorInfo};
use crate::error::{Error, Result};

const DAMAGED: &str = "the file is damaged or was written by a faulty tool; quantize the model again";

/// Linear of a checkpoint whose tensors are checked as they are read.
pub struct LinearFile<'a> {
    pub checkpoint: &'a Checkpoint,
    /// Name without `.weight`.
    pub prefix: &'a str,
    /// Shape of W by the model's config.
    pub rows: usize,
    pub cols: usize,
}

impl LinearFile<'_> {
    pub(crate) fn name(&self, part: &str) -> String {
        format!("{}.{part}", self.prefix)
    }

    pub(crate) fn info(&self, part: &str) -> Option<&TensorInfo> {
        self.checkpoint.tensors.get(&self.name(part))
    }

    pub(crate) fn bad(&self, part: &str, expected: impl Display, found: impl Display, fix: impl Display) -> Error {
        // A part that is missing is missed where the linear's others are.
        let here = |tensor: &&TensorInfo| tensor.name.strip_prefix(self.prefix).is_some_and(|end| end.starts_with('.'));
        let near = match self.info(part) {
            Some(tensor) => Some(tensor),
            None => self.checkpoint.tensors.infos().iter().find(here),
        };
        let file = near.map_or(&*self.checkpoint.path, |tensor| self.checkpoint.tensors.file_of(&tensor.name));
        Error::malformed(file, format!("tensor {}", self.name(part)), expected, found, fix)
    }

    /// Returns an error about one element of a tensor.
    pub(crate) fn bad_element(&self, part: &str, at: usize, expected: impl Display, found: impl Display) -> Error {
        self.bad(&format!("{part}, element {at}"), expected, found, DAMAGED)
    }

    /// Returns a tensor of one of these types.
    pub(crate) fn typed(&self, part: &str, dtypes: &[&str], fix: &str) -> Result<&TensorInfo> {
        let expected = || format!("a tensor in {}", dtypes.join(" or "));
        match self.info(part) {
            Some(tensor) if dtypes.contains(&tensor.storage.name) => Ok(tensor),
            Some(tensor) => Err(self.bad(part, expected(), tensor.storage.name, fix)),
            None => Err(self.bad(part, expected(), "no such tensor", fix)),
        }
    }

    /// Returns a tensor of one of these types and of this shape.
    pub(crate) fn expect(&self, part: &str, dtypes: &[&str], shape: &[usize]) -> Result<&TensorInfo> {
        let fix = "config.json and weights are not of the same model, or the file is damaged; download both again";
        let tensor = self.typed(part, dtypes, fix)?;
        match tensor.shape == shape {
            true => Ok(tensor),
            false => Err(self.bad(part, format!("shape {shape:?}"), format!("{:?}", tensor.shape), fix)),
        }
    }

    /// Reads all bytes of a tensor that is known to exist.
    pub(crate) fn bytes(&self, part: &str) -> Result<Vec<u8>> {
        let name = self.name(part);
        let elements = self.checkpoint.tensors.get(&name).map_or(0, TensorInfo::elements);
        let mut bytes = Vec::new();
        self.checkpoint.tensors.read_bytes(&name, 0..elements, &mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn words(&self, part: &str) -> Result<Vec<u32>> {
        self.bytes(part).map(|bytes| words(&bytes))
    }

    /// Reads a tensor of words by some rows of `row_words` at a time, which `take` is handed with their numbers.
    pub(crate) fn pieces(
        &self,
        part: &str,
        row_words: usize,
        mut take: impl FnMut(Range<usize>, &[u32]),
    ) -> Result<()> {
        const PIECE: usize = 8 << 20;
        let rows = self.info(part).map_or(0, TensorInfo::elements) / row_words;
        let piece = (PIECE / (4 * row_words)).max(1);
        let mut bytes = Vec::new();
        for first in (0..rows).step_by(piece) {
            let last = rows.min(first + piece);
            self.checkpoint.tensors.read_bytes(&self.name(part), first * row_words..last * row_words, &mut bytes)?;
            take(first..last, &words(&bytes));
        }
        Ok(())
    }

    pub(crate) fn u16s(&self, part: &str) -> Result<Vec<u16>> {
        Ok(self.bytes(part)?.as_chunks().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
    }

    /// Reads finite numbers as f16; BF16 is rounded.
    pub(crate) fn halves(&self, part: &str) -> Result<Vec<f16>> {
        let bf16 = self.info(part).is_some_and(|tensor| tensor.storage.name == "BF16");
        let half = |bits| if bf16 { f16::from_f32(half::bf16::from_bits(bits).to_f32()) } else { f16::from_bits(bits) };
        let halves: Vec<f16> = self.u16s(part)?.into_iter().map(half).collect();
        match halves.iter().position(|half| !half.is_finite()) {
            None => Ok(halves),
            Some(at) => Err(self.bad_element(part, at, "a finite number", halves[at])),
        }
    }

    /// Checks that an order of columns is a permutation.
    pub(crate) fn check_order(&self, part: &str, order: &[u32]) -> Result<()> {
        let mut seen = vec![false; self.cols];
        for (at, &column) in order.iter().enumerate() {
            match seen.get_mut(column as usize) {
                None => return Err(self.bad_element(part, at, format!("a column below {}", self.cols), column)),
                Some(true) => return Err(self.bad_element(part, at, "each column once", format!("{column} again"))),
                Some(seen) => *seen = true,
            }
        }
        Ok(())
    }

    pub(crate) fn unsupported(&self, what: String, fix: &str) -> Error {
        Error::unsupported(&self.checkpoint.path, what, fix)
    }
}

/// Returns the tensor `part` of the linear `prefix`, to be written.
pub(crate) fn tensor(prefix: &str, part: &str, dtype: &str, shape: &[usize], bytes: Vec<u8>) -> NewTensor<'static> {
    NewTensor::from_bytes(format!("{prefix}.{part}"), dtype, shape, bytes)
}

pub(crate) fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

pub(crate) fn bytes_of(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

pub(crate) fn bytes_of_halves(halves: &[f16]) -> Vec<u8> {
    halves.iter().flat_map(|half| half.to_le_bytes()).collect()
}
