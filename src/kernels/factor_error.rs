//! The error E of an approximate inverse X of a factor, rows of the lower half of X · H · Xᵀ - I.

use super::factor_block::BLOCK;
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { n: u32, row0: u32, rows: u32, col0: u32, cols: u32 } }

impl Plan {
    /// Computes columns of the `error` [.., n] of `rows` rows of `x` [n, n] from `row0` on by their `residual` [.., n].
    pub(super) fn factor_error(
        &mut self,
        tensors: [Tensor; 3],
        row0: usize,
        rows: usize,
        cols: std::ops::Range<usize>,
    ) {
        let [residual, x, error] = tensors;
        let n = x.cols;
        x.expect("x", n, n, Element::F32);
        residual.expect("residual", residual.rows, n, Element::F32);
        error.expect("error", residual.rows, n, Element::F32);
        assert!(rows <= error.rows && row0 + rows <= n && cols.end <= n, "{rows} rows from {row0}, {cols:?}");
        let width = cols.len();
        // A column sums up to its diagonal.
        let terms = width * (cols.start + cols.end) / 2;
        let [n, row0, rows_, col0, width_] = [n, row0, rows, cols.start, width].map(|at| at as u32);
        let params = Params { n, row0, rows: rows_, col0, cols: width_ };
        let step = self.add(&KERNEL, "factor_error", params, &tensors, [rows, width], (2 * rows * terms) as u64);
        step.bytes = 4 * (terms + 2 * rows * cols.end) as u64;
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "factor_error",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("factor_error", "lib/tile_product"), &[], |_| [BLOCK as u32; 2], 1e-10)],
    reference,
    host: None,
    cases: &[
        Case::bench("256_of_896", |t| error(t, 896, 640, 256, 0..896)),
        Case::test("70_of_134", |t| error(t, 134, 64, 70, 0..134)),
        Case::test("5_of_37_from_9", |t| error(t, 37, 32, 5, 9..37)),
    ],
};

fn error(t: &mut Trial, n: usize, row0: usize, rows: usize, cols: std::ops::Range<usize>) -> Tensor {
    let (residual, x, error) = (t.f32(rows, n), t.f32(n, n), t.f32(rows, n));
    t.plan.factor_error([residual, x, error], row0, rows, cols);
    error
}

fn reference(io: &mut Io) {
    let Params { n, row0, rows, col0, cols } = io.params();
    let (residual, x, n) = (io.f32(0), io.f32(1), n as usize);
    for t in 0..rows as usize {
        let i = row0 as usize + t;
        for k in col0 as usize..(col0 + cols) as usize {
            let terms = residual[t * n..][..=k].iter().zip(&x[k * n..]);
            let sum: f32 = terms.map(|(residual, x)| residual * x).sum();
            io.out_f32()[t * n + k] = match k.cmp(&i) {
                std::cmp::Ordering::Less => sum,
                std::cmp::Ordering::Equal => (sum - 1.0) / 2.0,
                std::cmp::Ordering::Greater => 0.0,
            };
        }
    }
}
