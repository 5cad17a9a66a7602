//! Product of one row, or a few, and a bf16 weight: what decoding spends its time on.

use crate::kernels::linear::{self, ADD, BIAS, COLUMNS, GATE, NEXT, NORM, ORDER, PLAIN, Params, WeightLayout};
use crate::plan::{Case, Host, Kernel, Needs, Tensor, Trial, Variant};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "matvec_bf16",
    params: Params::FIELDS,
    variants: &[
        Variant {
            tile: linear::batch_tile,
            ..linear::matvec_subgroup(
                wgsl!("lib/matvec_subgroup", "matvec_bf16_subgroup", "lib/norm", "lib/product_row", "lib/product"),
                &[("PASSES", 1), ("NORMED", 0), ("WG", 128), ("TILE", 4), ("BATCH", 1)],
            )
        },
        Variant::portable(
            wgsl!("lib/matvec", "lib/weights_bf16", "lib/norm", "lib/product_row", "lib/product"),
            &[("PASSES", 1), ("NORMED", 0), ("WG", 64)],
            |_| [1, 4],
            1e-10,
        ),
        linear::matvec_int64_subgroup::<8>(
            wgsl!(
                "matvec_bf16_int64_subgroup",
                "lib/norm64",
                "lib/u64",
                "lib/eight_lanes",
                "lib/product_row",
                "lib/product"
            ),
            &[("PASSES", 1), ("NORMED", 0)],
        ),
        linear::matvec_rows_subgroup::<8>(
            wgsl!(
                "matvec_bf16_rows_subgroup",
                "lib/weights_bf16",
                "lib/norm",
                "lib/eight_lanes",
                "lib/product_row",
                "lib/product"
            ),
            &[("PASSES", 1), ("NORMED", 0)],
        ),
        Variant {
            name: "rows",
            needs: Needs::empty(),
            wgsl: wgsl!("matvec_bf16_rows", "lib/weights_bf16", "lib/norm", "lib/product_row", "lib/product"),
            consts: &[("PASSES", 1), ("NORMED", 0), ("WG", 8), ("ROWS", 8)],
            tile: |c| [1, c.get("ROWS")],
            nmse: 1e-10,
        },
    ],
    reference: |io| linear::reference(io, dequantize_row),
    host: Some(Host { run: |io| linear::host_matvec(io, dequantize_row), nmse: 1e-10 }),
    cases: &[
        Case::bench("896x896", |t| product(t, &KERNEL, 1, 896, &[896], PLAIN)),
        Case::bench("4864x896", |t| product(t, &KERNEL, 1, 896, &[4864], PLAIN)),
        Case::bench("896x4864_add", |t| product(t, &KERNEL, 1, 4864, &[896], ADD)),
        Case::bench("9472x3584", |t| product(t, &KERNEL, 1, 3584, &[9472], PLAIN)),
        Case::test("37x64_bias", |t| product(t, &KERNEL, 1, 64, &[37], BIAS)),
        Case::test("3_rows_of_100x96_bias_add", |t| product(t, &KERNEL, 3, 96, &[100], BIAS | ADD)),
        Case::test("8_rows_of_37x416_bias_add", |t| product(t, &KERNEL, 8, 416, &[37], BIAS | ADD)),
        Case::test("5_rows_of_64x160_normed_gated", |t| product(t, &KERNEL, 5, 160, &[64], NORM | GATE)),
        Case::test("two_parts_bias", |t| product(t, &KERNEL, 1, 160, &[33, 70], BIAS)),
        Case::test("2_rows_of_64x160_gated_bias", |t| product(t, &KERNEL, 2, 160, &[64], GATE | BIAS)),
        Case::test("2_rows_of_64x160_normed_gated_order", |t| {
            product(t, &KERNEL, 2, 160, &[64], NORM | GATE | ORDER | BIAS)
        }),
        Case::test("2_rows_of_two_parts_normed_order", |t| product(t, &KERNEL, 2, 160, &[33, 70], NORM | ORDER)),
        Case::test("two_parts_bias_add_next", |t| product(t, &KERNEL, 1, 64, &[32, 61], BIAS | ADD | NEXT)),
        Case::test("two_parts_columns_bias", |t| product(t, &KERNEL, 2, 160, &[33, 70], COLUMNS | BIAS)),
    ],
};

/// Row `n` of a bf16 weight.
pub(super) fn dequantize_row(weight: &[&[u32]], params: &Params, n: usize, row: &mut [f32]) {
    let w: &[u16] = bytemuck::cast_slice(weight[0]);
    for (wide, w) in row.iter_mut().zip(&w[n * params.k as usize..]) {
        // Widened by hand: the crate's conversion also quiets NaN, which loading has excluded.
        *wide = f32::from_bits(u32::from(*w) << 16);
    }
}

/// A trial of a product, for matvec and matmul alike.
pub(super) fn product(
    t: &mut Trial,
    kernel: &'static Kernel,
    m: usize,
    k: usize,
    rows: &[usize],
    flags: u32,
) -> Tensor {
    linear::trial(t, kernel, [m, k], rows, flags, WeightLayout::default(), |t, rows| vec![t.bf16(rows, k)])
}
