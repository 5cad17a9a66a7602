//! How weights are packed and multiplied: one file a format, listed in [`FORMATS`].

mod bf16;
pub mod packed;

use crate::kernels::{Into, Part};
use crate::plan::{Element, Plan, Tensor};

/// A way to hold a weight on the device and to multiply by it.
pub struct Format {
    pub name: &'static str,
    /// What one element of the packed weight is.
    pub element: Element,
    pub product: Product,
}

/// Adds x · Wᵀ + bias for W in parts: the arguments are the step's name, x [m, k], the parts, the
/// bias [1, n] and where the product goes.
pub type Product = fn(&mut Plan, &str, Tensor, &[Part], Option<Tensor>, Into) -> Tensor;

/// Every format.
pub static FORMATS: &[&Format] = &[&BF16];

pub use bf16::FORMAT as BF16;
pub use packed::{Grid, Int8, Packed, Spqr};
