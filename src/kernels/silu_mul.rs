//! The gate of SwiGLU: y = silu(gate) · up (Shazeer, 2020).

use rayon::prelude::*;

use crate::plan::{Case, Element, Host, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { cols: u32 } }

impl Plan {
    /// Multiplies silu(`gate`) and `up`, both [m, cols].
    pub fn silu_mul(&mut self, name: &str, gate: Tensor, up: Tensor) -> Tensor {
        up.expect("up", gate.rows, gate.cols, Element::F32);
        let y = self.scratch(gate.rows, gate.cols, Element::F32);
        let params = Params { cols: gate.cols as u32 };
        let cells = [gate.rows, gate.cols];
        self.add(&KERNEL, name, params, &[gate, up, y], cells, 4 * (gate.rows * gate.cols) as u64);
        y
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "silu_mul",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("silu_mul"), &[("WG", 64)], |c| [1, c.get("WG")], 1e-11)],
    reference,
    host: Some(Host { run: host, nmse: 1e-12 }),
    cases: &[
        Case::bench("1x4864", |t| silu_mul(t, 1, 4864, 1.0)),
        Case::bench("128x18944", |t| silu_mul(t, 128, 18944, 1.0)),
        Case::test("5x70_times_200", |t| silu_mul(t, 5, 70, 200.0)),
    ],
};

fn silu_mul(t: &mut Trial, m: usize, cols: usize, scale: f32) -> Tensor {
    let (gate, up) = (t.f32_of(m, cols, |_, value| value * scale), t.f32(m, cols));
    t.plan.silu_mul("", gate, up)
}

fn reference(io: &mut Io) {
    let (gate, up) = (io.f32(0), io.f32(1));
    for (i, y) in io.out_f32().iter_mut().enumerate() {
        *y = silu(gate[i]) * up[i];
    }
}

pub(super) fn silu(x: f32) -> f32 {
    x / (1.0 + (-x).exp())
}

/// The reference, spread over the cores.
fn host(io: &mut Io) {
    let (gate, up) = (io.f32(0), io.f32(1));
    let y = io.out_f32().par_iter_mut().with_min_len(4096);
    y.zip(gate).zip(up).for_each(|((y, gate), up)| *y = silu(*gate) * up);
}
