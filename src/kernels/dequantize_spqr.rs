//! A SpQR weight widened to f32, outliers included, for those who want the matrix itself.

use super::linear::{self, Packing, Part};
use super::weights_spqr::{Form, packing, tensors, widen};
use crate::plan::{Case, Kernel, Needs, Plan, Tensor, Trial, Variant};
use crate::wgsl;

impl Plan {
    /// The rows of one part in f32: [rows, k], columns as they are stored.
    pub fn dequantize_spqr(&mut self, name: &str, part: &Part, k: usize, packing: Packing) -> Tensor {
        self.widen(&KERNEL, name, part, k, packing)
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "dequantize_spqr",
    variants: &[Variant {
        name: "portable",
        needs: Needs::empty(),
        wgsl: wgsl!("lib/dequantize", "lib/weights_spqr", "lib/group_spqr", "lib/product"; "lib/codes", "lib/words"),
        consts: &[("WG", 64), ("OUTLIERS", 1), ("BITS", 3), ("SCALE_WIDTH", 3), ("ZERO_WIDTH", 3)],
        tile: |c| [1, c.get("WG")],
        nmse: 1e-12,
    }],
    reference: |io| linear::widened(io, widen),
    host: None,
    cases: &[
        Case { name: "q3_896x896", bench: true, build: |t| dequantize(t, 896, 896, Form([3, 3, 3], 16, 1)) },
        Case { name: "q8_48x64", bench: false, build: |t| dequantize(t, 48, 64, Form([8, 8, 7], 64, 3)) },
        Case { name: "q4_16x96_all", bench: false, build: |t| dequantize(t, 16, 96, Form([4, 4, 5], 48, 100)) },
        Case { name: "q3_80x288", bench: false, build: |t| dequantize(t, 80, 288, Form([3, 3, 3], 16, 3)) },
        Case { name: "q2_32x160_none", bench: false, build: |t| dequantize(t, 32, 160, Form([2, 6, 2], 32, 0)) },
    ],
};

fn dequantize(t: &mut Trial, rows: usize, k: usize, form: Form) -> Tensor {
    let part = Part { row0: 0, rows, tensors: tensors(t, rows, k, &form) };
    t.plan.dequantize_spqr("", &part, k, packing(&form))
}
