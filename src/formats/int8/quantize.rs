//! Rows of x in eight bits, as LLM.int8() (Dettmers et al., 2022) multiplies them: once for all products that
//! share an input. shaders/int8_quantize.wgsl says what is made.

use half::f16;

use super::outliers::{effective, magnitude, outlier_mask};
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant, kernel};
use crate::{params, wgsl};

params! { struct Params { m: u32, k: u32, threshold: f32, masked: u32 } }

/// Words of a row: values, codes, a bit a column, the scale.
pub fn row_words(k: usize) -> usize {
    k + k / 4 + k / 32 + 1
}

/// x [m, k] in eight bits and as values: [m, row words], plane behind plane.
pub(super) fn quantize_rows(plan: &mut Plan, name: &str, x: Tensor, threshold: f32) -> Tensor {
    let (m, k) = (x.rows, x.cols);
    assert!(k.is_multiple_of(32), "{name}: {k} columns");
    // A row alone tells its outliers itself; where there is no mask x stands in, unread.
    let together = plan.together(m);
    let mask = if together { outlier_mask(plan, &format!("{name}.outliers"), x, threshold) } else { x };
    let q = plan.scratch(m, row_words(k), Element::U32);
    let params = Params { m: m as u32, k: k as u32, threshold: effective(threshold), masked: u32::from(together) };
    plan.add(&KERNEL, &format!("{name}.quantize"), params, &[x, mask, q], [m, 1], 0);
    q
}

pub static KERNEL: Kernel = Kernel {
    name: "int8_quantize",
    params: Params::FIELDS,
    variants: &[Variant::portable(
        wgsl!("int8_quantize", "lib/f16_round", "lib/int8_factor"),
        &[("WG", 256)],
        |_| [1, 1],
        0.0,
    )],
    reference,
    host: None,
    cases: &[
        Case::bench("1x896", |t| quantized(t, 1, 896, 6.0)),
        Case::bench("1x4864", |t| quantized(t, 1, 4864, 6.0)),
        Case::bench("128x896", |t| quantized(t, 128, 896, 6.0)),
        Case::bench("128x4864", |t| quantized(t, 128, 4864, 6.0)),
        Case::test("3x96", |t| quantized(t, 3, 96, 6.0)),
        Case::test("1x64_all_outliers", |t| quantized(t, 1, 64, 1e-9)),
        Case::test("5x160_no_outliers", |t| quantized(t, 5, 160, 0.0)),
        Case::test("40x96_of_any_size", |t| of_any_size(t, 40, 96)),
        Case::test("1x288_of_any_size", |t| of_any_size(t, 1, 288)),
    ],
};

/// Values over -7..7.
fn quantized(t: &mut Trial, m: usize, k: usize, threshold: f32) -> Tensor {
    let x = t.words(m, k, |i| (7.0 * kernel::uniform(i as u32)).to_bits());
    quantize_rows(&mut t.plan, "", x, threshold)
}

/// From below what f16 holds to above it, half of them between two f16, and a row of zeros.
fn of_any_size(t: &mut Trial, m: usize, k: usize) -> Tensor {
    let size = |i: usize| 2.0f32.powi((kernel::hash(i as u32) % 24) as i32 - 30 + (i / k) as i32);
    let value = |i: usize| (kernel::uniform(i as u32) * size(i)).to_bits() & 0xffff_f000;
    let x = t.words(m, k, |i| if i / k == 2 { 0 } else { value(i) });
    quantize_rows(&mut t.plan, "", x, 6.0)
}

/// The planes of m rows of x, `threshold` effective; without `mask` each row has its own.
pub(super) fn quantize(x: &[f32], k: usize, threshold: f32, mask: Option<&[u32]>, q: &mut [u32]) {
    let m = x.len() / k;
    let (values, rest) = q.split_at_mut(m * k);
    let (codes, rest) = rest.split_at_mut(m * k / 4);
    let (masks, scales) = rest.split_at_mut(m * k / 32);
    for (row, x) in x.chunks_exact(k).enumerate() {
        let scale = x.iter().map(|&x| magnitude(x)).filter(|&a| a < threshold).fold(0.0, f32::max);
        let factor = if scale == 0.0 { 0.0 } else { 127.0 / scale };
        let step = scale * (1.0 / 127.0);
        scales[row] = scale.to_bits();
        masks[row * k / 32..][..k / 32].fill(0);
        codes[row * k / 4..][..k / 4].fill(0);
        for (c, &x) in x.iter().enumerate() {
            let rounded = magnitude(x).copysign(x);
            let out = mask.map_or(rounded.abs() >= threshold, |mask| mask[c / 32] >> (c % 32) & 1 == 1);
            let code = if out { 0 } else { (rounded * factor).round_ties_even() as i32 };
            let kept = if f16::from_f32(x).is_finite() { rounded } else { x };
            let value = if out { kept } else { code as f32 * step };
            values[row * k + c] = value.to_bits();
            codes[(row * k + c) / 4] |= (code as u32 & 255) << (c % 4 * 8);
            masks[(row * k + c) / 32] |= u32::from(out) << (c % 32);
        }
    }
}

fn reference(io: &mut Io) {
    let Params { k, threshold, masked, .. } = io.params();
    let (x, mask) = (io.f32(0), io.u32(1));
    quantize(x, k as usize, threshold, (masked == 1).then_some(mask), io.out_u32());
}
