//! LLM.int8() on the device: codes four to a word, a row contiguous; scales as they are.

use std::ops::Range;

use super::{DeviceTensor, Format, Input, Int8, Linear};
use crate::kernels::Into;
use crate::plan::{Element, Plan, Tensor};

pub static FORMAT: Format = Format { name: "int8", product };

fn product(plan: &mut Plan, name: &str, input: &mut Input, linear: &Linear, into: Into) -> Tensor {
    let x = input.quantized(plan, name, linear.packing.threshold);
    let product = linear.product(x, into);
    if x.rows == 1 { plan.matvec_int8(name, product) } else { plan.matmul_int8(name, product) }
}

impl Int8 {
    /// The tensors of some rows, in binding order; see `kernels::weights_int8`.
    pub fn on_device(&self, rows: Range<usize>) -> Vec<DeviceTensor> {
        let (n, words) = (rows.len(), self.cols / 4);
        let codes = &self.codes[rows.start * self.cols..rows.end * self.cols];
        let codes = bytemuck::pod_collect_to_vec(codes);
        let scales = self.scales[rows].iter().map(|scale| scale.to_bits()).collect();
        vec![
            DeviceTensor { name: "codes", rows: n, cols: words, element: Element::U32, words: codes },
            DeviceTensor { name: "scales", rows: 1, cols: n, element: Element::F32, words: scales },
        ]
    }
}
