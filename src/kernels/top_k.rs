//! The highest logits, of which the next token is drawn: the highest first, of equal ones the lower index.

use super::NOT_FINITE;
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

/// Most logits that are chosen.
pub const MOST_CANDIDATES: usize = 256;

params! { struct Params { cols: u32, stride: u32, k: u32 } }

impl Plan {
    /// Adds the choice of the `k` highest of the first `cols` logits of each row of `x` [m, n]: the bits and the index of
    /// each, [m, 2k]. All words are [`NOT_FINITE`] if a logit is NaN or infinite, and so are pairs that are more than
    /// `cols`.
    pub fn top_k(&mut self, name: &str, x: Tensor, cols: usize, k: usize) -> Tensor {
        assert!(cols <= x.cols && (1..=MOST_CANDIDATES).contains(&k), "{name}: {k} of {cols} of {x:?}");
        let y = self.scratch(x.rows, 2 * k, Element::U32);
        let params = Params { cols: cols as u32, stride: x.cols as u32, k: k as u32 };
        let step = self.add(&KERNEL, name, params, &[x, y], [x.rows, 1], (x.rows * cols) as u64);
        step.part_words = 2 * k * x.rows;
        y
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "top_k",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("top_k"), &[("WG", 256), ("SPLITS", 32)], |_| [1, 1], 0.0)],
    reference,
    host: None,
    cases: &[
        Case::bench("20_of_151936", |t| top_k(t, 1, 151_936, 151_665, 20, |_, value| value)),
        Case::bench("84_of_151936", |t| top_k(t, 1, 151_936, 151_665, 84, |_, value| value)),
        Case::test("1_of_70", |t| top_k(t, 1, 70, 70, 1, |_, value| value)),
        Case::test("50_of_3_rows_of_333", |t| top_k(t, 3, 340, 333, 50, |i, v| if i == 400 { 1e38 } else { v })),
        Case::test("100_of_9000", |t| top_k(t, 1, 9_000, 9_000, 100, |_, value| value * 20.0)),
        Case::test("256_of_600", |t| top_k(t, 1, 600, 600, 256, |_, value| value)),
        Case::test("100_of_70", |t| top_k(t, 2, 70, 70, 100, |_, value| value)),
        Case::test("ties", |t| top_k(t, 1, 5_000, 5_000, 50, |i, value| if i % 61 == 7 { 2.0 } else { value })),
        Case::test("all_equal", |t| top_k(t, 1, 700, 700, 20, |_, _| -0.5)),
        Case::test("zeros_of_both_signs", |t| top_k(t, 1, 90, 90, 50, |i, _| if i % 2 == 0 { -0.0 } else { 0.0 })),
        Case::test("nan", |t| top_k(t, 2, 900, 900, 5, |i, value| if i == 500 { -f32::NAN } else { value })),
        Case::test("infinity", |t| top_k(t, 1, 900, 900, 5, |i, v| if i == 899 { f32::NEG_INFINITY } else { v })),
    ],
};

fn top_k(t: &mut Trial, m: usize, n: usize, cols: usize, k: usize, change: impl Fn(usize, f32) -> f32) -> Tensor {
    let x = t.f32_of(m, n, change);
    t.plan.top_k("", x, cols, k)
}

fn reference(io: &mut Io) {
    let Params { cols, stride, k } = io.params();
    let x = io.f32(0);
    for (x, y) in x.chunks_exact(stride as usize).zip(io.out_u32().chunks_exact_mut(2 * k as usize)) {
        let mut order: Vec<(f32, u32)> = x[..cols as usize].iter().copied().zip(0..).collect();
        let finite = order.iter().all(|(value, _)| value.is_finite());
        order.sort_unstable_by(super::draw::before);
        y.fill(NOT_FINITE);
        for (y, (value, index)) in y.chunks_exact_mut(2).zip(order).filter(|_| finite) {
            y.copy_from_slice(&[value.to_bits(), index]);
        }
    }
}
