//! Embedding and output matrix of a quantized folder in 8 bits: blocks of Q8_0 as GGUF's tools make them, in a tensor
//! `NAME.q8_0` of bytes \[rows, cols / 32 · 34\].

use half::f16;
use rayon::prelude::*;

use super::Blocks;
use super::blocks::Q8_0;
use crate::checkpoint::{Checkpoint, NewTensor};
use crate::error::{Error, Result};
use crate::formats::QuantizedWeight;
use crate::formats::file::LinearFile;
use crate::formats::file::linear::tensor;

/// The field of `quantization_config` that names the type of such tensors, and its name, which theirs end in.
pub const LM_HEAD_FIELD: (&str, &str) = ("qwgpu_lm_head", "q8_0");

/// Rounded embedding or output matrix.
pub struct RoundedTable {
    pub tensor: NewTensor<'static>,
    /// Σ(w - ŵ)² / Σw².
    pub relative_error: f64,
}

/// Rounds `name`.weight \[rows, cols\].
///
/// # Errors
/// It has another shape, values that are not finite or beyond what a scale in f16 holds.
pub fn round(checkpoint: &Checkpoint, name: &str, [rows, cols]: [usize; 2]) -> Result<RoundedTable> {
    /// Rows that are held in f32 at a time.
    const PIECE: usize = 4096;
    let weight = format!("{name}.weight");
    let found = checkpoint.tensors.get(&weight).map(|tensor| &*tensor.shape);
    if found != Some(&[rows, cols]) {
        let (expected, found) = (format!("shape [{rows}, {cols}] by config.json"), format!("{found:?}"));
        let fix = "config and weights are not of the same model; download both again";
        return Err(Error::malformed(&checkpoint.path, format!("tensor {weight}"), expected, found, fix));
    }
    let (mut bytes, mut halves, mut wrong, mut whole) = (Vec::new(), Vec::new(), 0.0, 0.0);
    for first in (0..rows).step_by(PIECE) {
        let count = PIECE.min(rows - first);
        checkpoint.tensors.read_bf16(&weight, first * cols..(first + count) * cols, &mut halves)?;
        let values: Vec<f32> = halves.iter().map(|&half| f32::from_bits(u32::from(half) << 16)).collect();
        let piece: Vec<u8> = values.par_chunks(Q8_0.columns).flat_map_iter(block).collect();
        let blocks = Blocks::from_bytes(&checkpoint.path, &weight, &Q8_0, [count, cols], &piece)?;
        let square = |value: f32| f64::from(value) * f64::from(value);
        wrong += blocks.dequantize().iter().zip(&values).map(|(q, w)| square(q - w)).sum::<f64>();
        whole += values.iter().map(|&w| square(w)).sum::<f64>();
        bytes.extend(piece);
    }
    let tensor = tensor(name, LM_HEAD_FIELD.1, "U8", &[rows, bytes.len() / rows], bytes);
    Ok(RoundedTable { tensor, relative_error: wrong / whole.max(f64::MIN_POSITIVE) })
}

/// Returns the bytes of a block: its largest magnitude / 127 in f16, and each value by it, rounded half away from zero.
fn block(values: &[f32]) -> impl Iterator<Item = u8> {
    let scale = values.iter().fold(0.0f32, |most, value| most.max(value.abs())) / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { scale.recip() };
    let codes = values.iter().map(move |value| (value * inverse).round() as i8 as u8);
    f16::from_f32(scale).to_le_bytes().into_iter().chain(codes)
}

/// Reads the rounded embedding or output matrix `name`. None: the checkpoint has none.
///
/// # Errors
/// The tensor has another type or shape, or a scale that is not finite.
pub fn read(checkpoint: &Checkpoint, name: &str, [rows, cols]: [usize; 2]) -> Result<Option<Blocks>> {
    const PART: &str = LM_HEAD_FIELD.1;
    let file = LinearFile { checkpoint, prefix: name, rows, cols };
    if file.info(PART).is_none() {
        return Ok(None);
    }
    file.expect(PART, &["U8"], &[rows, cols / Q8_0.columns * Q8_0.bytes])?;
    Blocks::from_bytes(&checkpoint.path, &file.name(PART), &Q8_0, [rows, cols], &file.bytes(PART)?).map(Some)
}
