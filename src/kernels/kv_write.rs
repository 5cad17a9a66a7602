//! Puts keys or values into the cache: `cache[slot[r]] = x[r]`.

use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { cols: u32 } }

impl Plan {
    /// Writes the rows of `x` [m, cols] to their slots in `cache` [capacity, cols].
    pub fn kv_write(&mut self, name: &str, slot: Tensor, x: Tensor, cache: Tensor) {
        cache.expect("cache", cache.rows, x.cols, Element::F32);
        slot.expect("slot", 1, x.rows, Element::U32);
        let params = Params { cols: x.cols as u32 };
        let step = self.add(&KERNEL, name, params, &[slot, x, cache], [x.rows, x.cols], 0);
        step.bytes = 2 * x.bytes();
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "kv_write",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("kv_write"), &[("WG", 64)], |c| [1, c.get("WG")], 0.0)],
    reference,
    host: None,
    cases: &[
        Case::bench("1x128", |t| write(t, 1, 128, 2048)),
        Case::bench("128x512", |t| write(t, 128, 512, 2048)),
        Case::test("5x70", |t| write(t, 5, 70, 13)),
    ],
};

fn write(t: &mut Trial, m: usize, cols: usize, capacity: usize) -> Tensor {
    let first = (capacity - m) as u32 / 2;
    let slot = t.u32(1, m, first..);
    let (x, cache) = (t.f32(m, cols), t.f32(capacity, cols));
    t.plan.kv_write("", slot, x, cache);
    cache
}

fn reference(io: &mut Io) {
    let Params { cols } = io.params();
    let (slot, x) = (io.u32(0), io.f32(1));
    let cols = cols as usize;
    for (x, &slot) in x.chunks_exact(cols).zip(slot) {
        io.out_f32()[slot as usize * cols..][..cols].copy_from_slice(x);
    }
}
