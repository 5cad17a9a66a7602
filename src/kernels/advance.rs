//! Moves the decode position on, on the device.

use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Variant};
use crate::{params, wgsl};

params! { struct Params { by: u32 } }

impl Plan {
    /// Adds one to `position` [1, 1].
    pub fn advance(&mut self, name: &str, position: Tensor) {
        position.expect("position", 1, 1, Element::U32);
        self.add(&KERNEL, name, Params { by: 1 }, &[position], [1, 1], 0);
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "advance",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("advance"), &[], |_| [1, 1], 0.0)],
    reference,
    host: None,
    cases: &[Case::test("41", |t| {
        let position = t.u32(1, 1, [41]);
        t.plan.advance("", position);
        position
    })],
};

fn reference(io: &mut Io) {
    let Params { by } = io.params();
    io.out_u32()[0] += by;
}
