//! The weights of LLM.int8(): rows scaled by their largest magnitude. Dettmers et al. 2022, as in
//! bitsandbytes; its threshold concerns activations only.

use half::f16;
use rayon::prelude::*;

use super::Int8;
use crate::error::Result;
use crate::formats::solver::tile::round;
use crate::formats::solver::{Hessian, Quantized, Weight, all_finite};

/// Makes codes round(w · 127 / largest |w| of the row), with w rounded to f16 before. `threshold` concerns inputs and
/// is only kept. The Hessian serves to measure the error only.
///
/// # Errors
/// A number is not finite in f16.
pub fn int8(weight: &Weight<'_>, threshold: f32, hessian: Option<&Hessian>) -> Result<Quantized> {
    weight.check()?;
    let narrow: Vec<f32> = weight.values.par_iter().map(|&w| f16::from_f32(w).to_f32()).collect();
    all_finite(&narrow, || weight.name.to_owned(), "rounding to f16")?;
    let scales: Vec<f32> = narrow
        .par_chunks(weight.cols)
        .map(|row| row.iter().fold(0.0, |largest: f32, w| largest.max(w.abs())))
        .collect();
    let mut codes = vec![0i8; narrow.len()];
    let rows = codes.par_chunks_mut(weight.cols).zip(narrow.par_chunks(weight.cols)).zip(&scales);
    rows.for_each(|((codes, row), &scale)| {
        let factor = if scale == 0.0 { 0.0 } else { 1.0 / scale * 127.0 };
        codes.iter_mut().zip(row).for_each(|(code, w)| *code = round(w * factor) as i8);
    });
    let int8 = Int8 { rows: weight.rows, cols: weight.cols, codes, scales, threshold };
    Ok(Quantized::new(weight, Box::new(int8), hessian))
}
