//! A weight of LLM.int8() widened to f32, for those who want the matrix itself.

use super::linear::{self, Part};
use super::weights_int8::{THRESHOLD, packing, tensors, widen};
use crate::plan::{Case, Kernel, Needs, Plan, Tensor, Trial, Variant};
use crate::wgsl;

impl Plan {
    /// The rows of one part in f32: [rows, k].
    pub fn dequantize_int8(&mut self, name: &str, part: &Part, k: usize) -> Tensor {
        self.widen(&KERNEL, name, part, k, packing(THRESHOLD))
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "dequantize_int8",
    variants: &[Variant {
        name: "portable",
        needs: Needs::empty(),
        wgsl: wgsl!("lib/dequantize", "lib/weights_int8", "lib/product"),
        consts: &[("WG", 64)],
        tile: |c| [1, c.get("WG")],
        nmse: 1e-12,
    }],
    reference: |io| linear::widened(io, widen),
    host: None,
    cases: &[
        Case { name: "896x896", bench: true, build: |t| dequantize(t, 896, 896) },
        Case { name: "37x96", bench: false, build: |t| dequantize(t, 37, 96) },
    ],
};

fn dequantize(t: &mut Trial, rows: usize, k: usize) -> Tensor {
    let part = Part { row0: 0, rows, tensors: tensors(t, rows, k) };
    t.plan.dequantize_int8("", &part, k)
}
