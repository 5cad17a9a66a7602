//! The outliers of a SpQR weight alone, times x: a sparse product in rows, for many rows of x. Matvecs have
//! it fused: benches/results/NOTES.md.

use half::f16;
use rayon::prelude::*;

use super::layout::{TrialWeight, add_outliers, layout, tensors};
use crate::kernels::linear::{self, ADD, BIAS, LinearArgs, Output, PLAIN, Params, RowBlock, finish};
use crate::plan::{Case, Host, Io, Kernel, Needs, Plan, Tensor, Trial, Variant};
use crate::wgsl;

/// Adds x · Sᵀ to `y`, S \[n, k\] the outliers: the last tensor of each row block.
pub(super) fn add(plan: &mut Plan, name: &str, args: LinearArgs, y: Tensor) {
    let sparse = |block: &RowBlock| RowBlock { tensors: block.tensors[3..].to_vec(), ..block.clone() };
    let row_blocks: Vec<RowBlock> = args.row_blocks.iter().map(sparse).collect();
    let args = LinearArgs { row_blocks: &row_blocks, bias: None, output: Output::Add(y), ..args };
    plan.linear(&KERNEL, &format!("{name}.outliers"), args);
}

pub static KERNEL: Kernel = Kernel {
    name: "outliers_spqr",
    params: Params::FIELDS,
    variants: &[Variant {
        name: "portable",
        needs: Needs::empty(),
        wgsl: wgsl!("outliers_spqr", "lib/product"),
        consts: &[("WG", 64)],
        tile: |c| [8, c.get("WG")],
        nmse: 1e-10,
    }],
    reference: |io| linear::reference(io, outliers),
    host: Some(Host { run: host, nmse: 1e-10 }),
    cases: &[
        Case::bench("1x4864x896_add", |t| product(t, [1, 896], &[4864], 1, ADD)),
        Case::bench("128x4864x896_add", |t| product(t, [128, 896], &[4864], 1, ADD)),
        Case::bench("128x896x4864_add", |t| product(t, [128, 4864], &[896], 1, ADD)),
        Case::test("11x48x64_bias", |t| product(t, [11, 64], &[48], 3, BIAS)),
        Case::test("3x16x96_all", |t| product(t, [3, 96], &[16], 100, PLAIN)),
        Case::test("2x80x288_none", |t| product(t, [2, 288], &[80], 0, BIAS | ADD)),
        Case::test("9_rows_two_parts", |t| product(t, [9, 320], &[32, 80], 5, ADD)),
    ],
};

/// A trial; `share` of a hundred weights are outliers.
fn product(t: &mut Trial, shape: [usize; 2], rows: &[usize], share: usize, flags: u32) -> Tensor {
    let form = TrialWeight([3, 3, 3], 16, share);
    linear::trial(t, &KERNEL, shape, rows, flags, layout(&form), |t, rows| {
        tensors(t, rows, shape[1], &form).split_off(3)
    })
}

/// Rows of x that share one walk over the outliers.
const ROWS: usize = 16;

/// Each outlier once for [`ROWS`] rows of x, whose values of a column lie next to each other; these rows spread over the
/// cores. A row's sum is added up as for itself alone.
fn host(io: &mut Io) {
    let params: Params = io.params();
    let (x, sparse, bias) = (io.f32(0), io.u32(1), io.f32(2));
    let (k, n, stride) = (params.k as usize, params.n as usize, params.y_stride as usize);
    let (starts, entries) = sparse.split_at(n + 4);
    io.out_f32().par_chunks_mut(ROWS * stride).zip(x.par_chunks(ROWS * k)).for_each(|(y, x)| {
        let mut columns = vec![[0.0; ROWS]; k];
        for (number, row) in x.chunks(k).enumerate() {
            columns.iter_mut().zip(row).for_each(|(column, value)| column[number] = *value);
        }
        for (row, start) in starts.windows(2).take(n).enumerate() {
            let mut sums = [0.0; ROWS];
            for &one in &entries[start[0] as usize..start[1] as usize] {
                let value = f16::from_bits((one >> 16) as u16).to_f32();
                let column = &columns[(one & 0xffff) as usize];
                sums.iter_mut().zip(column).for_each(|(sum, x)| *sum += value * x);
            }
            for (y, sum) in y.chunks_mut(stride).zip(sums) {
                finish(&params, bias, 0, row, sum, y);
            }
        }
    });
}

fn outliers(weight: &[&[u32]], params: &Params, n: usize, row: &mut [f32]) {
    row.fill(0.0);
    add_outliers(weight[0], params, n, row);
}
