//! Parts that the solvers of several formats share: the Hessian of a layer's inputs, its factor, tiles of rows, the error of
//! a quantized weight.
//!
//! ```
//! use qwgpu::formats::grid::{GptqOptions, GridOptions, GroupSize, gptq};
//! use qwgpu::formats::solver::{Factor, Hessian, Weight};
//! use qwgpu::formats::method::Solver;
//! # fn main() -> qwgpu::Result<()> {
//! let name = "model.layers.0.self_attn.q_proj".to_owned();
//! let hessian = Hessian { name, n: 32, values: (0..32 * 32).map(|i| f32::from(u8::from(i % 33 == 0))).collect() };
//! let values: Vec<f32> = (0..2 * 32).map(|i| (i as f32).sin()).collect();
//! let weight = Weight { name: "q_proj", values: &values, rows: 2, cols: 32 };
//! let grid = GridOptions { group_size: GroupSize::Row, ..GridOptions::default() };
//! let options = GptqOptions { grid, ..GptqOptions::default() };
//! let factor = Factor::new(&hessian, &options.factor(&weight).expect("GPTQ needs a factor"))?;
//! let quantized = gptq(&weight, &factor, 4, &options)?;
//! assert!(quantized.relative_error.unwrap() < 0.01);
//! # Ok(())
//! # }
//! ```

mod cholesky;
pub(super) mod device;
mod factor_device;
mod hessian;
mod loss;
mod order;
pub(super) mod tile;

use rayon::prelude::*;

use super::QuantizedWeight;
use crate::error::{Error, Result};

pub(crate) use device::hessian_bands;
pub use hessian::{Damping, Dead, Factor, FactorOptions, Hessian, Order};
pub use loss::{relative_error, relative_error_on};
pub use order::spearman;

/// Trained weight, to be quantized.
#[derive(Clone, Copy, Debug)]
pub struct Weight<'a> {
    /// Name for errors.
    pub name: &'a str,
    /// \[rows, cols\], rows = outputs.
    pub values: &'a [f32],
    pub rows: usize,
    pub cols: usize,
}

impl Weight<'_> {
    pub(super) fn check(&self) -> Result<()> {
        assert!(!self.values.is_empty() && self.values.len() == self.rows * self.cols, "{}: shape", self.name);
        all_finite(self.values, || self.name.to_owned(), "loading")
    }

    pub(super) fn check_with(&self, factor: &Factor<'_>) -> Result<()> {
        assert_eq!(self.cols, factor.n(), "{}: inputs of the weight and of the Hessian", self.name);
        self.check()
    }
}

/// Quantized weight and its error.
#[derive(Debug)]
pub struct Quantized {
    pub weight: Box<dyn QuantizedWeight>,
    /// ½ Σ ((w - ŵ) / U_cc)² over the corrected weights, as GPTQ prints; zero without error feedback.
    pub loss: f64,
    /// tr(ΔW H ΔWᵀ) / tr(W H Wᵀ) of the weight as stored, where there is a Hessian.
    pub relative_error: Option<f64>,
    /// Share of the weights that are stored as outliers.
    pub outlier_share: f64,
    /// Notes for the user: dead inputs, raised damping, no calibration at all.
    pub notes: Vec<String>,
}

impl Quantized {
    pub(super) fn new(weight: Box<dyn QuantizedWeight>, relative_error: Option<f64>) -> Quantized {
        Quantized { weight, loss: 0.0, relative_error, outlier_share: 0.0, notes: Vec::new() }
    }
}

/// Checks the damping options.
///
/// # Errors
/// Names the option.
pub(super) fn check_percdamp(percdamp: f32, damp_auto_increment: f32) -> Result<()> {
    let positive = |name: &str, value: f32| match value > 0.0 && value.is_finite() {
        true => Ok(()),
        false => Err(Error::request(name, "a number above 0", value, "the references take 0.01 to 1")),
    };
    positive("`percdamp`", percdamp)?;
    positive("`damp_auto_increment`", damp_auto_increment)
}

pub(super) fn all_finite(values: &[f32], tensor: impl FnOnce() -> String, step: &str) -> Result<()> {
    if values.par_iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    Err(Error::NotFinite { step: step.to_owned(), tensor: tensor() })
}
