//! A plain copy: the measure of an adapter's bandwidth.

use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Variant};
use crate::{params, wgsl};

params! { struct Params { vectors: u32 } }

impl Plan {
    /// Copies `x` to `y`, of the same shape. A tensor's memory is whole vectors.
    pub fn copy(&mut self, name: &str, [x, y]: [Tensor; 2]) {
        y.expect("y", x.rows, x.cols, x.element);
        let vectors = x.words().div_ceil(4);
        self.add(&KERNEL, name, Params { vectors: vectors as u32 }, &[x, y], [1, vectors], 0);
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "copy",
    params: Params::FIELDS,
    variants: &[Variant::portable(
        wgsl!("copy"),
        &[("WG", 256), ("PER_LANE", 4)],
        |c| [1, c.get("WG") * c.get("PER_LANE")],
        0.0,
    )],
    reference,
    host: None,
    cases: &[Case::bench("64MiB", |t| copy(t, 16 << 20)), Case::test("1037_words", |t| copy(t, 1037))],
};

fn copy(t: &mut crate::plan::Trial, words: usize) -> Tensor {
    let x = t.resident_of(1, words, Element::F32, 0x3f80_0001);
    let y = t.plan.scratch(1, words, Element::F32);
    t.plan.copy("", [x, y]);
    y
}

fn reference(io: &mut Io) {
    let x = io.u32(0);
    io.out_u32().copy_from_slice(x);
}
