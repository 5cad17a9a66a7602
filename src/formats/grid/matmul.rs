//! Product of many rows and a weight on a uniform grid (GPTQ, RTN), straight from its codes.

use super::layout::{dequantize_row, product};
use crate::kernels::linear::{self, ADD, BIAS, GATE, PLAIN, Params, matmul_variants};
use crate::plan::{Case, Host, Kernel};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "matmul_grid",
    params: Params::FIELDS,
    variants: matmul_variants! {
        wgsl: wgsl!["lib/no_outliers", "lib/weights_grid"; "lib/codes", "lib/words"],
        consts: [("BITS", 4)],
        rows: wgsl!("matmul_grid_rows_subgroup", "lib/matmul_rows_subgroup", "lib/sums_of_eight", "lib/weights_grid", "lib/product_rows", "lib/product"; "lib/codes", "lib/words")
    },
    reference: |io| linear::reference(io, dequantize_row),
    host: Some(Host { run: |io| linear::host_matmul(io, dequantize_row), nmse: 1e-10 }),
    cases: &[
        Case::bench("q8_128x4864x896", |t| product(t, &KERNEL, [128, 896], &[4864], [8, 128], PLAIN)),
        Case::bench("q4_128x4864x896", |t| product(t, &KERNEL, [128, 896], &[4864], [4, 128], PLAIN)),
        Case::bench("q3_128x4864x896", |t| product(t, &KERNEL, [128, 896], &[4864], [3, 128], PLAIN)),
        Case::bench("q2_128x4864x896", |t| product(t, &KERNEL, [128, 896], &[4864], [2, 128], PLAIN)),
        Case::bench("q4_128x896x4864_add", |t| product(t, &KERNEL, [128, 4864], &[896], [4, 128], ADD)),
        Case::test("q8_7x37x64_bias_add", |t| product(t, &KERNEL, [7, 64], &[37], [8, 64], BIAS | ADD)),
        Case::test("q4_70x130x160", |t| product(t, &KERNEL, [70, 160], &[130], [4, 32], PLAIN)),
        Case::test("q4_70x192x96_gated", |t| product(t, &KERNEL, [70, 96], &[192], [4, 32], GATE)),
        Case::test("q3_33x70x96", |t| product(t, &KERNEL, [33, 96], &[70], [3, 96], PLAIN)),
        Case::test("q2_5_rows_two_parts_bias", |t| product(t, &KERNEL, [5, 192], &[33, 70], [2, 64], BIAS)),
    ],
};
