//! Product of many rows and a SpQR weight, straight from its codes and outliers.

use super::layout::{TrialWeight, dequantize_row, product, usual};
use crate::kernels::linear::{self, ADD, BIAS, GATE, PLAIN, Params, matmul_variants};
use crate::plan::{Case, Host, Kernel};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "matmul_spqr",
    params: Params::FIELDS,
    variants: matmul_variants! {
        wgsl: wgsl!["lib/walked_outliers", "lib/weights_spqr", "lib/group_spqr"; "lib/codes", "lib/words"],
        consts: [("BITS", 3), ("SCALE_WIDTH", 3), ("ZERO_WIDTH", 3)],
        rows: wgsl!("matmul_spqr_rows_subgroup", "lib/matmul_rows_subgroup", "lib/sums_of_eight", "lib/weights_spqr", "lib/group_spqr", "lib/product_rows", "lib/product"; "lib/codes", "lib/words")
    },
    reference: |io| linear::reference(io, dequantize_row),
    host: Some(Host { run: |io| linear::host_matmul(io, dequantize_row), nmse: 1e-10 }),
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
        Case::test("q4_70x192x96_gated", |t| {
            product(t, &KERNEL, [70, 96], &[192], TrialWeight([4, 3, 3], 32, 3), GATE)
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
