//! panel = X · S: a block's part of a factor L, below it, and of L⁻¹, up to its end, by X, the block's own inverted factor.

use super::factor_block::BLOCK;
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { n: u32, first: u32, len: u32 } }

impl Plan {
    /// Computes the `panel` [BLOCK, n] of the block of `a` [n, n] from `first` on, which is inverted.
    pub(super) fn factor_panel(&mut self, [a, panel]: [Tensor; 2], first: usize) {
        let n = a.cols;
        a.expect("a", n, n, Element::F32);
        panel.expect("panel", BLOCK, n, Element::F32);
        let len = BLOCK.min(n - first);
        let params = Params { n: n as u32, first: first as u32, len: len as u32 };
        let step = self.add(&KERNEL, "factor_panel", params, &[a, panel], [len, n], (2 * len * len * n) as u64);
        step.bytes = 4 * (2 * len * n) as u64;
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "factor_panel",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("factor_panel", "lib/tile_product"), &[], |_| [BLOCK as u32; 2], 1e-10)],
    reference,
    host: None,
    cases: &[
        Case::bench("64_of_896", |t| panel(t, 896, 448)),
        Case::test("64_of_150", |t| panel(t, 150, 64)),
        Case::test("37_of_101", |t| panel(t, 101, 64)),
    ],
};

fn panel(t: &mut Trial, n: usize, first: usize) -> Tensor {
    let (a, panel) = (t.f32(n, n), t.f32(BLOCK, n));
    t.plan.factor_panel([a, panel], first);
    panel
}

fn reference(io: &mut Io) {
    let Params { n, first, len } = io.params();
    let (a, n, first, len) = (io.f32(0), n as usize, first as usize, len as usize);
    for j in 0..n {
        let source: Vec<f32> = (first..first + len)
            .map(|own| match j {
                _ if j >= first + len => a[j * n + own],
                _ if j >= first => f32::from(u8::from(j == own)),
                _ => a[own * n + j],
            })
            .collect();
        for t in 0..len {
            let inverse = &a[(first + t) * n + first..][..t + 1];
            io.out_f32()[t * n + j] = inverse.iter().zip(&source).map(|(x, s)| x * s).sum();
        }
    }
}
