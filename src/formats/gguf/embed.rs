//! Embedding: y[r] = table[token[r]], widened from GGUF's blocks.

use super::blocks::{self, Block};
use super::layout::{dequantize_blocks, gguf_wgsl, layout, stat_words, tensors};
use crate::formats::codes::code_words;
use crate::kernels::linear::{RowBlock, WeightLayout};
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! {
    struct Params {
        k: u32,
        row0: u32,
        rows: u32,
        /// For the reference; shaders have it as the constant `BLOCK`.
        block: u32,
    }
}

/// Adds the lookup of `token` \[1, m\] in a table of `k` columns held in row blocks: \[m, k\]. A token beyond the table
/// leaves its row unwritten.
pub(super) fn embed(plan: &mut Plan, token: Tensor, table: &[RowBlock], k: usize, layout: WeightLayout) -> Tensor {
    let (m, block) = (token.cols, Block::numbered(layout.block));
    let y = plan.scratch(m, k, Element::F32);
    for part in table {
        let [codes, stats] = part.tensors[..] else { panic!("the table has {} tensors", part.tensors.len()) };
        codes.expect("codes", part.rows, code_words(k, block.bits()), Element::U32);
        stats.expect("stats", part.rows, stat_words(block, k), Element::U32);
        let params = Params { k: k as u32, row0: part.row0 as u32, rows: part.rows as u32, block: block.id };
        let step = plan.add(&KERNEL, "embed_tokens", params, &[token, codes, stats, y], [m, k / 8], 0);
        step.bytes = (m * (4 * k + k / block.columns * block.bytes)) as u64;
        step.consts = vec![("BLOCK", block.id)];
    }
    y
}

macro_rules! cases {
    ($([$block:ident $bits:literal $stats:literal $cols:literal])*) => {
        &[$(
            Case::bench(concat!(stringify!($block), "_128_of_4096x", $cols), |t| trial(t, 128, &[4096], $cols, &blocks::$block)),
            Case::test(concat!(stringify!($block), "_5_of_three_parts"), |t| trial(t, 5, &[40, 7, 60], 3 * blocks::$block.columns, &blocks::$block)),
        )*]
    };
}

pub static KERNEL: Kernel = Kernel {
    name: "embed_gguf",
    params: Params::FIELDS,
    variants: &[Variant::portable(
        gguf_wgsl!("embed_gguf", "lib/weights_gguf"; "lib/words"),
        &[("WG", 64), ("BLOCK", 2)],
        |c| [1, c.get("WG")],
        1e-12,
    )],
    reference,
    host: None,
    cases: blocks::each_block!(cases),
};

fn trial(t: &mut Trial, m: usize, parts: &[usize], k: usize, block: &Block) -> Tensor {
    let rows: usize = parts.iter().sum();
    let token = t.u32(1, m, (0..).map(|i| i * 41 % rows as u32));
    let mut row0 = 0;
    let mut table = Vec::new();
    for &rows in parts {
        table.push(RowBlock { row0, rows, tensors: tensors(t, block, rows, k) });
        row0 += rows;
    }
    embed(&mut t.plan, token, &table, k, layout(block))
}

fn reference(io: &mut Io) {
    let Params { k, row0, rows, block } = io.params();
    let (token, codes, stats) = (io.u32(0), io.u32(1), io.u32(2));
    let (k, block) = (k as usize, Block::numbered(block));
    let (code_words, stat_words) = (code_words(k, block.bits()), stat_words(block, k));
    for (y, &token) in io.out_f32().chunks_exact_mut(k).zip(token) {
        let row = token.wrapping_sub(row0);
        if row < rows {
            let row = row as usize;
            dequantize_blocks(
                block,
                &codes[row * code_words..][..code_words],
                &stats[row * stat_words..][..stat_words],
                y,
            );
        }
    }
}
