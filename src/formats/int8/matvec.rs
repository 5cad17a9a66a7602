//! Product of one row, or a few, and a weight of LLM.int8() (Dettmers et al., 2022), with x as
//! `int8_quantize` makes it: codes by exact integer dot products and columns with an outlier in f32, or
//! all of it in f32, which is the same but for the order of roundings.

use super::layout::{dequantize_row, product};
use crate::kernels::linear::{self, ADD, BIAS, GATE, NEXT, ORDER, PLAIN, Params};
use crate::plan::{Case, Host, Kernel, Needs, Variant};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "matvec_int8",
    params: Params::FIELDS,
    variants: &[
        // Hardware with subgroups has the dot product of four bytes as a rule; elsewhere it is spelled out.
        Variant {
            name: "dp4a",
            needs: Needs::SUBGROUP,
            wgsl: wgsl!(
                "matvec_int8_dp4a",
                "lib/int8_input",
                "lib/int8_sums",
                "lib/weights_int8",
                "lib/product_row",
                "lib/product"
            ),
            consts: &[("PASSES", 1), ("NORMED", 0), ("WG", 128), ("BATCH", 1)],
            tile: |c| [c.get("BATCH"), 4],
            nmse: 1e-10,
        },
        Variant::portable(
            wgsl!("lib/matvec", "lib/weights_int8", "lib/norm", "lib/product_row", "lib/product"),
            &[("PASSES", 1), ("NORMED", 0), ("WG", 64)],
            |_| [1, 4],
            1e-10,
        ),
        linear::matvec_int64_subgroup::<8>(
            wgsl!("matvec_int8_int64_subgroup", "lib/u64", "lib/eight_lanes", "lib/product_row", "lib/product"),
            &[("PASSES", 1), ("NORMED", 0)],
        ),
        linear::matvec_rows_subgroup::<8>(
            wgsl!("matvec_int8_rows_subgroup", "lib/weights_int8", "lib/eight_lanes", "lib/product_row", "lib/product"),
            &[("PASSES", 1), ("NORMED", 0)],
        ),
    ],
    reference: |io| linear::reference(io, dequantize_row),
    host: Some(Host { run: |io| linear::host_matvec(io, dequantize_row), nmse: 1e-10 }),
    cases: &[
        Case::bench("896x896", |t| product(t, &KERNEL, [1, 896], &[896], 0.99, PLAIN)),
        Case::bench("4864x896", |t| product(t, &KERNEL, [1, 896], &[4864], 0.99, PLAIN)),
        Case::bench("896x4864_add", |t| product(t, &KERNEL, [1, 4864], &[896], 0.99, ADD)),
        Case::bench("9472x3584", |t| product(t, &KERNEL, [1, 3584], &[9472], 0.99, PLAIN)),
        Case::test("37x64_no_outliers_bias", |t| product(t, &KERNEL, [1, 64], &[37], 0.0, BIAS)),
        Case::test("37x96_all_outliers", |t| product(t, &KERNEL, [1, 96], &[37], 1e-9, PLAIN)),
        Case::test("3_rows_of_100x96_bias_add", |t| product(t, &KERNEL, [3, 96], &[100], 0.9, BIAS | ADD)),
        Case::test("8_rows_of_64x160_gated", |t| product(t, &KERNEL, [8, 160], &[64], 0.9, GATE)),
        Case::test("9x2144_bias", |t| product(t, &KERNEL, [1, 2144], &[9], 0.99, BIAS)),
        // More words of outliers than a workgroup has lanes.
        Case::test("5x4256", |t| product(t, &KERNEL, [1, 4256], &[5], 0.9, PLAIN)),
        Case::test("64x160_gated_order_bias", |t| product(t, &KERNEL, [1, 160], &[64], 0.8, GATE | ORDER | BIAS)),
        Case::test("37x64_add_next", |t| product(t, &KERNEL, [1, 64], &[37], 0.8, ADD | NEXT)),
        Case::test("two_parts_bias", |t| product(t, &KERNEL, [1, 160], &[33, 70], 0.8, BIAS)),
    ],
};
