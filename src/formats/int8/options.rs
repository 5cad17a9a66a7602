//! LLM.int8() as a method: its options, and rows scaled by their largest magnitude. Dettmers et al. 2022, as in
//! bitsandbytes; the threshold concerns activations only.

use half::f16;
use rayon::prelude::*;
use serde::Serialize;

use super::{FORMAT, Int8, Int8Folder, THRESHOLD, random};
use crate::error::{Error, Result};
use crate::formats::file::FolderWriter;
use crate::formats::method::{InputStatistics, Method, RunOptions, Solver};
use crate::formats::solver::tile::round;
use crate::formats::solver::{Hessian, Quantized, Weight, all_finite, relative_error};

pub static METHOD: Method = Method {
    name: "int8",
    title: "LLM.int8()",
    about: "scales rows by their largest magnitude and multiplies outlier inputs in f32 (Dettmers et al., 2022)",
    description: "Weights and activations are rounded to 8 bits. The few input columns with the largest values stay in \
                  16 bits.",
    format: &FORMAT,
    bits: &[8],
    default_bits: 8,
    calibrated: false,
    options: || Box::new(Int8Options::default()),
    best: |_| None,
    #[cfg(feature = "cli")]
    args: <Int8Options as clap::Args>::augment_args_for_update,
    in_study: true,
    comparisons: &[],
    has_outliers: false,
    random,
};

/// Options of LLM.int8().
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct Int8Options {
    /// Inputs of at least this magnitude stay out of the 8-bit product; 0: none do
    #[cfg_attr(feature = "cli", arg(long, value_name = "VALUE"))]
    pub threshold: f32,
}

impl Default for Int8Options {
    fn default() -> Int8Options {
        Int8Options { threshold: THRESHOLD }
    }
}

impl Solver for Int8Options {
    fn check(&self, _: u32) -> Result<()> {
        if self.threshold >= 0.0 && self.threshold.is_finite() {
            return Ok(());
        }
        Err(Error::request("`threshold`", "a number of 0 or more", self.threshold, "bitsandbytes takes 6"))
    }

    fn quantize(&self, _: u32, weight: &Weight<'_>, inputs: InputStatistics<'_>) -> Result<Quantized> {
        int8(weight, self.threshold, inputs.hessian)
    }

    fn folder(&self, _: u32, run: &RunOptions) -> Box<dyn FolderWriter> {
        Box::new(Int8Folder { threshold: self.threshold, skip: run.skip.clone() })
    }
}

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
    let error = hessian.map(|hessian| relative_error(weight, &int8, hessian));
    Ok(Quantized::new(Box::new(int8), error))
}
