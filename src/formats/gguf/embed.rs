//! Embedding in GGUF's blocks.

use super::blocks::{self, Block};
use super::layout::{dequantize_row, gguf_wgsl, layout, tensors};
use crate::kernels::embed;
use crate::plan::{Case, Kernel, Tensor, Trial, Variant};
use crate::wgsl;

macro_rules! cases {
    ($([$block:ident $bits:literal $stats:literal $unit_stats:literal $cols:literal])*) => {
        &[$(
            Case::bench(concat!(stringify!($block), "_128_of_4096x", $cols), |t| trial(t, &blocks::$block, [128, $cols], &[4096], false)),
            Case::test(concat!(stringify!($block), "_5_of_three_parts"), |t| trial(t, &blocks::$block, [5, 3 * blocks::$block.columns], &[40, 7, 60], false)),
            Case::test(concat!(stringify!($block), "_2_of_two_parts_next"), |t| trial(t, &blocks::$block, [2, blocks::$block.columns], &[40, 60], true)),
        )*]
    };
}

pub static KERNEL: Kernel = Kernel {
    name: "embed_gguf",
    params: embed::Params::FIELDS,
    variants: &[Variant::portable(
        gguf_wgsl!("embed_gguf", "lib/embedded", "lib/weights_gguf"; "lib/words"),
        &[("WG", 64), ("BLOCK", 2)],
        |c| [1, 8 * c.get("WG")],
        1e-12,
    )],
    reference: |io| embed::reference(io, dequantize_row),
    host: None,
    cases: blocks::each_block!(cases),
};

fn trial(t: &mut Trial, block: &Block, [m, k]: [usize; 2], rows: &[usize], next: bool) -> Tensor {
    embed::trial(t, &KERNEL, [m, k], rows, next, layout(block), |t, rows| tensors(t, block, rows, k))
}
