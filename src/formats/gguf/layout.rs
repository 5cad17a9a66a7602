//! Weights in GGUF's blocks as the kernels see them, every bit as in the file.
//!
//! Tensors of a part, in binding order: codes, one stream of bits a row, lowest first, rows padded to whole blocks of
//! 128, [n, `code_words`(k, bits)]; the blocks' statistics in the order of the file, [n, [`stat_words`]]: 2 bytes for
//! 32 columns, or 16 or 20 for 256. A row's codes and its statistics are contiguous, so neighbouring lanes may read
//! neighbouring columns.

use super::blocks::Block;
use crate::formats::codes::code_words;
use crate::kernels::linear::{self, Params, WeightLayout};
use crate::plan::kernel::hash;
use crate::plan::{Kernel, Tensor, Trial};

/// Words of a row's statistics.
pub(super) fn stat_words(block: &Block, k: usize) -> usize {
    k.next_multiple_of(block.columns.max(128)) / block.columns * block.stat_bytes() / 4
}

/// Constants that products by such weights are specialized for.
pub(super) fn layout(block: &Block) -> WeightLayout {
    WeightLayout { bits: block.bits(), group_size: block.group, block: block.id, ..WeightLayout::default() }
}

/// The shader files of a variant: those named, then by the constant `BLOCK` those of a block type's statistics and
/// codes, and the one that loads codes, `lib/words` or `lib/words64`; or after `units` those of whole units.
macro_rules! gguf_wgsl {
    (units $($stem:literal),+) => { blocks::each_block!(gguf_wgsl units [$($stem),+]) };
    (units [$($stem:literal),+] $([$block:ident $bits:literal $stats:literal $unit_stats:literal $cols:literal])*) => {
        &[
            $(wgsl!(@file $stem, None)),+,
            $(wgsl!(@file $unit_stats, Some(("BLOCK", blocks::$block.id))),
            wgsl!(@file concat!("lib/units_", $bits), Some(("BLOCK", blocks::$block.id)))),*
        ]
    };
    ($($stem:literal),+; $words:literal) => { blocks::each_block!(gguf_wgsl [$($stem),+] $words) };
    ([$($stem:literal),+] $words:literal $([$block:ident $bits:literal $stats:literal $unit_stats:literal $cols:literal])*) => {
        &[
            $(wgsl!(@file $stem, None)),+,
            $(wgsl!(@file $stats, Some(("BLOCK", blocks::$block.id))),
            wgsl!(@file concat!("lib/codes_", $bits), Some(("BLOCK", blocks::$block.id))),
            wgsl!(@file concat!($words, "_", $bits), Some(("BLOCK", blocks::$block.id)))),*
        ]
    };
}
pub(super) use gguf_wgsl;

/// Row `n`, widened.
pub(super) fn dequantize_row(weight: &[&[u32]], params: &Params, n: usize, row: &mut [f32]) {
    let block = Block::numbered(params.block);
    let (codes, stats) = (code_words(row.len(), block.bits()), stat_words(block, row.len()));
    dequantize_blocks(block, &weight[0][n * codes..][..codes], &weight[1][n * stats..][..stats], row);
}

/// A row from its codes and its statistics.
pub(super) fn dequantize_blocks(block: &Block, codes: &[u32], stats: &[u32], row: &mut [f32]) {
    let widen = match block.bits() {
        2 => widen_bits::<2>,
        3 => widen_bits::<3>,
        4 => widen_bits::<4>,
        5 => widen_bits::<5>,
        6 => widen_bits::<6>,
        8 => widen_bits::<8>,
        bits => unreachable!("codes of {bits} bits"),
    };
    widen(block, bytemuck::cast_slice(codes), bytemuck::cast_slice(stats), row);
}

fn widen_bits<const BITS: usize>(block: &Block, codes: &[u8], stats: &[u8], row: &mut [f32]) {
    let codes = codes.as_chunks::<BITS>().0.chunks_exact(block.group / 8);
    for ((g, row), codes) in row.chunks_exact_mut(block.group).enumerate().zip(codes) {
        let groups = block.columns / block.group;
        let stats = block.scale_and_minimum(&stats[g / groups * block.stat_bytes()..], g % groups);
        for (row, codes) in row.as_chunks_mut::<8>().0.iter_mut().zip(codes) {
            let mut word = [0; 8];
            word[..BITS].copy_from_slice(codes);
            let word = u64::from_le_bytes(word);
            for (j, w) in row.iter_mut().enumerate() {
                *w = block.weight((word >> (j * BITS)) as u8 & (u8::MAX >> (8 - BITS)), stats);
            }
        }
    }
}

/// A trial of a product: random codes and statistics, factors of scales and minimums that differ.
pub(super) fn product(
    t: &mut Trial,
    kernel: &'static Kernel,
    block: &Block,
    shape: [usize; 2],
    rows: &[usize],
    flags: u32,
) -> Tensor {
    linear::trial(t, kernel, shape, rows, flags, layout(block), |t, rows| tensors(t, block, rows, shape[1]))
}

/// Random tensors of a part.
pub(super) fn tensors(t: &mut Trial, block: &Block, rows: usize, k: usize) -> Vec<Tensor> {
    let codes = t.bits(rows, code_words(k, block.bits()));
    let words = stat_words(block, k);
    let mut stats = vec![0u32; rows * words];
    for (row, stats) in stats.chunks_exact_mut(words).enumerate() {
        let stats: &mut [u8] = bytemuck::cast_slice_mut(stats);
        for (b, stats) in stats.chunks_exact_mut(block.stat_bytes()).take(k / block.columns).enumerate() {
            let seed = hash((row * k + b) as u32);
            stats.iter_mut().enumerate().for_each(|(i, byte)| *byte = hash(seed ^ i as u32) as u8);
            block.set_factors((1 + seed % 13) as f32 / 64.0, (1 + seed % 11) as f32 / 64.0, stats);
        }
    }
    let stats = t.words(rows, words, |i| stats[i]);
    vec![codes, stats]
}
