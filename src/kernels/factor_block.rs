//! A block on the diagonal of a positive definite A = L · Lᵀ becomes X = L⁻¹; [`Plan::inverse_factor`] makes L⁻¹ of all of
//! A so, block after block.

use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { n: u32, first: u32, len: u32 } }

/// Columns of a block: what the workgroup memory of every adapter holds, and a tile of the products.
pub const BLOCK: usize = 64;

/// Most operations of a step: a second's on a device of 32 GFLOP/s, where a driver's watchdog ends steps of two.
pub(crate) const MOST_FLOPS: usize = 32_000_000_000;

/// Returns as many of `all` rows or columns a step as keep it short, if one takes `flops`; each step starts at a whole tile.
pub(super) fn bands(all: usize, flops: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let width = (MOST_FLOPS / flops.max(1) / BLOCK).max(1) * BLOCK;
    (0..all).step_by(width).map(move |start| start..all.min(start + width))
}

impl Plan {
    /// Replaces the lower triangle of the symmetric `a` [n, n] = L · Lᵀ, which alone is read, by L⁻¹. The values above the
    /// diagonal mean nothing afterwards. `pivots` [1, n] are above zero if A is positive definite; `panel` is [BLOCK, n].
    ///
    /// A block brings all rows below it up to date: first the factor's, to its right, and then the inverse's, to its left.
    /// Both are products of the same panel, so that A, L and L⁻¹ take the memory of one.
    pub fn inverse_factor(&mut self, [a, panel, pivots]: [Tensor; 3]) {
        for first in (0..a.cols).step_by(BLOCK) {
            self.factor_block([a, pivots], first);
            self.factor_panel([a, panel], first);
            self.factor_updates([panel, a], first);
        }
    }

    /// Replaces the block of `a` [n, n] from row and column `first` on by its inverted factor.
    fn factor_block(&mut self, [a, pivots]: [Tensor; 2], first: usize) {
        a.expect("a", a.cols, a.cols, Element::F32);
        pivots.expect("pivots", 1, a.cols, Element::F32);
        let len = BLOCK.min(a.cols - first);
        let params = Params { n: a.cols as u32, first: first as u32, len: len as u32 };
        let step = self.add(&KERNEL, "factor_block", params, &[a, pivots], [1, 1], (len * len * len) as u64);
        step.set_outputs(&["inverse", "pivots"]);
        step.bytes = 4 * (2 * len * len) as u64;
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "factor_block",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("factor_block"), &[], |_| [1, 1], 1e-10)],
    reference,
    host: None,
    cases: &[
        Case::bench("64_of_896", |t| block(t, 896, 128)),
        Case::test("64_of_70", |t| block(t, 70, 0)),
        Case::test("37_of_101", |t| block(t, 101, 64)),
    ],
};

/// Adds a positive definite matrix and the step of its block from `first` on.
fn block(t: &mut Trial, n: usize, first: usize) -> Tensor {
    let a = t.f32_of(n, n, |i, value| if i / n == i % n { 1.5 + value / 2.0 } else { value / 16.0 });
    let pivots = t.f32(1, n);
    t.plan.factor_block([a, pivots], first);
    a
}

fn reference(io: &mut Io) {
    let Params { n, first, len } = io.params();
    let (n, first, len) = (n as usize, first as usize, len as usize);
    let at = |i: usize, j: usize| (first + i) * n + first + j;
    for k in 0..len {
        let a = io.output_f32(0);
        let pivot = a[at(k, k)];
        let root = pivot.sqrt();
        let p: Vec<f32> = (0..len)
            .map(|j| match j.cmp(&k) {
                std::cmp::Ordering::Less => a[at(k, j)] / root,
                std::cmp::Ordering::Equal => 1.0 / root,
                std::cmp::Ordering::Greater => a[at(j, k)] / root,
            })
            .collect();
        for i in k + 1..len {
            a[at(i, k)] = 0.0;
            (0..=i).for_each(|j| a[at(i, j)] -= p[i] * p[j]);
        }
        (0..=k).for_each(|j| a[at(k, j)] = p[j]);
        io.output_f32(1)[first + k] = pivot;
    }
}
