//! Embedding: y[r] = table[token[r]], widened from GGUF's blocks.

use bytemuck::{Pod, Zeroable};

use super::gguf_blocks::{self, Block};
use super::linear::{Packing, Part};
use super::weights_gguf::{gguf_wgsl, packing, stat_words, tensors, widen_row};
use super::weights_grid::code_words;
use crate::plan::{Case, Element, Io, Kernel, Needs, Plan, Tensor, Trial, Variant};
use crate::wgsl;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    k: u32,
    row0: u32,
    rows: u32,
    /// For the reference; shaders have it as the constant `BLOCK`.
    block: u32,
}

impl Plan {
    /// Looks up `token` [1, m] in a table of `k` columns held in parts, whose tensors are those of `weights_gguf`; a
    /// token beyond the table leaves its row unwritten.
    pub fn embed_gguf(&mut self, token: Tensor, table: &[Part], k: usize, packing: Packing) -> Tensor {
        let (m, block) = (token.cols, Block::numbered(packing.block));
        let y = self.scratch(m, k, Element::F32);
        for part in table {
            let [codes, stats] = part.tensors[..] else { panic!("the table has {} tensors", part.tensors.len()) };
            codes.expect("codes", part.rows, code_words(k, block.bits()), Element::U32);
            stats.expect("stats", part.rows, stat_words(block, k), Element::U32);
            let params = Params { k: k as u32, row0: part.row0 as u32, rows: part.rows as u32, block: block.id };
            let step = self.add(&KERNEL, "embed_tokens", params, &[token, codes, stats, y], [m, k / 8], 0);
            step.bytes = (m * (4 * k + k / block.columns * block.bytes)) as u64;
            step.consts = vec![("BLOCK", block.id)];
        }
        y
    }
}

macro_rules! cases {
    ($([$block:ident $bits:literal $stats:literal $cols:literal])*) => {
        &[$(
            Case {
                name: concat!(stringify!($block), "_128_of_4096x", $cols),
                bench: true,
                build: |t| embed(t, 128, &[4096], $cols, &gguf_blocks::$block),
            },
            Case {
                name: concat!(stringify!($block), "_5_of_three_parts"),
                bench: false,
                build: |t| embed(t, 5, &[40, 7, 60], 3 * gguf_blocks::$block.columns, &gguf_blocks::$block),
            },
        )*]
    };
}

pub static KERNEL: Kernel = Kernel {
    name: "embed_gguf",
    variants: &[Variant {
        name: "portable",
        needs: Needs::empty(),
        wgsl: gguf_wgsl!("embed_gguf", "lib/weights_gguf"; "lib/words"),
        consts: &[("WG", 64), ("BLOCK", 2)],
        tile: |c| [1, c.get("WG")],
        nmse: 1e-12,
    }],
    reference,
    host: None,
    cases: gguf_blocks::each_block!(cases),
};

fn embed(t: &mut Trial, m: usize, parts: &[usize], k: usize, block: &Block) -> Tensor {
    let rows: usize = parts.iter().sum();
    let token = t.u32(1, m, (0..).map(|i| i * 41 % rows as u32));
    let mut row0 = 0;
    let mut table = Vec::new();
    for &rows in parts {
        table.push(Part { row0, rows, tensors: tensors(t, block, rows, k) });
        row0 += rows;
    }
    t.plan.embed_gguf(token, &table, k, packing(block))
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
            widen_row(block, &codes[row * code_words..][..code_words], &stats[row * stat_words..][..stat_words], y);
        }
    }
}
