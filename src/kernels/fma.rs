//! Chains of multiply-adds in registers: the measure of an adapter's f32 rate.

use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Variant};
use crate::{params, wgsl};

params! { struct Params { cols: u32, rounds: u32 } }

impl Plan {
    /// Eight chains of `rounds` multiply-adds, a multiple of 8, for every value of `x` [1, cols].
    pub fn fma(&mut self, name: &str, x: Tensor, rounds: usize) -> Tensor {
        x.expect("x", 1, x.cols, Element::F32);
        assert_eq!(rounds % 8, 0, "{name}: rounds");
        let y = self.scratch(1, x.cols, Element::F32);
        let params = Params { cols: x.cols as u32, rounds: rounds as u32 };
        self.add(&KERNEL, name, params, &[x, y], [1, x.cols], (16 * x.cols * rounds) as u64);
        y
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "fma",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("fma"), &[("WG", 256)], |c| [1, c.get("WG")], 1e-10)],
    reference,
    host: None,
    cases: &[Case::bench("65536x1024", |t| fma(t, 65_536, 1024)), Case::test("70x24", |t| fma(t, 70, 24))],
};

fn fma(t: &mut crate::plan::Trial, cols: usize, rounds: usize) -> Tensor {
    let x = t.f32(1, cols);
    t.plan.fma("", x, rounds)
}

fn reference(io: &mut Io) {
    let Params { rounds, .. } = io.params();
    let x = io.f32(0);
    for (x, y) in x.iter().zip(io.out_f32()) {
        let mut chains = [*x, *x, *x, *x, x + 1.0, x + 1.0, x + 1.0, x + 1.0];
        for _ in 0..rounds {
            for (i, chain) in chains.iter_mut().enumerate() {
                *chain = chain.mul_add(0.999, [0.001, 0.002, 0.003, 0.004][i % 4]);
            }
        }
        *y = (0..4).map(|i| chains[i] + chains[i + 4]).sum();
    }
}
