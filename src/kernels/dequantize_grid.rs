//! A weight on a uniform grid widened to f32, for those who want the matrix itself.

use super::linear::{self, Packing, Part};
use super::weights_grid::{tensors, widen};
use crate::plan::{Case, Kernel, Needs, Plan, Tensor, Trial, Variant};
use crate::wgsl;

impl Plan {
    /// The rows of one part in f32: [rows, k], columns as they are stored.
    pub fn dequantize_grid(&mut self, name: &str, part: &Part, k: usize, packing: Packing) -> Tensor {
        self.widen(&KERNEL, name, part, k, packing)
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "dequantize_grid",
    variants: &[Variant {
        name: "portable",
        needs: Needs::empty(),
        wgsl: wgsl!("lib/dequantize", "lib/weights_grid", "lib/product"; "lib/codes", "lib/words"),
        consts: &[("WG", 64), ("BITS", 4)],
        tile: |c| [1, c.get("WG")],
        nmse: 1e-12,
    }],
    reference: |io| linear::widened(io, widen),
    host: None,
    cases: &[
        Case { name: "q4_896x896", bench: true, build: |t| dequantize(t, 896, 896, [4, 128]) },
        Case { name: "q8_37x64", bench: false, build: |t| dequantize(t, 37, 64, [8, 64]) },
        Case { name: "q4_37x96", bench: false, build: |t| dequantize(t, 37, 96, [4, 32]) },
        Case { name: "q3_70x192", bench: false, build: |t| dequantize(t, 70, 192, [3, 64]) },
        Case { name: "q2_33x128", bench: false, build: |t| dequantize(t, 33, 128, [2, 128]) },
    ],
};

fn dequantize(t: &mut Trial, rows: usize, k: usize, [bits, group]: [usize; 2]) -> Tensor {
    let packing = Packing { bits: bits as u32, group, ..Packing::default() };
    let part = Part { row0: 0, rows, tensors: tensors(t, rows, k, packing) };
    t.plan.dequantize_grid("", &part, k, packing)
}
