//! Weights on a uniform grid (GPTQ, RTN) as the kernels see them: w = scale · (code - zero).
//!
//! Tensors of a part, in binding order: codes, rows padded to whole blocks, [n, `code_words`(k, bits)]; scales, f16, two to a word,
//! [groups, padded(n) / 2]; zeros, [`zero_bits`] wide, [groups, padded(n) · zero_bits / 32].

use half::f16;

use super::linear::{self, Packing, Params};
use crate::plan::{Kernel, Tensor, Trial};

/// Rows of scales and zeros: whole words of zeros whatever their width.
pub fn padded(n: usize) -> usize {
    n.next_multiple_of(32)
}

/// Words of a row of codes: whole blocks of 128, each `bits` times 16 bytes, so that every load is wide.
pub fn code_words(k: usize, bits: u32) -> usize {
    k.div_ceil(128) * 4 * bits as usize
}

/// Width of a zero on the device: that of a code, in whole nibbles where 3 would lie across words.
pub fn zero_bits(bits: u32) -> u32 {
    if bits == 3 { 4 } else { bits }
}

/// Row `n`, widened.
pub(super) fn widen(weight: &[&[u32]], params: &Params, n: usize, row: &mut [f32]) {
    let (codes, scales, zeros) = (weight[0], weight[1], weight[2]);
    let (bits, group) = (params.bits, params.group as usize);
    let words = &codes[n * code_words(row.len(), bits)..];
    let stride = padded(params.n as usize);
    for (g, row) in row.chunks_mut(group).enumerate() {
        let at = g * stride + n;
        let scale = f16::from_bits((scales[at / 2] >> (at % 2 * 16)) as u16).to_f32();
        let width = zero_bits(bits) as usize;
        let zero = (zeros[at * width / 32] >> (at * width % 32)) & ((1 << width) - 1);
        let zero = zero as f32;
        // 32 codes are `bits` whole words.
        for (unit, row) in row.chunks_exact_mut(32).enumerate() {
            let words = &words[(g * group / 32 + unit) * bits as usize..];
            unpack(words, bits, |j, code| row[j] = scale * (code as f32 - zero));
        }
    }
}

/// The 32 codes of a unit.
pub(super) fn unpack(words: &[u32], bits: u32, mut take: impl FnMut(usize, u32)) {
    let mask = (1u64 << bits) - 1;
    match bits {
        3 => {
            let stream = u128::from(words[0]) | u128::from(words[1]) << 32 | u128::from(words[2]) << 64;
            for j in 0..32 {
                take(j, (stream >> (3 * j)) as u32 & 7);
            }
        }
        _ => {
            let per = 32 / bits as usize;
            for (w, &word) in words[..bits as usize].iter().enumerate() {
                for j in 0..per {
                    take(w * per + j, word >> (j as u32 * bits) & mask as u32);
                }
            }
        }
    }
}

/// A trial of a product: random codes and zeros, scales that differ.
pub(super) fn product(
    t: &mut Trial,
    kernel: &'static Kernel,
    shape: [usize; 2],
    rows: &[usize],
    [bits, group]: [usize; 2],
    [bias, add]: [bool; 2],
) -> Tensor {
    let packing = Packing { bits: bits as u32, group, ..Packing::default() };
    linear::trial(t, kernel, shape, rows, [bias, add], packing, |t, rows| tensors(t, rows, shape[1], packing))
}

/// Random tensors of a part.
pub(super) fn tensors(t: &mut Trial, rows: usize, k: usize, packing: Packing) -> Vec<Tensor> {
    let (groups, width) = (k / packing.group, zero_bits(packing.bits) as usize);
    let codes = t.bits(rows, code_words(k, packing.bits));
    let scale = |i: usize| u32::from(f16::from_f32((1 + i * 7 % 13) as f32 / 64.0).to_bits());
    let scales = t.words(groups, padded(rows) / 2, |i| scale(2 * i) | scale(2 * i + 1) << 16);
    let zeros = t.bits(groups, padded(rows) * width / 32);
    if packing.bits == 3 {
        let words = &mut t.residents.last_mut().expect("just added").1;
        words.iter_mut().for_each(|word| *word &= 0x7777_7777);
    }
    vec![codes, scales, zeros]
}
