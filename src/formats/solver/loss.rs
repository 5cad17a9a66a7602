//! Error that a quantized weight causes in its layer's output.

use rayon::prelude::*;

use super::device::{hessian_bands, tile_rows};
use super::{Hessian, Weight};
use crate::error::Result;
use crate::formats::QuantizedWeight;
use crate::kernels::product::{View, product};
use crate::plan::{Backend, Element, Plan};

/// Returns tr(ΔW H ΔWᵀ) / tr(W H Wᵀ): the squared error of the layer's outputs on the calibration inputs,
/// as a share of their squares. Zero where both are.
pub fn relative_error(weight: &Weight<'_>, quantized: &dyn QuantizedWeight, hessian: &Hessian) -> f64 {
    let (error, size) = (energy(&difference(weight, quantized), hessian), energy(weight.values, hessian));
    if error == 0.0 { 0.0 } else { error / size }
}

/// As [`relative_error`], with the products on a device.
///
/// # Errors
/// Those of the device.
pub fn relative_error_on(
    backend: &mut dyn Backend,
    weight: &Weight<'_>,
    quantized: &dyn QuantizedWeight,
    hessian: &Hessian,
) -> Result<f64> {
    let error = energy_on(backend, &difference(weight, quantized), hessian)?;
    Ok(if error == 0.0 { 0.0 } else { error / energy_on(backend, weight.values, hessian)? })
}

/// Returns W - Ŵ.
fn difference(weight: &Weight<'_>, quantized: &dyn QuantizedWeight) -> Vec<f32> {
    assert_eq!((quantized.rows(), quantized.cols()), (weight.rows, weight.cols), "{}: shape", weight.name);
    let mut difference = quantized.dequantize();
    difference.par_iter_mut().zip(weight.values).for_each(|(value, w)| *value = w - *value);
    difference
}

/// Returns tr(D H Dᵀ) for D [.., n] as Σ H · DᵀD, element by element: the kernel that makes H makes DᵀD.
fn energy_on(backend: &mut dyn Backend, d: &[f32], hessian: &Hessian) -> Result<f64> {
    let n = hessian.n;
    let kept = backend.residents();
    let bands = hessian_bands(backend, &hessian.name, n)?;
    let rows = tile_rows(backend, &hessian.name, d.len() / n, n)?.min(d.len() / n);
    let x = backend.create("rows", rows, n, Element::F32)?;
    for d in d.chunks(rows * n) {
        backend.write(None, x, 0, bytemuck::cast_slice(d))?;
        let mut plan = Plan::new();
        bands.iter().for_each(|&(row0, band)| plan.hessian("rows", x.first_rows(d.len() / n), 1.0, row0, band));
        let program = backend.prepare(&plan, false)?;
        backend.run(program)?;
        backend.release(program);
    }
    let mut sum = 0.0;
    for (row0, band) in bands {
        let products = backend.read(None, band)?;
        // Of a symmetric matrix what lies right of the diagonal counts twice. Rows are summed in order.
        let rows = products.par_chunks(n).enumerate().map(|(i, products)| {
            let h = &hessian.values[(row0 + i) * n..][..n];
            let pairs = h.iter().zip(products).map(|(h, p)| f64::from(*h) * f64::from(f32::from_bits(*p)));
            pairs.clone().skip(row0 + i).sum::<f64>() + pairs.skip(row0 + i + 1).sum::<f64>()
        });
        sum += rows.collect::<Vec<_>>().iter().sum::<f64>();
    }
    backend.keep_residents(kept);
    Ok(sum)
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
