//! Quantized weights in model folders: what `quantization_config` says, and the tensors of a linear in
//! and out.
//!
//! | method | tensors of a linear `p` |
//! |---|---|
//! | gptq (RTN too) | `p.qweight`, `p.qzeros`, `p.scales`, `p.g_idx` |
//! | bitsandbytes, 8 bit | `p.weight` in I8, `p.SCB`, `p.weight_format` |
//! | spqr, this program's own | `p.spqr_q`, `_sc`, `_zc`, `_s2`, `_rows`, `_cols`, `_vals`, `_perm` |
//!
//! Everything in a [`Packed`] that was read is checked: shapes, ranges, orders, numbers.

mod config;
mod fields;
mod gptq;
mod int8;
mod spqr;

use half::f16;

pub use config::{GptqFile, Method, Outliers, Quantization, SpqrFile, Zeros};

use super::Packed;
use crate::checkpoint::{Checkpoint, NewTensor, TensorInfo};
use crate::error::{Error, Result};

/// Tensors that only a quantized linear has.
const PARTS: &[&str] = &["qweight", "qzeros", "scales", "SCB", "spqr_q"];
const DAMAGED: &str = "the file is damaged or was written by a faulty tool; quantize the model again";

/// Reads the linear `prefix`, W [rows, cols]. None: its weight is there unquantized.
///
/// # Errors
/// A tensor is missing, has another type or shape than `quantization` asks for, or holds what no sound
/// weight does.
pub fn read(
    checkpoint: &Checkpoint,
    prefix: &str,
    rows: usize,
    cols: usize,
    quantization: &Quantization,
) -> Result<Option<Packed>> {
    let linear = Linear { checkpoint, prefix, rows, cols };
    if linear.info("weight").is_some_and(|weight| weight.storage.decode.is_some()) {
        return match PARTS.iter().find(|part| linear.info(part).is_some()) {
            None => Ok(None),
            Some(part) => Err(linear.bad(
                part,
                "either a floating-point weight or a quantized one",
                "both",
                "the folder mixes two models; download it again",
            )),
        };
    }
    match &quantization.method {
        Method::Gptq(file) => gptq::read(&linear, file, quantization).map(Packed::Grid),
        Method::Int8 { .. } => int8::read(&linear).map(Packed::Int8),
        Method::Spqr(file) => spqr::read(&linear, file).map(Packed::Spqr),
    }
    .map(Some)
}

/// The tensors of the linear `prefix`; a bias is the caller's to write.
///
/// # Errors
/// The format cannot hold the weight: zeros of 0 in a GPTQ file that stores them less one.
///
/// # Panics
/// On a weight of another method, bits or group than `quantization` says.
pub fn write(prefix: &str, weight: &Packed, quantization: &Quantization) -> Result<Vec<NewTensor<'static>>> {
    match (weight, &quantization.method) {
        (Packed::Grid(grid), Method::Gptq(file)) => gptq::write(prefix, grid, file),
        (Packed::Int8(int8), Method::Int8 { .. }) => Ok(int8::write(prefix, int8)),
        (Packed::Spqr(spqr), Method::Spqr(file)) => Ok(spqr::write(prefix, spqr, file)),
        _ => panic!("{prefix}: a weight of another method than the folder's"),
    }
}

/// A linear of a checkpoint, its parts checked as they are read.
struct Linear<'a> {
    checkpoint: &'a Checkpoint,
    prefix: &'a str,
    rows: usize,
    cols: usize,
}

impl Linear<'_> {
    fn name(&self, part: &str) -> String {
        format!("{}.{part}", self.prefix)
    }

    fn info(&self, part: &str) -> Option<&TensorInfo> {
        self.checkpoint.tensor(&self.name(part))
    }

    fn bad(
        &self,
        part: &str,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
        fix: impl std::fmt::Display,
    ) -> Error {
        // A part that is missing is missed where the linear's others are.
        let here = |tensor: &&TensorInfo| tensor.name.strip_prefix(self.prefix).is_some_and(|end| end.starts_with('.'));
        let near = match self.info(part) {
            Some(tensor) => Some(tensor),
            None => self.checkpoint.tensors().iter().find(here),
        };
        let file = near.map_or(self.checkpoint.path(), |tensor| self.checkpoint.file_of(&tensor.name));
        Error::malformed(file, format!("tensor {}", self.name(part)), expected, found, fix)
    }

    /// An error about one element of a part.
    fn bad_element(
        &self,
        part: &str,
        element: usize,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Error {
        self.bad(&format!("{part}, element {element}"), expected, found, DAMAGED)
    }

    /// The part is there with one of these types.
    fn typed(&self, part: &str, dtypes: &[&str], fix: &str) -> Result<&TensorInfo> {
        let expected = || format!("a tensor in {}", dtypes.join(" or "));
        match self.info(part) {
            Some(tensor) if dtypes.contains(&tensor.storage.name) => Ok(tensor),
            Some(tensor) => Err(self.bad(part, expected(), tensor.storage.name, fix)),
            None => Err(self.bad(part, expected(), "no such tensor", fix)),
        }
    }

    /// The part is there with one of these types and this shape.
    fn expect(&self, part: &str, dtypes: &[&str], shape: &[usize]) -> Result<&TensorInfo> {
        let fix = "config.json and weights are not of the same model, or the file is damaged; download both again";
        let tensor = self.typed(part, dtypes, fix)?;
        match tensor.shape == shape {
            true => Ok(tensor),
            false => Err(self.bad(part, format!("shape {shape:?}"), format!("{:?}", tensor.shape), fix)),
        }
    }

    /// All bytes of a part that is known to be there.
    fn bytes(&self, part: &str) -> Result<Vec<u8>> {
        let name = self.name(part);
        let elements = self.checkpoint.tensor(&name).map_or(0, TensorInfo::elements);
        let mut bytes = Vec::new();
        self.checkpoint.read_bytes(&name, 0..elements, &mut bytes)?;
        Ok(bytes)
    }

    fn words(&self, part: &str) -> Result<Vec<u32>> {
        self.bytes(part).map(|bytes| words(&bytes))
    }

    /// Finite numbers in F16; from BF16 they are rounded.
    fn halves(&self, part: &str) -> Result<Vec<f16>> {
        let bytes = self.bytes(part)?;
        let bf16 = self.info(part).is_some_and(|tensor| tensor.storage.name == "BF16");
        let half = |pair: &[u8]| {
            let bits = u16::from_le_bytes([pair[0], pair[1]]);
            if bf16 { f16::from_f32(half::bf16::from_bits(bits).to_f32()) } else { f16::from_bits(bits) }
        };
        let halves: Vec<f16> = bytes.chunks_exact(2).map(half).collect();
        match halves.iter().position(|half| !half.is_finite()) {
            None => Ok(halves),
            Some(at) => Err(self.bad_element(part, at, "a finite number", halves[at])),
        }
    }

    /// Where the stored columns come from: a permutation of all columns.
    fn check_order(&self, part: &str, order: &[u32]) -> Result<()> {
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

    fn unsupported(&self, what: String, fix: &str) -> Error {
        Error::Unsupported { file: self.checkpoint.path().to_owned(), what, fix: fix.to_owned() }
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
}

fn bytes_of(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn bytes_of_halves(halves: &[f16]) -> Vec<u8> {
    halves.iter().flat_map(|half| half.to_le_bytes()).collect()
}
