//! SwiGLU of rows that hold gate and up side by side: y = silu(gate) · up (Shazeer, 2020).

use rayon::prelude::*;

use crate::plan::{Case, Element, Host, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { cols: u32 } }

impl Plan {
    /// Multiplies silu of the first half of each row of `gate_up` [m, 2 · cols] and the second.
    pub fn silu_mul(&mut self, name: &str, gate_up: Tensor) -> Tensor {
        let (m, cols) = (gate_up.rows, gate_up.cols / 2);
        gate_up.expect("gate and up", m, 2 * cols, Element::F32);
        let y = self.scratch(m, cols, Element::F32);
        let params = Params { cols: cols as u32 };
        self.add(&KERNEL, name, params, &[gate_up, y], [m, cols], 4 * (m * cols) as u64);
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
    let gate_up = t.f32_of(m, 2 * cols, |i, value| if i % (2 * cols) < cols { value * scale } else { value });
    t.plan.silu_mul("", gate_up)
}

fn reference(io: &mut Io) {
    let Params { cols } = io.params();
    let gate_up = io.f32(0).chunks_exact(2 * cols as usize);
    for (y, gate_up) in io.out_f32().chunks_exact_mut(cols as usize).zip(gate_up) {
        multiply(y, gate_up);
    }
}

/// Computes a row.
fn multiply(y: &mut [f32], gate_up: &[f32]) {
    let (gate, up) = gate_up.split_at(y.len());
    for ((y, gate), up) in y.iter_mut().zip(gate).zip(up) {
        *y = silu(*gate) * up;
    }
}

pub(super) fn silu(x: f32) -> f32 {
    x / (1.0 + (-x).exp())
}

/// The reference, spread over the cores.
fn host(io: &mut Io) {
    let Params { cols } = io.params();
    let gate_up = io.f32(0).par_chunks_exact(2 * cols as usize);
    io.out_f32().par_chunks_exact_mut(cols as usize).zip(gate_up).for_each(|(y, gate_up)| multiply(y, gate_up));
}
