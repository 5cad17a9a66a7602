//! Product of many rows and a weight of LLM.int8() (Dettmers et al., 2022); see `matvec_int8`.

use super::layout::{dequantize_row, product};
use crate::kernels::linear::{self, ADD, BIAS, GATE, PLAIN, Params, matmul_variants};
use crate::plan::{Case, Host, Kernel, Needs, Variant};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "matmul_int8",
    params: Params::FIELDS,
    variants: matmul_variants! {
        // See matvec_int8; it asks for subgroups as a sign of such hardware only. In front of coop because its
        // sums are exact, as the reference's are.
        first: Variant {
            name: "dp4a",
            needs: Needs::SUBGROUP,
            wgsl: wgsl!("matmul_int8_dp4a", "lib/int8_input", "lib/int8_sums", "lib/weights_int8", "lib/product_rows", "lib/product"),
            consts: &[("GATED", 0)],
            tile: linear::outputs::<64, 64>,
            nmse: 1e-10,
        },
        wgsl: wgsl!["lib/no_outliers", "lib/weights_int8"],
        consts: [],
        rows: wgsl!("matmul_int8_rows_subgroup", "lib/matmul_rows_subgroup", "lib/sums_of_eight", "lib/weights_int8", "lib/product_rows", "lib/product")
    },
    reference: |io| linear::reference(io, dequantize_row),
    host: Some(Host { run: |io| linear::host_matmul(io, dequantize_row), nmse: 1e-10 }),
    cases: &[
        Case::bench("128x896x896_bias", |t| product(t, &KERNEL, [128, 896], &[896], 0.999, BIAS)),
        Case::bench("128x4864x896", |t| product(t, &KERNEL, [128, 896], &[4864], 0.999, PLAIN)),
        Case::bench("128x896x4864_add", |t| product(t, &KERNEL, [128, 4864], &[896], 0.999, ADD)),
        Case::test("7x37x64_bias_add", |t| product(t, &KERNEL, [7, 64], &[37], 0.95, BIAS | ADD)),
        Case::test("70x130x160_all_outliers", |t| product(t, &KERNEL, [70, 160], &[130], 1e-9, PLAIN)),
        Case::test("70x192x96_gated_bias", |t| product(t, &KERNEL, [70, 96], &[192], 0.95, GATE | BIAS)),
        Case::test("33x70x96_no_outliers", |t| product(t, &KERNEL, [33, 96], &[70], 0.0, PLAIN)),
        Case::test("5_rows_two_parts_bias", |t| product(t, &KERNEL, [5, 96], &[33, 70], 0.9, BIAS)),
    ],
};
