//! Product of one row, or a few, and a weight in GGUF's blocks, straight from their codes and statistics.

use super::blocks::{self, Block};
use super::layout::{dequantize_row, gguf_wgsl, product};
use crate::kernels::linear::{self, ADD, BIAS, GATE, NEXT, NORM, ORDER, PLAIN, Params};
use crate::plan::{Case, Host, Kernel, Tensor, Trial, Variant};
use crate::wgsl;

macro_rules! cases {
    ($([$block:ident $bits:literal $stats:literal $unit_stats:literal $cols:literal])*) => {
        &[$(
            Case::bench(concat!(stringify!($block), "_4864x", $cols), |t| product(t, &KERNEL, &blocks::$block, [1, $cols], &[4864], PLAIN)),
            Case::test(concat!(stringify!($block), "_3_rows_of_37x3_blocks_bias_add"), |t| blocks(t, &blocks::$block, [3, 3], &[37], BIAS | ADD)),
            Case::test(concat!(stringify!($block), "_6x4352"), |t| product(t, &KERNEL, &blocks::$block, [1, 4352], &[6], PLAIN)),
            Case::test(concat!(stringify!($block), "_64x2_blocks_normed_gated_order"), |t| blocks(t, &blocks::$block, [1, 2], &[64], NORM | GATE | ORDER)),
            Case::test(concat!(stringify!($block), "_37x2_blocks_add_next"), |t| blocks(t, &blocks::$block, [1, 2], &[37], ADD | NEXT)),
            Case::test(concat!(stringify!($block), "_two_parts_of_5_blocks_bias"), |t| blocks(t, &blocks::$block, [1, 5], &[33, 70], BIAS)),
        )*]
    };
}

pub static KERNEL: Kernel = Kernel {
    name: "matvec_gguf",
    params: Params::FIELDS,
    variants: &[
        linear::matvec_staged(
            gguf_wgsl!(units "lib/matvec_subgroup", "lib/one_row", "lib/units", "lib/staged_x", "matvec_gguf_subgroup", "lib/norm", "lib/output_gguf", "lib/product_row", "lib/product"),
            &[("PASSES", 1), ("NORMED", 0), ("WG", 64), ("TILE", 4), ("RUNS", 2), ("BLOCK", 2)],
        ),
        Variant::portable(
            gguf_wgsl!("lib/matvec", "lib/weights_gguf", "lib/norm", "lib/output_gguf", "lib/product_row", "lib/product"; "lib/words"),
            &[("PASSES", 1), ("NORMED", 0), ("WG", 64), ("BLOCK", 2)],
            |_| [1, 4],
            1e-10,
        ),
        linear::matvec_int64_subgroup::<32>(
            gguf_wgsl!("matvec_gguf_int64_subgroup", "lib/x64", "lib/norm64", "lib/u64", "lib/eight_lanes", "lib/output_gguf", "lib/product_row", "lib/product"; "lib/words64"),
            &[("PASSES", 1), ("NORMED", 0), ("BLOCK", 2)],
        ),
    ],
    reference: |io| linear::reference(io, dequantize_row),
    host: Some(Host { run: |io| linear::host_matvec(io, dequantize_row), nmse: 1e-10 }),
    cases: blocks::each_block!(cases),
};

fn blocks(t: &mut Trial, block: &Block, [m, blocks]: [usize; 2], rows: &[usize], flags: u32) -> Tensor {
    product(t, &KERNEL, block, [m, blocks * block.columns], rows, flags)
}
