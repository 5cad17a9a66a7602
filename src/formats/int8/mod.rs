//! LLM.int8(): w = scale · code / 127, with the row's largest magnitude as scale. Columns of the input with an outlier
//! are multiplied in f32. Dettmers et al. 2022, arXiv 2208.07339.

mod folder;
mod layout;
mod matmul;
mod matvec;
mod matvec_quantize;
mod options;
mod outliers;
mod quantize;

use std::ops::Range;

pub use folder::Int8Folder;
pub use options::{Int8Options, METHOD, int8};

use super::linear::{Activation, Linear};
use super::{DeviceTensor, Format, QuantizedWeight, concat, weight_of_format};
use crate::kernels::WeightLayout;
use crate::plan::{Element, Plan, Tensor};

/// Inputs of at least this magnitude are outliers, unless a model says otherwise.
pub const THRESHOLD: f32 = 6.0;

pub static FORMAT: Format = Format {
    name: "int8",
    kernels: &[&outliers::KERNEL, &quantize::KERNEL, &matvec::KERNEL, &matvec_quantize::KERNEL, &matmul::KERNEL],
    product: [&matvec::KERNEL, &matmul::KERNEL],
    input,
    fused: Some(&matvec_quantize::KERNEL),
    norms: false,
    embed: None,
    // The rows of a pass decide together which columns of the input are outliers.
    rows_depend: |layout| layout.threshold < outliers::least_outlier(0.0),
    folders: &[&folder::FOLDER],
};

fn input(linear: &Linear, plan: &mut Plan, name: &str, input: &mut Activation) -> Tensor {
    let threshold = linear.layout.threshold;
    input.once(FORMAT.name, threshold, |x| quantize::quantize_rows(plan, name, x, threshold))
}

/// Weight of LLM.int8().
#[derive(Clone, Debug, PartialEq)]
pub struct Int8 {
    pub rows: usize,
    pub cols: usize,
    /// \[rows\]\[cols\], none -128.
    pub codes: Vec<i8>,
    /// \[rows\]; SCB in the files.
    pub scales: Vec<f32>,
    /// Inputs of at least this magnitude are outliers; 0: none are.
    pub threshold: f32,
}

impl QuantizedWeight for Int8 {
    weight_of_format!();

    fn layout(&self) -> WeightLayout {
        layout::layout(self.threshold)
    }

    /// The tensors that `layout` describes.
    fn device_tensors(&self, rows: Range<usize>) -> Vec<DeviceTensor> {
        let n = rows.len();
        let codes = &self.codes[rows.start * self.cols..rows.end * self.cols];
        let codes = bytemuck::pod_collect_to_vec(codes);
        let scales = self.scales[rows].iter().map(|scale| scale.to_bits()).collect();
        vec![
            DeviceTensor::of_words("codes", n, codes),
            DeviceTensor { name: "scales", rows: 1, cols: n, element: Element::F32, words: scales, join: concat },
        ]
    }

    fn dequantize(&self) -> Vec<f32> {
        let row =
            |(codes, scale): (&[i8], &f32)| codes.iter().map(|&c| f32::from(c) * scale / 127.0).collect::<Vec<_>>();
        self.codes.chunks_exact(self.cols).zip(&self.scales).flat_map(row).collect()
    }

    fn true_bits(&self) -> u64 {
        8 * (self.rows * self.cols) as u64 + 32 * self.rows as u64
    }
}

/// Returns a weight of random codes; see [`super::Method::random`].
fn random(_: u32, rows: usize, cols: usize, seed: u32) -> Box<dyn QuantizedWeight> {
    let codes = super::codes::random_words(rows * cols / 4, seed);
    // Codes of LLM.int8() never are -128.
    let codes: Vec<i8> = bytemuck::cast_slice(&codes).iter().map(|&c: &i8| c.max(-127)).collect();
    // Values uniform over -a to a have the standard deviation a / √3.
    Box::new(Int8 { rows, cols, codes, scales: vec![(3.0 / cols as f32).sqrt(); rows], threshold: THRESHOLD })
}
