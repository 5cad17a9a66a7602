//! Columns with an outlier: bit k % 32 of mask\[k / 32\] is set if |x\[m, k\]|, rounded to f16, is at least the
//! threshold in any row m.

use half::f16;

use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { m: u32, k: u32, threshold: f32 } }

/// The first power of two that f16 does not hold: from there on all are outliers.
const BEYOND_F16: f32 = 65536.0;

/// The threshold that shaders compare with; 0 stands for none, as in bitsandbytes.
pub(super) fn effective(threshold: f32) -> f32 {
    if threshold > 0.0 { threshold.min(BEYOND_F16) } else { BEYOND_F16 }
}

/// Returns the least f32 that is an outlier when it is rounded to f16. It is a threshold as well: no f16 lies between the two.
pub(super) fn least_outlier(threshold: f32) -> f32 {
    let threshold = effective(threshold);
    let (mut below, mut least) = (0, f32::INFINITY.to_bits());
    // Floats that are not negative are in the order of their bits.
    while least - below > 1 {
        let middle = below + (least - below) / 2;
        if magnitude(f32::from_bits(middle)) >= threshold { least = middle } else { below = middle }
    }
    f32::from_bits(least)
}

/// |x| rounded to f16.
pub(super) fn magnitude(x: f32) -> f32 {
    f16::from_f32(x).to_f32().abs().min(BEYOND_F16)
}

/// The mask over the rows of x, k columns each.
pub(super) fn outliers(x: &[f32], k: usize, threshold: f32) -> Vec<u32> {
    let mut mask = vec![0; k / 32];
    for (at, &x) in x.iter().enumerate() {
        let c = at % k;
        mask[c / 32] |= u32::from(magnitude(x) >= threshold) << (c % 32);
    }
    mask
}

/// The columns of x [m, k] with an outlier: [1, k / 32] words.
pub(super) fn outlier_mask(plan: &mut Plan, name: &str, x: Tensor, threshold: f32) -> Tensor {
    assert!(x.cols.is_multiple_of(32), "{name}: {} columns", x.cols);
    let mask = plan.scratch(1, x.cols / 32, Element::U32);
    let params = Params { m: x.rows as u32, k: x.cols as u32, threshold: effective(threshold) };
    plan.add(&KERNEL, name, params, &[x, mask], [1, x.cols / 32], 0);
    mask
}

pub static KERNEL: Kernel = Kernel {
    name: "int8_outliers",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("int8_outliers", "lib/f16_round"), &[("WG", 128)], |_| [1, 1], 0.0)],
    reference,
    host: None,
    cases: &[
        Case::bench("128x896", |t| mask(t, 128, 896, 0.999)),
        Case::bench("128x4864", |t| mask(t, 128, 4864, 0.999)),
        Case::test("3x96", |t| mask(t, 3, 96, 0.9)),
        Case::test("33x64_all", |t| mask(t, 33, 64, 1e-6)),
        Case::test("160_one_row", |t| mask(t, 1, 160, 0.5)),
    ],
};

fn mask(t: &mut Trial, m: usize, k: usize, threshold: f32) -> Tensor {
    let x = t.f32(m, k);
    outlier_mask(&mut t.plan, "", x, threshold)
}

fn reference(io: &mut Io) {
    let Params { k, threshold, .. } = io.params();
    let mask = outliers(io.f32(0), k as usize, threshold);
    io.out_u32().copy_from_slice(&mask);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_outlier_is_the_first() {
        for threshold in [6.0, 0.99, 1e-9, 65504.0] {
            let least = least_outlier(threshold);
            assert!(magnitude(least) >= threshold, "{threshold}");
            assert!(magnitude(f32::from_bits(least.to_bits() - 1)) < threshold, "{threshold}");
        }
        assert_eq!(least_outlier(0.0), 65520.0);
    }

    #[test]
    fn what_f16_does_not_hold_is_an_outlier() {
        assert_eq!(outliers(&[65519.0; 32], 32, effective(0.0)), [0]);
        assert_eq!(outliers(&[-65520.0; 32], 32, effective(0.0)), [u32::MAX]);
        assert_eq!(outliers(&[f32::NAN; 32], 32, effective(6.0)), [u32::MAX]);
    }
}
