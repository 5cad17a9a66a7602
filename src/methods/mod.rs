//! Quantizers: from a weight, and from what calibration saw of its inputs, to its packed form.
//!
//! | method | needs | file |
//! |---|---|---|
//! | round to nearest | | `rtn` |
//! | LLM.int8() (Dettmers et al. 2022), weights | | `int8` |
//! | GPTQ (Frantar et al. 2022) | [`Hessian`], [`Factor`] | `gptq` |
//! | SpQR (Dettmers et al. 2023) | [`Hessian`], [`Factor`] | `spqr` |
//!
//! ```
//! use qwgpu::methods::{Factor, FactorOptions, GptqOptions, GridOptions, Hessian, Weight, gptq};
//! # fn main() -> qwgpu::Result<()> {
//! let name = "model.layers.0.self_attn.q_proj".to_owned();
//! let hessian = Hessian { name, n: 32, values: (0..32 * 32).map(|i| f32::from(u8::from(i % 33 == 0))).collect() };
//! let factor = Factor::new(&hessian, &FactorOptions::gptq())?;
//! let values: Vec<f32> = (0..2 * 32).map(|i| (i as f32).sin()).collect();
//! let weight = Weight { name: "q_proj", values: &values, rows: 2, cols: 32 };
//! let solved = gptq(&weight, &factor, &GptqOptions::new(GridOptions::new(4, None)))?;
//! assert!(solved.relative_error.unwrap() < 0.01);
//! # Ok(())
//! # }
//! ```

mod cholesky;
mod gptq;
mod grid;
mod hessian;
mod int8;
mod loss;
mod order;
mod product;
mod rtn;
mod spqr;
mod statistics;
mod tile;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::quant::Packed;

pub use gptq::{GptqOptions, gptq};
pub use grid::GridOptions;
pub use hessian::{Damping, Dead, Factor, FactorOptions, Hessian, Order};
pub use int8::int8;
pub use loss::relative_error;
pub use order::spearman;
pub use rtn::rtn;
pub use spqr::{SpqrOptions, outlier_share, spqr};

/// A weight to be quantized.
#[derive(Clone, Copy, Debug)]
pub struct Weight<'a> {
    /// Named in errors.
    pub name: &'a str,
    /// \[rows, cols\], rows = outputs.
    pub values: &'a [f32],
    pub rows: usize,
    pub cols: usize,
}

impl Weight<'_> {
    fn check(&self) -> Result<()> {
        assert!(!self.values.is_empty() && self.values.len() == self.rows * self.cols, "{}: shape", self.name);
        all_finite(self.values, || self.name.to_owned(), "loading")
    }

    fn check_with(&self, factor: &Factor<'_>) -> Result<()> {
        assert_eq!(self.cols, factor.n(), "{}: inputs of the weight and of the Hessian", self.name);
        self.check()
    }
}

/// A quantized weight and how well it went.
#[derive(Clone, Debug)]
pub struct Solved {
    pub packed: Packed,
    /// ½ Σ ((w - ŵ) / U_cc)² over the corrected weights, as GPTQ prints; zero without error feedback.
    pub loss: f64,
    /// tr(ΔW H ΔWᵀ) / tr(W H Wᵀ) of the weight as stored, where there is a Hessian.
    pub relative_error: Option<f64>,
    /// Share of the weights that are stored apart.
    pub outlier_share: f64,
    /// What a person should know: dead inputs, raised damping, no calibration at all.
    pub notes: Vec<String>,
}

impl Solved {
    fn new(weight: &Weight<'_>, packed: Packed, hessian: Option<&Hessian>) -> Solved {
        let relative_error = hessian.map(|hessian| relative_error(weight, &packed, hessian));
        Solved { packed, loss: 0.0, relative_error, outlier_share: 0.0, notes: Vec::new() }
    }
}

fn all_finite(values: &[f32], tensor: impl FnOnce() -> String, step: &str) -> Result<()> {
    if values.par_iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    Err(Error::NotFinite { step: step.to_owned(), tensor: tensor() })
}
