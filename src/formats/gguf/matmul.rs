//! Product of many rows and a weight in GGUF's blocks, straight from their codes and statistics.

use super::blocks::{self, Block};
use super::layout::{dequantize_row, gguf_wgsl, product};
use crate::kernels::linear::{self, ADD, BIAS, GATE, PLAIN, Params, matmul_variants};
use crate::plan::{Case, Host, Kernel, Tensor, Trial};
use crate::wgsl;

macro_rules! cases {
    ($([$block:ident $bits:literal $stats:literal $unit_stats:literal $cols:literal])*) => {
        &[$(
            Case::bench(concat!(stringify!($block), "_128x896x", $cols), |t| product(t, &KERNEL, &blocks::$block, [128, $cols], &[896], PLAIN)),
            Case::test(concat!(stringify!($block), "_7x37x3_blocks_bias_add"), |t| blocks(t, &blocks::$block, [7, 3], &[37], BIAS | ADD)),
            Case::test(concat!(stringify!($block), "_9x64x3_blocks_gated"), |t| blocks(t, &blocks::$block, [9, 3], &[64], GATE)),
            Case::test(concat!(stringify!($block), "_70_rows_two_parts_of_5_blocks_bias"), |t| blocks(t, &blocks::$block, [70, 5], &[33, 70], BIAS)),
        )*]
    };
}

pub static KERNEL: Kernel = Kernel {
    name: "matmul_gguf",
    params: Params::FIELDS,
    variants: matmul_variants! {
        wgsl: gguf_wgsl!["lib/no_outliers", "lib/weights_gguf", "lib/output_gguf"; "lib/words"],
        consts: [("BLOCK", 2)],
        rows: gguf_wgsl!(
            "matmul_gguf_rows_subgroup", "lib/matmul_rows_subgroup", "lib/sums_of_eight", "lib/weights_gguf", "lib/output_gguf", "lib/product_rows", "lib/product"; "lib/words"
        )
    },
    reference: |io| linear::reference(io, dequantize_row),
    host: Some(Host { run: |io| linear::host_matmul(io, dequantize_row), nmse: 1e-10 }),
    cases: blocks::each_block!(cases),
};

fn blocks(t: &mut Trial, block: &Block, [m, blocks]: [usize; 2], rows: &[usize], flags: u32) -> Tensor {
    product(t, &KERNEL, block, [m, blocks * block.columns], rows, flags)
}
