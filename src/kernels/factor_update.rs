//! A -= panelᵀ · panel below a block of columns: what the block's part of a factor L gives to the rest of L, to its right,
//! and of L⁻¹, to its left.

use super::factor_block::{BLOCK, bands};
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { n: u32, first: u32, len: u32, row0: u32, rows: u32 } }

impl Plan {
    /// Brings all rows of `a` [n, n] below the block of columns from `first` on up to date, and puts the panel into the
    /// block's own rows: as many rows a step as keep it short.
    pub(super) fn factor_updates(&mut self, tensors: [Tensor; 2], first: usize) {
        let n = tensors[1].cols;
        for rows in bands(n - first, 2 * BLOCK * n) {
            self.factor_update(tensors, first, first + rows.start, rows.len());
        }
    }

    fn factor_update(&mut self, [panel, a]: [Tensor; 2], first: usize, row0: usize, rows: usize) {
        let n = a.cols;
        a.expect("a", n, n, Element::F32);
        panel.expect("panel", BLOCK, n, Element::F32);
        assert!([first, row0].iter().all(|at| at.is_multiple_of(BLOCK)) && row0 + rows <= n, "rows from {row0}");
        let len = BLOCK.min(n - first);
        let [first, len, row0, rows] = [first, len, row0, rows].map(|at| at as u32);
        let params = Params { n: n as u32, first, len, row0, rows };
        // Up to the diagonal.
        let values = u64::from(rows) * u64::from(2 * row0 + rows) / 2;
        let cells = [rows, row0 + rows].map(|at| at as usize);
        let flops = 2 * u64::from(len) * values;
        let step = self.add(&KERNEL, "factor_update", params, &[panel, a], cells, flops);
        step.bytes = 4 * (2 * values + u64::from(len) * n as u64);
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "factor_update",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("factor_update", "lib/tile_product"), &[], |_| [BLOCK as u32; 2], 1e-10)],
    reference,
    host: None,
    cases: &[
        Case::bench("64_of_896", |t| update(t, 896, 0, 0, 896)),
        Case::test("64_of_150", |t| update(t, 150, 64, 64, 86)),
        Case::test("64_of_270_below", |t| update(t, 270, 64, 128, 128)),
        Case::test("37_of_101", |t| update(t, 101, 64, 64, 37)),
    ],
};

fn update(t: &mut Trial, n: usize, first: usize, row0: usize, rows: usize) -> Tensor {
    let (panel, a) = (t.f32(BLOCK, n), t.f32(n, n));
    t.plan.factor_update([panel, a], first, row0, rows);
    a
}

fn reference(io: &mut Io) {
    let Params { n, first, len, row0, rows } = io.params();
    let (panel, n) = (io.f32(0), n as usize);
    for i in row0 as usize..(row0 + rows) as usize {
        let own = (first..first + len).contains(&(i as u32));
        for j in 0..n.min(i / BLOCK * BLOCK + BLOCK) {
            let value = &mut io.out_f32()[i * n + j];
            if own {
                *value = panel[(i - first as usize) * n + j];
                continue;
            }
            if (first..first + len).contains(&(j as u32)) {
                *value = 0.0;
            }
            *value -= (0..len as usize).map(|t| panel[t * n + i] * panel[t * n + j]).sum::<f32>();
        }
    }
}
