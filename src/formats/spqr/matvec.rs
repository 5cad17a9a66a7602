//! Product of one row, or a few, and a SpQR weight, straight from its codes, outliers included.

use super::layout::{TrialWeight, dequantize_row, product, usual};
use crate::kernels::linear::{self, ADD, BIAS, GATE, NEXT, NORM, ORDER, PLAIN, Params};
use crate::plan::{Case, Host, Kernel, Variant};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "matvec_spqr",
    params: Params::FIELDS,
    variants: &[
        linear::matvec_staged(
            wgsl!("lib/matvec_subgroup", "lib/one_row", "lib/units", "lib/staged_x", "matvec_spqr_subgroup", "lib/norm", "lib/outliers_spqr", "lib/group_spqr", "lib/product_row", "lib/product"; "lib/units"),
            &[
                ("PASSES", 1),
                ("NORMED", 0),
                ("WG", 64),
                ("TILE", 4),
                ("RUNS", 2),
                ("BITS", 3),
                ("SCALE_WIDTH", 3),
                ("ZERO_WIDTH", 3),
            ],
        ),
        Variant::portable(
            wgsl!("matvec_spqr", "lib/matvec_spqr", "lib/norm", "lib/outliers_spqr", "lib/group_spqr", "lib/product_row", "lib/product"; "lib/codes", "lib/words"),
            &[("PASSES", 1), ("NORMED", 0), ("WG", 64), ("BITS", 3), ("SCALE_WIDTH", 3), ("ZERO_WIDTH", 3)],
            |_| [1, 8],
            1e-10,
        ),
        // The codes by 64-bit loads; see matvec_grid.
        linear::matvec_int64_subgroup::<32>(
            wgsl!("matvec_spqr_rows_subgroup", "lib/u64", "lib/eight_lanes", "lib/norm", "lib/outliers_spqr", "lib/group_spqr", "lib/product_row", "lib/product"; "lib/codes", "lib/words64"),
            &[("PASSES", 1), ("NORMED", 0), ("BITS", 3), ("SCALE_WIDTH", 3), ("ZERO_WIDTH", 3)],
        ),
        linear::matvec_rows_subgroup::<32>(
            wgsl!("matvec_spqr_rows_subgroup", "lib/eight_lanes", "lib/norm", "lib/outliers_spqr", "lib/group_spqr", "lib/product_row", "lib/product"; "lib/codes", "lib/words"),
            &[("PASSES", 1), ("NORMED", 0), ("BITS", 3), ("SCALE_WIDTH", 3), ("ZERO_WIDTH", 3)],
        ),
    ],
    reference: |io| linear::reference(io, dequantize_row),
    host: Some(Host { run: |io| linear::host_matvec(io, dequantize_row), nmse: 1e-10 }),
    cases: &[
        Case::bench("q8_4864x896", |t| product(t, &KERNEL, [1, 896], &[4864], usual(8), PLAIN)),
        Case::bench("q4_4864x896", |t| product(t, &KERNEL, [1, 896], &[4864], usual(4), PLAIN)),
        Case::bench("q3_4864x896", |t| product(t, &KERNEL, [1, 896], &[4864], usual(3), PLAIN)),
        Case::bench("q2_4864x896", |t| product(t, &KERNEL, [1, 896], &[4864], usual(2), PLAIN)),
        Case::bench("q3_896x896", |t| product(t, &KERNEL, [1, 896], &[896], usual(3), PLAIN)),
        Case::bench("q3_896x4864_add", |t| product(t, &KERNEL, [1, 4864], &[896], usual(3), ADD)),
        Case::bench("q3_9472x3584", |t| product(t, &KERNEL, [1, 3584], &[9472], usual(3), PLAIN)),
        Case::test("q8_48x64_bias", |t| product(t, &KERNEL, [1, 64], &[48], TrialWeight([8, 8, 7], 64, 3), BIAS)),
        Case::test("q4_16x96_all_outliers", |t| {
            product(t, &KERNEL, [1, 96], &[16], TrialWeight([4, 4, 5], 48, 100), PLAIN)
        }),
        Case::test("q3_3_rows_of_80x96_bias_add", |t| {
            product(t, &KERNEL, [3, 96], &[80], TrialWeight([3, 3, 3], 16, 3), BIAS | ADD)
        }),
        Case::test("q4_32x2144_of_groups", |t| product(t, &KERNEL, [1, 2144], &[32], usual(4), PLAIN)),
        Case::test("q8_16x4192_odd_statistics", |t| {
            product(t, &KERNEL, [1, 4192], &[16], TrialWeight([8, 5, 4], 32, 1), ADD)
        }),
        Case::test("q3_80x288_no_outliers", |t| {
            product(t, &KERNEL, [1, 288], &[80], TrialWeight([3, 2, 3], 16, 0), PLAIN)
        }),
        Case::test("q4_64x160_gated", |t| product(t, &KERNEL, [1, 160], &[64], TrialWeight([4, 3, 3], 16, 3), GATE)),
        Case::test("q3_64x160_normed_gated_order", |t| {
            product(t, &KERNEL, [1, 160], &[64], TrialWeight([3, 3, 3], 16, 3), NORM | GATE | ORDER)
        }),
        Case::test("q2_2_rows_of_48x160_normed_add_next", |t| {
            product(t, &KERNEL, [2, 160], &[48], TrialWeight([2, 3, 3], 16, 3), NORM | ADD | NEXT)
        }),
        Case::test("q2_two_parts_bias", |t| {
            product(t, &KERNEL, [1, 320], &[32, 80], TrialWeight([2, 6, 2], 32, 5), BIAS)
        }),
    ],
};
