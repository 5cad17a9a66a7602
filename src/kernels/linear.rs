//! What matvec and matmul share, whatever the weights are packed as: parameters, the parts a weight
//! is split in, and where the product goes.

use bytemuck::{Pod, Zeroable};

use crate::plan::{Element, Kernel, Plan, Tensor};

/// Some rows of a weight, small enough for one binding.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The part's first row in the whole weight.
    pub row0: usize,
    pub weight: Tensor,
}

/// Where a product goes.
#[derive(Clone, Copy, Debug)]
pub enum Into {
    /// A new tensor.
    New,
    /// Added to this one: the residual stream.
    Add(Tensor),
}

/// Parameters of every matvec and matmul, as in their shaders.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct Params {
    pub m: u32,
    pub k: u32,
    pub n: u32,
    /// Columns of the whole output, and where this part's begin.
    pub y_stride: u32,
    pub y_col: u32,
    pub flags: u32,
}

pub(super) const BIAS: u32 = 1;
pub(super) const ADD: u32 = 2;

impl Plan {
    /// x · Wᵀ + bias by `kernel`, for x [m, k], W [n, k] in parts and bias [1, n].
    pub(super) fn product(
        &mut self,
        kernel: &'static Kernel,
        name: &str,
        x: Tensor,
        parts: &[Part],
        bias: Option<Tensor>,
        into: Into,
    ) -> Tensor {
        let last = parts.last().expect("a weight has parts");
        let (m, k, n) = (x.rows, x.cols, last.row0 + last.weight.rows);
        let y = match into {
            Into::New => self.scratch(m, n, Element::F32),
            Into::Add(y) => y,
        };
        y.expect("y", m, n, Element::F32);
        if let Some(bias) = bias {
            bias.expect("bias", 1, n, Element::F32);
        }
        for part in parts {
            assert_eq!(part.weight.cols, k, "{name}: columns of the weight");
            let rows = part.weight.rows;
            let flags = if bias.is_some() { BIAS } else { 0 } | if matches!(into, Into::Add(_)) { ADD } else { 0 };
            let params =
                Params { m: m as u32, k: k as u32, n: rows as u32, y_stride: n as u32, y_col: part.row0 as u32, flags };
            // Every binding must be bound: without a bias x stands in, unread.
            let bind = [x, part.weight, bias.unwrap_or(x), y];
            let step = self.add(kernel, name, params, &bind, [m, rows], 2 * (m * k * rows) as u64);
            step.bytes = part.weight.bytes() + x.bytes() + (4 * m * rows) as u64;
        }
        y
    }
}

/// Adds bias and what was there before, as the flags say.
pub(super) fn finish(params: &Params, bias: &[f32], row: usize, col: usize, sum: f32, y: &mut [f32]) {
    let y = &mut y[row * params.y_stride as usize + params.y_col as usize + col];
    let bias = if params.flags & BIAS != 0 { bias[params.y_col as usize + col] } else { 0.0 };
    let before = if params.flags & ADD != 0 { *y } else { 0.0 };
    *y = sum + bias + before;
}
