//! Product of many rows and a SpQR weight, straight from its codes; the outliers are a product of their own
//! (`outliers_spqr`): to add them to the weights on the way to the multipliers makes lanes wait for each other.

use super::layout::{TrialWeight, dequantize_codes, product};
use crate::kernels::linear::{self, ADD, BIAS, PLAIN, Params};
use crate::plan::{Case, Host, Kernel, Needs, Variant};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "matmul_spqr",
    params: Params::FIELDS,
    variants: &[
        Variant {
            name: "coop",
            needs: Needs::COOP_MATRIX.union(Needs::F16).union(Needs::SUBGROUP),
            wgsl: wgsl!("lib/tile_coop", "lib/matmul_coop", "lib/weights_spqr", "lib/group_spqr", "lib/product"; "lib/codes", "lib/words"),
            consts: &[("LANES", 32), ("BITS", 3), ("SCALE_WIDTH", 3), ("ZERO_WIDTH", 3)],
            tile: |_| [64, 64],
            nmse: 1e-6,
        },
        Variant {
            name: "portable",
            needs: Needs::empty(),
            wgsl: wgsl!("lib/matmul", "lib/weights_spqr", "lib/group_spqr", "lib/product"; "lib/codes", "lib/words"),
            consts: &[("BITS", 3), ("SCALE_WIDTH", 3), ("ZERO_WIDTH", 3)],
            tile: |_| [64, 64],
            nmse: 1e-10,
        },
        Variant {
            name: "rows_subgroup",
            needs: Needs::SUBGROUP8,
            wgsl: wgsl!("matmul_spqr_rows_subgroup", "lib/matmul_rows_subgroup", "lib/weights_spqr", "lib/group_spqr", "lib/product"; "lib/codes", "lib/words"),
            consts: &[("BITS", 3), ("SCALE_WIDTH", 3), ("ZERO_WIDTH", 3)],
            tile: |_| [32, 32],
            nmse: 1e-10,
        },
        // See matmul_bf16.
        Variant {
            name: "coop_emulated",
            needs: Needs::empty(),
            wgsl: wgsl!("lib/tile_emulated", "lib/matmul_coop", "lib/weights_spqr", "lib/group_spqr", "lib/product"; "lib/codes", "lib/words"),
            consts: &[("LANES", 32), ("STEP", 16), ("BITS", 3), ("SCALE_WIDTH", 3), ("ZERO_WIDTH", 3)],
            tile: |_| [64, 64],
            nmse: 1e-6,
        },
    ],
    reference: |io| linear::reference(io, dequantize_codes),
    host: Some(Host { run: |io| linear::host_matmul(io, dequantize_codes), nmse: 1e-10 }),
    cases: &[
        Case::bench("q8_128x4864x896", |t| {
            product(t, &KERNEL, [128, 896], &[4864], TrialWeight([8, 3, 3], 16, 1), PLAIN)
        }),
        Case::bench("q4_128x4864x896", |t| {
            product(t, &KERNEL, [128, 896], &[4864], TrialWeight([4, 3, 3], 16, 1), PLAIN)
        }),
        Case::bench("q3_128x4864x896", |t| {
            product(t, &KERNEL, [128, 896], &[4864], TrialWeight([3, 3, 3], 16, 1), PLAIN)
        }),
        Case::bench("q2_128x4864x896", |t| {
            product(t, &KERNEL, [128, 896], &[4864], TrialWeight([2, 3, 3], 16, 1), PLAIN)
        }),
        Case::bench("q3_128x896x4864_add", |t| {
            product(t, &KERNEL, [128, 4864], &[896], TrialWeight([3, 3, 3], 16, 1), ADD)
        }),
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
