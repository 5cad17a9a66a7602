//! Product of one row, or a few, and a weight on a uniform grid (GPTQ, RTN), straight from its codes.

use super::layout::{dequantize_row, product};
use crate::kernels::linear::{self, ADD, BIAS, GATE, NEXT, NORM, ORDER, PLAIN, Params};
use crate::plan::{Case, Host, Kernel, Variant};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "matvec_grid",
    params: Params::FIELDS,
    variants: &[
        linear::matvec_subgroup(
            wgsl!("lib/matvec_subgroup", "lib/one_row", "lib/units", "matvec_grid_subgroup", "lib/norm", "lib/product_row", "lib/product"; "lib/units"),
            &[("PASSES", 1), ("NORMED", 0), ("WG", 128), ("TILE", 4), ("GROUP", 4), ("BITS", 4)],
        ),
        Variant::portable(
            wgsl!("lib/matvec", "lib/weights_grid", "lib/norm", "lib/product_row", "lib/product"; "lib/codes", "lib/words"),
            &[("PASSES", 1), ("NORMED", 0), ("WG", 64), ("BITS", 4)],
            |_| [1, 4],
            1e-10,
        ),
        linear::matvec_int64_subgroup::<32>(
            wgsl!("matvec_grid_int64_subgroup", "lib/x64", "lib/norm64", "lib/u64", "lib/eight_lanes", "lib/product_row", "lib/product"; "lib/codes", "lib/words64"),
            &[("PASSES", 1), ("NORMED", 0), ("GROUP", 4), ("BITS", 4)],
        ),
        linear::matvec_rows_subgroup::<32>(
            wgsl!("matvec_grid_rows_subgroup", "lib/norm", "lib/eight_lanes", "lib/weights_grid", "lib/product_row", "lib/product"; "lib/codes", "lib/words"),
            &[("PASSES", 1), ("NORMED", 0), ("BITS", 4)],
        ),
    ],
    reference: |io| linear::reference(io, dequantize_row),
    host: Some(Host { run: |io| linear::host_matvec(io, dequantize_row), nmse: 1e-10 }),
    cases: &[
        Case::bench("q8_4864x896", |t| product(t, &KERNEL, [1, 896], &[4864], [8, 128], PLAIN)),
        Case::bench("q4_4864x896", |t| product(t, &KERNEL, [1, 896], &[4864], [4, 128], PLAIN)),
        Case::bench("q3_4864x896", |t| product(t, &KERNEL, [1, 896], &[4864], [3, 128], PLAIN)),
        Case::bench("q2_4864x896", |t| product(t, &KERNEL, [1, 896], &[4864], [2, 128], PLAIN)),
        Case::bench("q4_896x4864_add", |t| product(t, &KERNEL, [1, 4864], &[896], [4, 128], ADD)),
        Case::bench("q4_9472x3584", |t| product(t, &KERNEL, [1, 3584], &[9472], [4, 128], PLAIN)),
        Case::test("q8_37x64_one_group_bias", |t| product(t, &KERNEL, [1, 64], &[37], [8, 64], BIAS)),
        Case::test("q4_70x1664_of_groups", |t| product(t, &KERNEL, [1, 1664], &[70], [4, 128], PLAIN)),
        Case::test("q3_21x640_one_group", |t| product(t, &KERNEL, [2, 640], &[21], [3, 640], BIAS)),
        Case::test("q2_9x1152", |t| product(t, &KERNEL, [1, 1152], &[9], [2, 128], ADD)),
        Case::test("q8_13x1280", |t| product(t, &KERNEL, [1, 1280], &[13], [8, 256], PLAIN)),
        Case::test("q4_37x96_bias", |t| product(t, &KERNEL, [1, 96], &[37], [4, 32], BIAS)),
        Case::test("q3_3_rows_of_100x96_bias_add", |t| product(t, &KERNEL, [3, 96], &[100], [3, 32], BIAS | ADD)),
        Case::test("q4_8_rows_of_70x384", |t| product(t, &KERNEL, [8, 384], &[70], [4, 128], PLAIN)),
        Case::test("q4_64x192_gated", |t| product(t, &KERNEL, [1, 192], &[64], [4, 64], GATE)),
        Case::test("q3_64x192_normed_gated_order", |t| {
            product(t, &KERNEL, [1, 192], &[64], [3, 64], NORM | GATE | ORDER)
        }),
        Case::test("q4_2_rows_of_37x2304_normed", |t| product(t, &KERNEL, [2, 2304], &[37], [4, 128], NORM)),
        Case::test("q4_37x192_add_next", |t| product(t, &KERNEL, [1, 192], &[37], [4, 64], ADD | NEXT)),
        Case::test("q2_two_parts_bias", |t| product(t, &KERNEL, [1, 192], &[33, 70], [2, 64], BIAS)),
    ],
};
