//! Reproducible random weights, made on the device.

use crate::plan::kernel::uniform;
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Variant};
use crate::{params, wgsl};

params! { struct Params { words: u32, seed: u32, scale: f32 } }

impl Plan {
    /// Fills `y` (bf16) with values spread evenly over -scale..scale.
    pub fn random_bf16(&mut self, name: &str, seed: u32, scale: f32, y: Tensor) {
        y.expect("weights", y.rows, y.cols, Element::Bf16);
        let params = Params { words: y.words() as u32, seed, scale };
        self.add(&KERNEL, name, params, &[y], [1, y.words()], 0);
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "random_bf16",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("random_bf16"), &[("WG", 256)], |c| [1, c.get("WG")], 0.0)],
    reference,
    host: None,
    cases: &[Case::bench("4864x896", |t| random(t, 4864, 896)), Case::test("37x30", |t| random(t, 37, 30))],
};

fn random(t: &mut crate::plan::Trial, rows: usize, cols: usize) -> Tensor {
    let y = t.bf16(rows, cols);
    t.plan.random_bf16("", 0x1234_5678, 0.03, y);
    y
}

fn reference(io: &mut Io) {
    let Params { seed, scale, .. } = io.params();
    let half = |counter: u32| u32::from(half::bf16::from_f32(uniform(counter ^ seed) * scale).to_bits());
    for (i, y) in io.out_u32().iter_mut().enumerate() {
        let i = i as u32;
        *y = half(2 * i) | half(2 * i + 1) << 16;
    }
}
