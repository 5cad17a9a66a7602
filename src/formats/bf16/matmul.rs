//! Product of many rows and a bf16 weight: what prefill spends its time on.

use super::matvec::{dequantize_row, product};
use crate::kernels::linear::{self, ADD, BIAS, COLUMNS, GATE, PLAIN, Params, matmul_variants};
use crate::plan::{Case, Host, Kernel, Needs, Tensor, Trial, Variant};
use crate::wgsl;

pub static KERNEL: Kernel = Kernel {
    name: "matmul_bf16",
    params: Params::FIELDS,
    variants: matmul_variants! {
        wgsl: wgsl!["lib/no_outliers", "lib/weights_bf16"],
        consts: [],
        rows: wgsl!("matmul_bf16_rows_subgroup", "lib/sums_of_eight", "lib/product_rows", "lib/product"),
        last: Variant {
            name: "rows",
            needs: Needs::empty(),
            wgsl: wgsl!("matmul_bf16_rows", "lib/weights_bf16", "lib/product_rows", "lib/product"),
            consts: &[("GATED", 0), ("WG", 8)],
            tile: |c| [8, (8 * c.get("WG")) >> c.get("GATED")],
            nmse: 1e-10,
        }
    },
    reference: |io| linear::reference(io, dequantize_row),
    host: Some(Host { run: |io| linear::host_matmul(io, dequantize_row), nmse: 1e-10 }),
    cases: &[
        Case::bench("128x896x896_bias", |t| product(t, &KERNEL, 128, 896, &[896], BIAS)),
        Case::bench("128x4864x896", |t| product(t, &KERNEL, 128, 896, &[4864], PLAIN)),
        Case::bench("128x896x4864_add", |t| product(t, &KERNEL, 128, 4864, &[896], ADD)),
        Case::test("7x37x64_bias_add", |t| product(t, &KERNEL, 7, 64, &[37], BIAS | ADD)),
        Case::test("70x130x160", |t| product(t, &KERNEL, 70, 160, &[130], PLAIN)),
        Case::test("70x192x160_gated_bias", |t| product(t, &KERNEL, 70, 160, &[192], GATE | BIAS)),
        // Subgroups of other sizes than the adapter's largest; a workgroup's tile that only large shapes have.
        Case::test("70x130x160_teams_of_16", |t| specialized(t, &[("LANES", 16)])),
        Case::test("70x130x160_teams_of_64", |t| specialized(t, &[("LANES", 64)])),
        Case::test("70x130x160_tile_128x128", |t| specialized(t, &[("TILE_ROWS", 128), ("TILE_COLS", 128)])),
        Case::test("70x130x160_tile_128x64", |t| specialized(t, &[("TILE_ROWS", 128), ("TILE_COLS", 64)])),
        Case::test("5_rows_two_parts_bias", |t| product(t, &KERNEL, 5, 96, &[33, 70], BIAS)),
        Case::test("9_rows_two_parts_columns_bias", |t| product(t, &KERNEL, 9, 96, &[33, 70], COLUMNS | BIAS)),
    ],
};

/// Adds a product with constants that the adapter or the shape would set otherwise.
fn specialized(t: &mut Trial, consts: &[(&'static str, u32)]) -> Tensor {
    let y = product(t, &KERNEL, 70, 160, &[130], PLAIN);
    t.plan.steps.iter_mut().for_each(|step| step.consts.extend(consts));
    y
}
