//! Error that a quantized weight causes in its layer's output.

use rayon::prelude::*;

use super::{Hessian, Weight};
use crate::formats::QuantizedWeight;
use crate::kernels::product::{View, product};

/// Returns tr(ΔW H ΔWᵀ) / tr(W H Wᵀ): the squared error of the layer's outputs on the calibration inputs,
/// as a share of their squares. Zero where both are.
pub fn relative_error(weight: &Weight<'_>, quantized: &dyn QuantizedWeight, hessian: &Hessian) -> f64 {
    let stored = quantized.dequantize();
    assert_eq!((quantized.rows(), quantized.cols()), (weight.rows, weight.cols), "{}: shape", weight.name);
    assert_eq!(hessian.n, weight.cols, "{}: inputs", weight.name);
    let difference: Vec<f32> = weight.values.iter().zip(&stored).map(|(w, s)| w - s).collect();
    let (error, size) = (energy(&difference, hessian), energy(weight.values, hessian));
    if error == 0.0 { 0.0 } else { error / size }
}

/// Returns tr(D H Dᵀ) for D [.., n].
fn energy(d: &[f32], hessian: &Hessian) -> f64 {
    const STRIP: usize = 64;
    const BLOCK: usize = 512;
    let n = hessian.n;
    // Strips of fixed size, summed in order: the same number on any count of threads.
    let strips = d.par_chunks(STRIP * n).map(|d| {
        let rows = d.len() / n;
        let mut products = vec![0.0f32; rows * BLOCK];
        let mut sum = 0.0;
        for first in (0..n).step_by(BLOCK) {
            let width = BLOCK.min(n - first);
            let products = &mut products[..rows * width];
            // H is symmetric: what lies above a block of its diagonal counts twice, what lies below not at all.
            for (from, to, weight) in [(0, first, 2.0), (first, first + width, 1.0)] {
                let left = View::new(&d[from..], rows, to - from, n);
                let h = View::new(&hessian.values[from * n + first..], to - from, width, n);
                product(products, width, false, 1.0, left, h);
                let pairs = products
                    .chunks_exact(width)
                    .zip(d.chunks_exact(n))
                    .map(|(p, d)| p.iter().zip(&d[first..]).map(|(p, d)| f64::from(*p) * f64::from(*d)).sum::<f64>());
                sum += weight * pairs.sum::<f64>();
            }
        }
        sum
    });
    strips.collect::<Vec<_>>().iter().sum()
}
