//! The greedy token: the lowest index of the largest logit.

use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

/// Result of argmax if a logit is NaN or infinite.
pub const NOT_FINITE: u32 = u32::MAX;

params! { struct Params { cols: u32, stride: u32 } }

impl Plan {
    /// Writes the index of the largest of the first `cols` logits of each row of `x` [m, n] to `y` [1, m].
    /// Columns from `cols` on are padding of the vocabulary.
    pub fn argmax(&mut self, name: &str, x: Tensor, cols: usize, y: Tensor) {
        assert!(cols <= x.cols, "{name}: {cols} of {x:?}");
        y.expect("token", 1, x.rows, Element::U32);
        let params = Params { cols: cols as u32, stride: x.cols as u32 };
        let step = self.add(&KERNEL, name, params, &[x, y], [x.rows, 1], (x.rows * cols) as u64);
        step.part_words = 2 * x.rows;
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "argmax",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("argmax"), &[("WG", 256), ("SPLITS", 128)], |_| [1, 1], 0.0)],
    reference,
    host: None,
    cases: &[
        Case::bench("151936", |t| argmax(t, 1, 151_936, 151_665, &[])),
        Case::test("70", |t| argmax(t, 1, 70, 70, &[])),
        Case::test("3_rows_of_333", |t| argmax(t, 3, 340, 333, &[(400, f32::INFINITY)])),
        Case::test("tie", |t| argmax(t, 1, 900, 900, &[(711, 2.0), (130, 2.0), (386, 2.0)])),
        Case::test("tie_of_parts", |t| argmax(t, 2, 9_000, 9_000, &[(8_999, 2.0), (7_031, 2.0), (9_080, 3.0)])),
        Case::test("padding", |t| argmax(t, 1, 900, 700, &[(800, 2.0)])),
        Case::test("nan", |t| argmax(t, 1, 900, 900, &[(500, f32::NAN), (3, 2.0)])),
        Case::test("infinity", |t| argmax(t, 1, 900, 900, &[(899, f32::NEG_INFINITY)])),
    ],
};

fn argmax(t: &mut Trial, m: usize, n: usize, cols: usize, set: &[(usize, f32)]) -> Tensor {
    let x = t.f32_of(m, n, |i, value| set.iter().find(|(at, _)| *at == i).map_or(value, |(_, value)| *value));
    let y = t.u32(1, m, [7; 3]);
    t.plan.argmax("", x, cols, y);
    y
}

fn reference(io: &mut Io) {
    let Params { cols, stride } = io.params();
    let x = io.f32(0);
    for (x, y) in x.chunks_exact(stride as usize).zip(io.out_u32()) {
        let x = &x[..cols as usize];
        let mut best = 0;
        for (i, value) in x.iter().enumerate() {
            if *value > x[best] {
                best = i;
            }
        }
        let finite = x.iter().all(|v| v.is_finite());
        *y = if finite { best as u32 } else { NOT_FINITE };
    }
}
