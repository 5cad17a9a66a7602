//! Columns in another order: `y[m, k] = x[m, order[k]]`, once for all products that share the order.

use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { rows: u32, cols: u32 } }

impl Plan {
    /// x [m, k] with its columns in `order` [1, k].
    pub fn gather(&mut self, name: &str, x: Tensor, order: Tensor) -> Tensor {
        order.expect("order", 1, x.cols, Element::U32);
        let y = self.scratch(x.rows, x.cols, Element::F32);
        let params = Params { rows: x.rows as u32, cols: x.cols as u32 };
        self.add(&KERNEL, name, params, &[x, order, y], [x.rows, x.cols], 0);
        y
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "gather",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("gather"), &[("WG", 64)], |c| [1, c.get("WG")], 0.0)],
    reference,
    host: None,
    cases: &[Case::bench("128x4864", |t| gather(t, 128, 4864)), Case::test("3x70", |t| gather(t, 3, 70))],
};

fn gather(t: &mut Trial, rows: usize, cols: usize) -> Tensor {
    let x = t.f32(rows, cols);
    // 41 divides neither, so this is an order.
    let order = t.u32(1, cols, (0..cols as u32).map(|k| k * 41 % cols as u32));
    t.plan.gather("", x, order)
}

fn reference(io: &mut Io) {
    let params: Params = io.params();
    let (x, order) = (io.f32(0), io.u32(1));
    let cols = params.cols as usize;
    for (at, y) in io.out_f32().iter_mut().enumerate() {
        *y = x[at / cols * cols + order[at % cols] as usize];
    }
}
