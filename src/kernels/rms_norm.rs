//! Root mean square norm: y = weight · x / sqrt(mean(x²) + eps) (Zhang and Sennrich, 2019).

use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Variant};
use crate::{params, wgsl};

params! { struct Params { cols: u32, row0: u32, eps: f32, rows: u32 } }

impl Plan {
    /// Norms `rows` rows of `x` [m, cols], from `row0` on, by `weight` [1, cols].
    pub fn rms_norm(&mut self, name: &str, x: Tensor, row0: usize, rows: usize, weight: Tensor, eps: f32) -> Tensor {
        assert!(row0 + rows <= x.rows, "{name}: rows {row0}+{rows} of {x:?}");
        weight.expect("weight", 1, x.cols, Element::F32);
        let y = self.scratch(rows, x.cols, Element::F32);
        let params = Params { cols: x.cols as u32, row0: row0 as u32, eps, rows: rows as u32 };
        // Rows are counted as columns of cells, which fold where they are more than one dimension holds.
        self.add(&KERNEL, name, params, &[x, weight, y], [1, rows], 4 * (rows * x.cols) as u64);
        y
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "rms_norm",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("rms_norm", "lib/reduce"), &[("WG", 128)], |_| [1, 1], 1e-11)],
    reference,
    host: None,
    cases: &[
        Case::bench("1x896", |t| norm(t, 1, 896, 0, 1)),
        Case::bench("128x3584", |t| norm(t, 128, 3584, 0, 128)),
        Case::test("96x128", |t| norm(t, 96, 128, 0, 96)),
        Case::test("last_of_5x100", |t| norm(t, 5, 100, 4, 1)),
        // More workgroups than one dimension holds.
        Case::test("70000x4", |t| norm(t, 70_000, 4, 0, 70_000)),
    ],
};

fn norm(t: &mut crate::plan::Trial, m: usize, cols: usize, row0: usize, rows: usize) -> Tensor {
    let (x, weight) = (t.f32(m, cols), t.f32(1, cols));
    t.plan.rms_norm("", x, row0, rows, weight, 1e-6)
}

fn reference(io: &mut Io) {
    let Params { cols, row0, eps, .. } = io.params();
    let (x, weight) = (io.f32(0), io.f32(1));
    let cols = cols as usize;
    for (r, y) in io.out_f32().chunks_exact_mut(cols).enumerate() {
        let x = &x[(row0 as usize + r) * cols..][..cols];
        let mean = x.iter().map(|v| v * v).sum::<f32>() / cols as f32;
        let scale = 1.0 / (mean + eps).sqrt();
        for c in 0..cols {
            y[c] = weight[c] * (x[c] * scale);
        }
    }
}
