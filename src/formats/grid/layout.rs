//! Grid weights as the kernels see them: w = scale · (code - zero).
//!
//! Tensors of a row block, in binding order: codes, rows padded to whole blocks of 128 \[n, `code_words`(k, bits)\];
//! scales in f16, two to a word, and zeros of [`zero_bits`], both \[padded(n) / 4, groups, 4\].
//!
//! Columns are *dealt*. The U units of 32 codes of a span, which has one scale, take turns of four columns: codes 4 j to
//! 4 j + 3 of unit u are the span's columns from 4 (U j + u) on. So lanes that have neighbouring units of weights read
//! neighbouring x.

use half::f16;

use crate::formats::codes::{code_words, unpack};
use crate::kernels::linear::{self, Params, WeightLayout};
use crate::plan::{Kernel, Tensor, Trial};

/// Returns n rounded up so that a row of zeros fills whole words at every width.
pub(super) fn padded(n: usize) -> usize {
    n.next_multiple_of(32)
}

/// Returns the width of a zero on the device: that of a code, but 4 for 3 bits, which would cross words.
pub(super) fn zero_bits(bits: u32) -> u32 {
    if bits == 3 { 4 } else { bits }
}

/// Returns the units of a span: four, or fewer where a group is no multiple of four.
fn span(group_size: usize) -> usize {
    1 << (group_size.trailing_zeros().min(7) - 5)
}

/// Returns the quad of columns of a row that quad `j` of unit `unit` has.
fn quad_of(span: usize, unit: usize, j: usize) -> usize {
    unit / span * span * 8 + span * j + unit % span
}

/// Deals the columns of a row of codes, which `words` has in order.
pub(super) fn deal(words: &[u32], bits: u32, group_size: usize) -> Vec<u32> {
    let width = 4 * bits as usize;
    let mask = u32::MAX >> (32 - width);
    let mut dealt = vec![0; words.len()];
    for to in 0..words.len() * 32 / width {
        let from = quad_of(span(group_size), to / 8, to % 8) * width;
        let two = |words: &[u32], at: usize| {
            u64::from(words[at / 32]) | u64::from(words.get(at / 32 + 1).copied().unwrap_or(0)) << 32
        };
        let quad = (two(words, from) >> (from % 32)) as u32 & mask;
        let at = to * width;
        let placed = u64::from(quad) << (at % 32);
        dealt[at / 32] |= placed as u32;
        if placed >> 32 != 0 {
            dealt[at / 32 + 1] |= (placed >> 32) as u32;
        }
    }
    dealt
}

/// Returns where group `g` of row `n` has its scale and its zero.
pub(super) fn stat_at(groups: usize, g: usize, n: usize) -> usize {
    (n / 4 * groups + g) * 4 + n % 4
}

/// Writes row `n` as f32.
pub(super) fn dequantize_row(weight: &[&[u32]], params: &Params, n: usize, row: &mut [f32]) {
    let (codes, scales, zeros) = (weight[0], weight[1], weight[2]);
    let (bits, group_size) = (params.bits, params.group_size as usize);
    let words = &codes[n * code_words(row.len(), bits)..];
    let groups = row.len() / group_size;
    for (g, row) in row.chunks_mut(group_size).enumerate() {
        let at = stat_at(groups, g, n);
        let scale = f16::from_bits((scales[at / 2] >> (at % 2 * 16)) as u16).to_f32();
        let width = zero_bits(bits) as usize;
        let zero = (zeros[at * width / 32] >> (at * width % 32)) & ((1 << width) - 1);
        let zero = zero as f32;
        // 32 codes are `bits` whole words.
        for unit in 0..group_size / 32 {
            let words = &words[(g * group_size / 32 + unit) * bits as usize..];
            unpack(words, bits, |j, code| {
                row[4 * quad_of(span(group_size), unit, j / 4) + j % 4] = scale * (code as f32 - zero);
            });
        }
    }
}

/// Adds a trial of a product: random codes and zeros, scales that differ.
pub(super) fn product(
    t: &mut Trial,
    kernel: &'static Kernel,
    shape: [usize; 2],
    rows: &[usize],
    [bits, group_size]: [usize; 2],
    flags: u32,
) -> Tensor {
    let layout = WeightLayout { bits: bits as u32, group_size, ..WeightLayout::default() };
    linear::trial(t, kernel, shape, rows, flags, layout, |t, rows| tensors(t, rows, shape[1], layout))
}

/// Returns random tensors of a row block.
pub(super) fn tensors(t: &mut Trial, rows: usize, k: usize, layout: WeightLayout) -> Vec<Tensor> {
    let (groups, width) = (k / layout.group_size, zero_bits(layout.bits) as usize);
    let codes = t.bits(rows, code_words(k, layout.bits));
    let scale = |i: usize| u32::from(f16::from_f32((1 + i * 7 % 13) as f32 / 64.0).to_bits());
    let scales = t.words(groups, padded(rows) / 2, |i| scale(2 * i) | scale(2 * i + 1) << 16);
    // Zeros of three bits stand in nibbles.
    let zero = |word| if layout.bits == 3 { word & 0x7777_7777 } else { word };
    let zeros = t.bits_of(groups, padded(rows) * width / 32, zero);
    vec![codes, scales, zeros]
}
