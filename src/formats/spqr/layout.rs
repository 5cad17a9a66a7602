//! SpQR weights as the kernels see them: w = s · (code - z) + outlier, where the scales s and zeros z of small groups
//! are quantized themselves, sixteen rows together.
//!
//! Tensors of a row block, in binding order: codes [n, [`code_words`]]; codes of scales and zeros
//! [n / 16, [`stat_words`]], which shaders/lib/group_spqr.wgsl describes; S_s, S_z, Z_s, Z_z in f16,
//! [n / 16, 2 · groups]; outliers [1, [`sparse_words`]], n + 1 row starts in n + 4 words before them.

use half::f16;

use crate::formats::codes::{code_words, take, unpack};
use crate::kernels::linear::{self, Params, WeightLayout};
use crate::plan::{Kernel, Tensor, Trial};

/// Returns the words of sixteen rows' scale and zero codes, and one word that may be read beyond them.
pub(super) fn stat_words(groups: usize, layout: WeightLayout) -> usize {
    (groups * 2 * (layout.scale_bits + layout.zero_bits) as usize).div_ceil(4) + 1
}

/// Returns the words of n row starts and the outliers: whole fours, and one word that may be read beyond them.
pub(super) fn sparse_words(n: usize, outliers: usize) -> usize {
    n + 4 + (outliers + 1).next_multiple_of(4)
}

/// Packs an outlier into a word.
pub(super) fn outlier(column: u16, value: f16) -> u32 {
    u32::from(column) | u32::from(value.to_bits()) << 16
}

/// Writes row `n` as f32.
pub(super) fn dequantize_row(weight: &[&[u32]], params: &Params, n: usize, row: &mut [f32]) {
    let [codes, stat_codes, stats, sparse] = *weight else { unreachable!("four tensors") };
    let &Params { bits: width, scale_bits, zero_bits, .. } = params;
    let (k, group) = (row.len(), params.group_size as usize);
    let words = &codes[n * code_words(k, width)..];
    for (unit, row) in row.chunks_exact_mut(32).enumerate() {
        unpack(&words[unit * width as usize..], width, |j, code| row[j] = code as f32);
    }
    let layout = WeightLayout { scale_bits, zero_bits, ..WeightLayout::default() };
    let block = &stat_codes[n / 16 * stat_words(k / group, layout)..];
    for (g, row) in row.chunks_exact_mut(group).enumerate() {
        let at = 8 * (2 * g + n / 8 % 2) * (scale_bits + zero_bits) as usize;
        let scale_code = take(block, at + n % 8 * scale_bits as usize, scale_bits) as f32;
        let zero_code = take(block, at + 8 * scale_bits as usize + n % 8 * zero_bits as usize, zero_bits) as f32;
        let stats = &stats[(n / 16 * (k / group) + g) * 2..][..2];
        let half = |i: usize| f16::from_bits((stats[i / 2] >> (i % 2 * 16)) as u16).to_f32();
        let scale = half(0) * (scale_code - half(1));
        let zero = half(2) * (zero_code - half(3));
        row.iter_mut().for_each(|w| *w = scale * (*w - zero));
    }
    for &one in &sparse[params.n as usize + 4..][sparse[n] as usize..sparse[n + 1] as usize] {
        row[(one & 0xffff) as usize] += f16::from_bits((one >> 16) as u16).to_f32();
    }
}

/// Weight of a trial: bits of a code, of a scale's and of a zero's, columns of a group, and how many of a
/// hundred weights are outliers.
pub(super) struct TrialWeight(pub [u32; 3], pub usize, pub usize);

/// Returns a weight as SpQR's authors prefer it, with codes of `bits`.
pub(super) const fn usual(bits: u32) -> TrialWeight {
    TrialWeight([bits, 3, 3], 16, 1)
}

/// Adds a trial of a product: random codes, statistics and outliers.
pub(super) fn product(
    t: &mut Trial,
    kernel: &'static Kernel,
    shape: [usize; 2],
    rows: &[usize],
    form: TrialWeight,
    flags: u32,
) -> Tensor {
    let layout = layout(&form);
    linear::trial(t, kernel, shape, rows, flags, layout, |t, rows| tensors(t, rows, shape[1], &form))
}

pub(super) fn layout(form: &TrialWeight) -> WeightLayout {
    let &TrialWeight([bits, scale_bits, zero_bits], group_size, _) = form;
    WeightLayout { bits, group_size, scale_bits, zero_bits, ..WeightLayout::default() }
}

/// Returns random tensors of a row block. Few outliers leave some rows without any.
pub(super) fn tensors(t: &mut Trial, rows: usize, k: usize, form: &TrialWeight) -> Vec<Tensor> {
    let (layout, groups) = (layout(form), k / form.1);
    let codes = t.bits(rows, code_words(k, layout.bits));
    let stat_codes = t.bits(rows / 16, stat_words(groups, layout));
    let value = |i: usize| f16::from_f32((1 + i * 7 % 13) as f32 / 64.0);
    let pair = |a: f16, b: f16| u32::from(a.to_bits()) | u32::from(b.to_bits()) << 16;
    let stats = t.words(rows / 16, 2 * groups, |i| pair(value(i), value(3 * i + 1)));
    let outliers = |row: usize| match form.2 {
        few @ 1..100 if row % 5 != 3 => k * few / 100 + row % 3,
        share => k * (share / 100),
    };
    let mut starts = vec![0];
    let mut entries = Vec::new();
    for row in 0..rows {
        let n = outliers(row);
        let column = |e: usize| ((e * k + row * 7 % k) / n) as u16;
        entries.extend((0..n).map(|e| outlier(column(e), value(row + e) - value(e))));
        starts.push(entries.len() as u32);
    }
    let words = sparse_words(rows, entries.len());
    starts.resize(rows + 4, 0);
    starts.append(&mut entries);
    starts.resize(words, 0);
    let sparse = t.words(1, words, |i| starts[i]);
    vec![codes, stat_codes, stats, sparse]
}
