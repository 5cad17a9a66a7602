//! LLM.int8() weights as the kernels see them: w = code · scale / 127, one scale for each row.
//!
//! Tensors of a row block, in binding order: codes, signed, four to a word, [n, k / 4]; scales [1, n] in f32.

use super::outliers::{effective, least_outlier, outliers};
use super::quantize::{quantize, row_words};
use crate::kernels::linear::{self, Params, WeightLayout};
use crate::plan::{Element, Kernel, Tensor, Trial, kernel};

/// Returns the numbers that products are specialized for.
pub(super) fn layout(threshold: f32) -> WeightLayout {
    WeightLayout { bits: 8, threshold: least_outlier(threshold), ..WeightLayout::default() }
}

/// Writes row `n` as f32.
pub(super) fn dequantize_row(weight: &[&[u32]], _: &Params, n: usize, row: &mut [f32]) {
    let [codes, scales] = *weight else { unreachable!("two tensors") };
    let codes: &[i8] = bytemuck::cast_slice(&codes[n * row.len() / 4..][..row.len() / 4]);
    let scale = f32::from_bits(scales[n]) / 127.0;
    for (w, &code) in row.iter_mut().zip(codes) {
        *w = f32::from(code) * scale;
    }
}

/// Adds a trial of a product: inputs over -1..1, of which those of `threshold` and more are outliers.
pub(super) fn product(
    t: &mut Trial,
    kernel: &'static Kernel,
    [m, k]: [usize; 2],
    rows: &[usize],
    threshold: f32,
    flags: u32,
) -> Tensor {
    let x: Vec<f32> = (0..(m * k) as u32).map(kernel::uniform).collect();
    let threshold = effective(threshold);
    let mut words = vec![0; m * row_words(k)];
    quantize(&x, k, threshold, Some(&outliers(&x, k, threshold)), &mut words);
    let x = t.words(m, row_words(k), |i| words[i]);
    linear::trial_of(t, kernel, (x, k), rows, flags, layout(threshold), |t, rows| tensors(t, rows, k))
}

/// Returns random tensors of a row block.
pub(super) fn tensors(t: &mut Trial, rows: usize, k: usize) -> Vec<Tensor> {
    // No code is -128.
    let codes_of = |word: u32| word.to_ne_bytes().map(|code| if code == 128 { 0 } else { code });
    let codes = t.bits_of(rows, k / 4, |word| u32::from_ne_bytes(codes_of(word)));
    let scales = Tensor { element: Element::F32, ..t.words(1, rows, |i| ((1 + i * 7 % 13) as f32 / 16.0).to_bits()) };
    vec![codes, scales]
}
