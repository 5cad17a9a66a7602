//! X -= E · X for rows of an inverted factor X and their error E.

use std::ops::Range;

use super::factor_block::BLOCK;
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { n: u32, first: u32, row: u32, len: u32, col0: u32, cols: u32 } }

impl Plan {
    /// Corrects columns of up to [`BLOCK`] rows of the lower triangle `x` [n, n]; `error` [.., n] begins with row `first`.
    pub(super) fn factor_correct(
        &mut self,
        [error, x]: [Tensor; 2],
        first: usize,
        rows: Range<usize>,
        cols: Range<usize>,
    ) {
        let n = x.cols;
        x.expect("x", n, n, Element::F32);
        error.expect("error", error.rows, n, Element::F32);
        assert!(first <= rows.start && rows.end <= n.min(first + error.rows), "{rows:?} of errors from {first}");
        assert!(rows.len() <= BLOCK && cols.end <= rows.end, "{rows:?}, {cols:?}");
        // A column begins at its diagonal.
        let terms = cols.len() * (2 * rows.end - cols.start - cols.end) / 2;
        let [len, width] = [rows.len(), cols.len()];
        let [n, first, row, col0] = [n, first, rows.start, cols.start].map(|at| at as u32);
        let params = Params { n, first, row, len: len as u32, col0, cols: width as u32 };
        let step = self.add(&KERNEL, "factor_correct", params, &[error, x], [len, width], (2 * len * terms) as u64);
        step.bytes = 4 * (terms + 3 * len * width) as u64;
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "factor_correct",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("factor_correct", "lib/tile_product"), &[], |_| [BLOCK as u32; 2], 1e-10)],
    reference,
    host: None,
    cases: &[
        Case::bench("64_of_896", |t| correct(t, 896, 640, 832..896, 0..896)),
        Case::test("64_of_150", |t| correct(t, 150, 64, 64..128, 0..128)),
        Case::test("13_of_37_from_16", |t| correct(t, 37, 8, 24..37, 16..37)),
    ],
};

fn correct(t: &mut Trial, n: usize, first: usize, rows: Range<usize>, cols: Range<usize>) -> Tensor {
    let (error, x) = (t.f32(rows.end - first, n), t.f32(n, n));
    t.plan.factor_correct([error, x], first, rows, cols);
    x
}

fn reference(io: &mut Io) {
    let params: Params = io.params();
    let (error, n) = (io.f32(0), params.n as usize);
    let [first, row, len, col0, cols] =
        [params.first, params.row, params.len, params.col0, params.cols].map(|at| at as usize);
    let old = io.out_f32().to_vec();
    for i in row..row + len {
        for j in (col0..col0 + cols).filter(|&j| j <= i) {
            let terms = (j..row + len).map(|k| error[(i - first) * n + k] * old[k * n + j]);
            io.out_f32()[i * n + j] -= terms.sum::<f32>();
        }
    }
}
