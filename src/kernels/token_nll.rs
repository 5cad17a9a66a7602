//! The surprise of given next tokens: log Σ exp(x) − x[target], in nats.

use bytemuck::{Pod, Zeroable};

use crate::plan::{Case, Element, Io, Kernel, Needs, Plan, Tensor, Trial, Variant};
use crate::wgsl;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    cols: u32,
    stride: u32,
}

impl Plan {
    /// Negative log-likelihood [1, m] of `target` [1, m] under the logits `x` [m, n], of which the
    /// first `cols` are tokens.
    pub fn token_nll(&mut self, name: &str, x: Tensor, cols: usize, target: Tensor) -> Tensor {
        assert!(cols <= x.cols, "{name}: {cols} of {x:?}");
        target.expect("target", 1, x.rows, Element::U32);
        let y = self.scratch(1, x.rows, Element::F32);
        let params = Params { cols: cols as u32, stride: x.cols as u32 };
        self.add(&KERNEL, name, params, &[x, target, y], [x.rows, 1], 3 * (x.rows * cols) as u64);
        y
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "token_nll",
    variants: &[Variant {
        name: "portable",
        needs: Needs::empty(),
        wgsl: wgsl!("token_nll", "lib/reduce"),
        consts: &[("WG", 256)],
        tile: |_| [1, 1],
        nmse: 1e-11,
    }],
    reference,
    host: None,
    cases: &[
        Case { name: "32x151936", bench: true, build: |t| nll(t, 32, 151_936, 151_665) },
        Case { name: "5x70", bench: false, build: |t| nll(t, 5, 70, 66) },
    ],
};

fn nll(t: &mut Trial, m: usize, n: usize, cols: usize) -> Tensor {
    let x = t.f32(m, n);
    let target = t.u32(1, m, (0..).map(|i| i * 37 % cols as u32));
    t.plan.token_nll("", x, cols, target)
}

fn reference(io: &mut Io) {
    let Params { cols, stride } = io.params();
    let (x, target) = (io.f32(0), io.u32(1));
    for (r, y) in io.out_f32().iter_mut().enumerate() {
        let x = &x[r * stride as usize..][..cols as usize];
        let highest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // In f64: a plain f32 sum of 150,000 terms would be the least exact number here.
        let sum: f64 = x.iter().map(|v| f64::from((v - highest).exp())).sum();
        *y = sum.ln() as f32 + (highest - x[target[r] as usize]);
    }
}
