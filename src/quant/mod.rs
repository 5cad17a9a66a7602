//! How weights are packed and multiplied: one file a format, listed in [`FORMATS`].

mod bf16;
pub mod file;
mod grid;
pub mod linear;
pub mod packed;
pub mod random;
mod spec;

use std::ops::Range;

use crate::kernels::{Into, Packing};
use crate::plan::{Element, Plan, Tensor};

pub use bf16::FORMAT as BF16;
pub use grid::FORMAT as GRID;
pub use linear::{Input, Linear};
pub use packed::{Grid, Int8, Packed, Spqr};
pub use spec::{Method, Quant};

/// A way to hold a weight on the device and to multiply by it.
pub struct Format {
    pub name: &'static str,
    pub product: Product,
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Adds x · Wᵀ + bias: the arguments are the step's name, the input, the weight and where the product
/// goes.
pub type Product = fn(&mut Plan, &str, &mut Input, &Linear, Into) -> Tensor;

/// Every format.
pub static FORMATS: &[&Format] = &[&BF16, &GRID];

/// A tensor to be made on a device.
#[derive(Clone, Debug)]
pub struct DeviceTensor {
    /// After the weight's own name: `codes`.
    pub name: &'static str,
    pub rows: usize,
    pub cols: usize,
    pub element: Element,
    pub words: Vec<u32>,
}

impl Packed {
    pub fn format(&self) -> &'static Format {
        match self {
            Packed::Grid(_) => &GRID,
            Packed::Int8(_) | Packed::Spqr(_) => todo!(),
        }
    }

    /// What the kernels are specialized for.
    pub fn packing(&self) -> Packing {
        match self {
            Packed::Grid(w) => Packing { bits: w.bits, group: w.group },
            Packed::Int8(_) | Packed::Spqr(_) => todo!(),
        }
    }

    /// The columns' order, if it is not their own.
    pub fn order(&self) -> Option<&[u32]> {
        match self {
            Packed::Grid(w) => w.perm.as_deref(),
            Packed::Int8(_) => None,
            Packed::Spqr(w) => w.perm.as_deref(),
        }
    }

    /// The tensors of some rows, in binding order.
    pub fn on_device(&self, rows: Range<usize>) -> Vec<DeviceTensor> {
        match self {
            Packed::Grid(w) => w.on_device(rows),
            Packed::Int8(_) | Packed::Spqr(_) => todo!("{rows:?}"),
        }
    }
}
