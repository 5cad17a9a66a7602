//! The surprise of given next tokens: log Σ exp(x) − x\[target\], in nats; and max(x) − x\[target\], which is 0 for
//! the greedy one.

use rayon::prelude::*;

use crate::plan::{Case, Element, Host, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { cols: u32, stride: u32 } }

impl Plan {
    /// Negative log-likelihood of `target` [1, p] under the rows `row` [1, p] of the logits `x` [m, n], of
    /// which the first `cols` are tokens, and how far its logit is below the largest: [p, 2].
    pub fn token_nll(&mut self, name: &str, x: Tensor, cols: usize, row: Tensor, target: Tensor) -> Tensor {
        assert!(cols <= x.cols, "{name}: {cols} of {x:?}");
        let pairs = target.cols;
        row.expect("row", 1, pairs, Element::U32);
        target.expect("target", 1, pairs, Element::U32);
        let y = self.scratch(pairs, 2, Element::F32);
        let params = Params { cols: cols as u32, stride: x.cols as u32 };
        self.add(&KERNEL, name, params, &[x, row, target, y], [pairs, 1], 3 * (pairs * cols) as u64);
        y
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "token_nll",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("token_nll", "lib/reduce"), &[("WG", 256)], |_| [1, 1], 1e-11)],
    reference,
    host: Some(Host { run: host, nmse: 1e-12 }),
    cases: &[Case::bench("32x151936", |t| nll(t, 32, 151_936, 151_665)), Case::test("5x70", |t| nll(t, 5, 70, 66))],
};

fn nll(t: &mut Trial, m: usize, n: usize, cols: usize) -> Tensor {
    let x = t.f32(m, n);
    let row = t.u32(1, m, (0..).map(|i| i * 3 % m as u32));
    let target = t.u32(1, m, (0..).map(|i| i * 37 % cols as u32));
    t.plan.token_nll("", x, cols, row, target)
}

fn reference(io: &mut Io) {
    let of = surprise(io);
    io.out_f32().chunks_exact_mut(2).enumerate().for_each(|(p, y)| y.copy_from_slice(&of(p)));
}

/// The reference, its rows spread over the cores.
fn host(io: &mut Io) {
    let of = surprise(io);
    io.out_f32().par_chunks_exact_mut(2).enumerate().for_each(|(p, y)| y.copy_from_slice(&of(p)));
}

/// Returns the value of pair `p`.
fn surprise<'a>(io: &Io<'a>) -> impl Fn(usize) -> [f32; 2] + use<'a> {
    let Params { cols, stride } = io.params();
    let (x, row, target) = (io.f32(0), io.u32(1), io.u32(2));
    move |p| {
        let x = &x[(row[p] * stride) as usize..][..cols as usize];
        let highest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // In f64: a plain f32 sum of 150,000 terms would be the least exact number here.
        let sum: f64 = x.iter().map(|v| f64::from((v - highest).exp())).sum();
        let below = highest - x[target[p] as usize];
        [sum.ln() as f32 + below, below]
    }
}
