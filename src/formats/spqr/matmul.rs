//! Product of many rows and a SpQR weight, straight from its codes; the outliers are a product of their own
//! (`outliers_spqr`): to add them to the weights on the way to the multipliers makes lanes wait for each other. So a gate is
//! no part of this product, which has its sum without the outliers.

use half::f16;
use rayon::prelude::*;

use super::layout::{TrialWeight, add_outliers, dequantize_codes, layout, product, tensors, usual};
use crate::kernels::linear::{self, ADD, BIAS, Epilogue, LinearArgs, Output, PLAIN, Params, RowBlock, matmul_variants};
use crate::plan::{Case, Host, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "matmul_spqr",
    params: Params::FIELDS,
    variants: matmul_variants! {
        wgsl: wgsl!["lib/weights_spqr", "lib/group_spqr"; "lib/codes", "lib/words"],
        consts: [("BITS", 3), ("SCALE_WIDTH", 3), ("ZERO_WIDTH", 3)],
        rows: wgsl!("matmul_spqr_rows_subgroup", "lib/matmul_rows_subgroup", "lib/sums_of_eight", "lib/weights_spqr", "lib/group_spqr", "lib/product_rows", "lib/product"; "lib/codes", "lib/words")
    },
    reference: |io| linear::reference(io, dequantize_codes),
    host: Some(Host { run: |io| linear::host_matmul(io, dequantize_codes), nmse: 1e-10 }),
    cases: &[
        Case::bench("q8_128x4864x896", |t| product(t, &KERNEL, [128, 896], &[4864], usual(8), PLAIN)),
        Case::bench("q4_128x4864x896", |t| product(t, &KERNEL, [128, 896], &[4864], usual(4), PLAIN)),
        Case::bench("q3_128x4864x896", |t| product(t, &KERNEL, [128, 896], &[4864], usual(3), PLAIN)),
        Case::bench("q2_128x4864x896", |t| product(t, &KERNEL, [128, 896], &[4864], usual(2), PLAIN)),
        Case::bench("q3_128x896x4864_add", |t| product(t, &KERNEL, [128, 4864], &[896], usual(3), ADD)),
        Case::test("q8_7x48x64_bias_add", |t| {
            product(t, &KERNEL, [7, 64], &[48], TrialWeight([8, 8, 7], 64, 3), BIAS | ADD)
        }),
        Case::test("q4_70x144x160_all_outliers", |t| {
            product(t, &KERNEL, [70, 160], &[144], TrialWeight([4, 4, 5], 32, 100), PLAIN)
        }),
        Case::test("q3_33x80x96", |t| product(t, &KERNEL, [33, 96], &[80], TrialWeight([3, 3, 3], 16, 3), PLAIN)),
        Case::test("q3_9x16x288_no_outliers", |t| {
            product(t, &KERNEL, [9, 288], &[16], TrialWeight([3, 2, 3], 48, 0), PLAIN)
        }),
        Case::test("q2_5_rows_two_parts_bias", |t| {
            product(t, &KERNEL, [5, 320], &[32, 80], TrialWeight([2, 6, 2], 16, 5), BIAS)
        }),
    ],
};

/// Adds x · Sᵀ to `y`, S \[n, k\] the outliers: the last tensor of each row block.
pub(super) fn add_outlier_product(plan: &mut Plan, name: &str, args: LinearArgs, y: Tensor) {
    let sparse = |block: &RowBlock| RowBlock { tensors: block.tensors[3..].to_vec(), ..block.clone() };
    let row_blocks: Vec<RowBlock> = args.row_blocks.iter().map(sparse).collect();
    let args = LinearArgs { row_blocks: &row_blocks, bias: None, output: Output::Add(y), ..args };
    plan.linear(&OUTLIERS, &format!("{name}.outliers"), args);
}

/// Product of a SpQR weight's outliers alone and many rows; matvecs have it fused: benches/results/NOTES.md.
pub static OUTLIERS: Kernel = Kernel {
    name: "outliers_spqr",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("outliers_spqr", "lib/product"), &[("WG", 64)], |c| [8, c.get("WG")], 1e-10)],
    reference: |io| linear::reference(io, outlier_row),
    host: Some(Host { run: host_outliers, nmse: 1e-10 }),
    cases: &[
        Case::bench("1x4864x896_add", |t| sparse_product(t, [1, 896], &[4864], 1, ADD)),
        Case::bench("128x4864x896_add", |t| sparse_product(t, [128, 896], &[4864], 1, ADD)),
        Case::bench("128x896x4864_add", |t| sparse_product(t, [128, 4864], &[896], 1, ADD)),
        Case::test("11x48x64_bias", |t| sparse_product(t, [11, 64], &[48], 3, BIAS)),
        Case::test("3x16x96_all", |t| sparse_product(t, [3, 96], &[16], 100, PLAIN)),
        Case::test("2x80x288_none", |t| sparse_product(t, [2, 288], &[80], 0, BIAS | ADD)),
        Case::test("9_rows_two_parts", |t| sparse_product(t, [9, 320], &[32, 80], 5, ADD)),
    ],
};

/// Adds a trial in which `share` of a hundred weights are outliers.
fn sparse_product(t: &mut Trial, shape: [usize; 2], rows: &[usize], share: usize, flags: u32) -> Tensor {
    let form = TrialWeight([3, 3, 3], 16, share);
    linear::trial(t, &OUTLIERS, shape, rows, flags, layout(&form), |t, rows| {
        tensors(t, rows, shape[1], &form).split_off(3)
    })
}

/// Rows of x that share one walk over the outliers.
const ROWS: usize = 16;

/// Multiplies each outlier by [`ROWS`] rows of x at once, whose values of a column are neighbours. Such rows spread over
/// the cores. A row's sum is added up as for that row alone.
fn host_outliers(io: &mut Io) {
    let params: Params = io.params();
    let (x, sparse, end) = (io.f32(0), io.u32(1), Epilogue::of(io));
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
                end.store(0, row, sum, y);
            }
        }
    });
}

/// Writes the outliers of row `n` as f32.
fn outlier_row(weight: &[&[u32]], params: &Params, n: usize, row: &mut [f32]) {
    row.fill(0.0);
    add_outliers(weight[0], params, n, row);
}
