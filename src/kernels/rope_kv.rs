//! Keys into the cache, rotated on the way: `rope` and `kv_write` in one step.

use super::rope::{Params, rotate};
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::wgsl;

impl Plan {
    /// Writes the rows of `x` [m, heads · head_dim], rotated by `table` [positions, head_dim], to their
    /// slots in `cache` [capacity, heads · head_dim]; `position` and `slot` are [1, m].
    pub fn rope_kv(&mut self, name: &str, [position, slot]: [Tensor; 2], table: Tensor, x: Tensor, cache: Tensor) {
        let heads = x.cols / table.cols;
        assert_eq!(heads * table.cols, x.cols, "{name}: heads of {} in {x:?}", table.cols);
        cache.expect("cache", cache.rows, x.cols, Element::F32);
        position.expect("position", 1, x.rows, Element::U32);
        slot.expect("slot", 1, x.rows, Element::U32);
        let params = Params { heads: heads as u32, head_dim: table.cols as u32 };
        let bind = [position, table, slot, x, cache];
        let step = self.add(&KERNEL, name, params, &bind, [x.rows, x.cols / 2], 3 * (x.rows * x.cols) as u64);
        step.bytes = 2 * x.bytes() + (x.rows * table.cols * 4) as u64;
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "rope_kv",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("rope_kv", "lib/rope"), &[("WG", 64)], |c| [1, c.get("WG")], 1e-12)],
    reference,
    host: None,
    cases: &[
        Case::bench("1x2x64", |t| rope_kv(t, 1, 2, 64, 2048)),
        Case::bench("128x4x128", |t| rope_kv(t, 128, 4, 128, 2048)),
        Case::test("5x3x10", |t| rope_kv(t, 5, 3, 10, 13)),
    ],
};

fn rope_kv(t: &mut Trial, m: usize, heads: usize, head_dim: usize, capacity: usize) -> Tensor {
    let first = (capacity - m) as u32 / 2;
    let position = t.u32(1, m, first..);
    // Any slots, each its own.
    let slot = t.u32(1, m, (0..m as u32).map(|i| first + m as u32 - 1 - i));
    let table = t.f32(capacity, head_dim);
    let (x, cache) = (t.f32(m, heads * head_dim), t.f32(capacity, heads * head_dim));
    t.plan.rope_kv("", [position, slot], table, x, cache);
    cache
}

fn reference(io: &mut Io) {
    let Params { heads, head_dim } = io.params();
    let (position, table, slot, x) = (io.u32(0), io.f32(1), io.u32(2), io.f32(3));
    let (dim, width) = (head_dim as usize, (heads * head_dim) as usize);
    for ((x, &position), &slot) in x.chunks_exact(width).zip(position).zip(slot) {
        let row = &mut io.out_f32()[slot as usize * width..][..width];
        row.copy_from_slice(x);
        rotate(row, &table[position as usize * dim..][..dim]);
    }
}
