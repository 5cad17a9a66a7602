//! The factor of a Hessian on a device: in f32, corrected by a residual that is more exact, and checked.

use rayon::prelude::*;

use super::hessian::{Factor, add_products};
use crate::error::{Error, Result};
use crate::kernels::{factor_block, factor_residual};
use crate::plan::kernel::hash;
use crate::plan::{Backend, Element, Plan, ProgramId, Tensor};

/// Words that cross the bus at a time.
const CROSSING: usize = 1 << 24;

/// Largest error of a factor; docs/NUMERICS.md says why.
const MOST_ERROR: f64 = 1.5e-5;

/// Corrections, at most. Each squares the error, down to what f32 leaves.
const CORRECTIONS: usize = 3;

/// Returns U \[n, n\] of the damped H of `factor`, or the reason why it cannot be had from the device.
///
/// # Errors
/// Those of the device but for a lack of memory.
pub(super) fn upper_on(
    backend: &mut dyn Backend,
    factor: &Factor<'_>,
) -> Result<std::result::Result<Vec<f32>, String>> {
    let (bytes, most) = (4 * (factor.n() * factor.n()) as u64, backend.max_tensor_bytes());
    if bytes > most {
        return Ok(Err(format!("the Hessian takes {bytes} bytes and one binding of the device holds {most}")));
    }
    let kept = backend.residents();
    let found = DeviceFactor::new(backend, factor).and_then(|mut device| device.upper());
    backend.keep_residents(kept);
    match found {
        Err(Error::OutOfMemory { .. }) => {
            Ok(Err(format!("the device has no room for the Hessian, twice {bytes} bytes")))
        }
        found => found,
    }
}

/// H and its factor on a device, both with rows and columns reversed: the inverse of the lower factor, reversed again, is U.
struct DeviceFactor<'b, 'f> {
    backend: &'b mut dyn Backend,
    factor: &'f Factor<'f>,
    /// Powers of two by columns, by which H has ones or less on its diagonal.
    scales: Vec<f32>,
    x: Tensor,
    pivots: Tensor,
    /// Factoring and correction, with the number of their steps.
    programs: [(ProgramId, usize); 2],
}

impl<'b, 'f> DeviceFactor<'b, 'f> {
    /// Uploads H, of which a copy becomes the factor.
    fn new(backend: &'b mut dyn Backend, factor: &'f Factor<'f>) -> Result<Self> {
        let n = factor.n();
        let mut create = |name: &str, rows| backend.create(name, rows, n, Element::F32);
        let [h, x, pivots] = [create(&factor.hessian.name, n)?, create(&factor.hessian.name, n)?, create("pivots", 1)?];
        let [residual, error] = [create("residual", factor_residual::ROWS)?, create("error", factor_residual::ROWS)?];
        let scale = |k| 2f32.powi((-factor.damped_row(k)(k).log2() / 2.0).floor() as i32);
        let scales: Vec<f32> = (0..n).map(scale).collect();
        let rows = (CROSSING / n).clamp(1, n);
        let mut words = vec![0u32; rows * n];
        for first in (0..n).step_by(rows) {
            let words = &mut words[..rows.min(n - first) * n];
            words.par_chunks_mut(n).enumerate().for_each(|(row, words)| {
                let row = n - 1 - first - row;
                let damped = factor.damped_row(row);
                let scaled = |col| damped(col) * scales[row] * scales[col];
                words.iter_mut().rev().enumerate().for_each(|(col, word)| *word = scaled(col).to_bits());
            });
            backend.write(None, h, first * n, words)?;
        }
        let (mut factoring, mut correction) = (Plan::new(), Plan::new());
        factoring.copy("copy", [h, x]);
        factoring.inverse_factor([x, error.first_rows(factor_block::BLOCK), pivots]);
        correction.correct_inverse([h, x, residual, error]);
        let mut prepare = |plan: &Plan| Ok((backend.prepare(plan, false)?, plan.steps.len()));
        let programs = [prepare(&factoring)?, prepare(&correction)?];
        Ok(DeviceFactor { backend, factor, scales, x, pivots, programs })
    }

    /// Computes U; see [`upper_on`].
    fn upper(&mut self) -> Result<std::result::Result<Vec<f32>, String>> {
        self.run(self.programs[0])?;
        let pivots = self.backend.read(None, self.pivots)?;
        // Written so that NaN fails.
        if !pivots.iter().all(|&pivot| f32::from_bits(pivot) > 0.0 && f32::from_bits(pivot).is_finite()) {
            return Ok(Err("in f32 the Hessian is not positive definite".to_owned()));
        }
        let mut error = f64::INFINITY;
        for _ in 0..CORRECTIONS {
            self.run(self.programs[1])?;
            let upper = self.read()?;
            error = root_mean_square_error(&upper, self.factor);
            if error <= MOST_ERROR {
                return Ok(Ok(upper));
            }
        }
        Ok(Err(format!("in f32 the factor is off by {error:.1e}")))
    }

    /// Runs a program and waits now and then, so that no wait is long.
    fn run(&mut self, (program, steps): (ProgramId, usize)) -> Result<()> {
        const AT_ONCE: usize = 16;
        for first in (0..steps).step_by(AT_ONCE) {
            self.backend.run_steps(program, first..first + AT_ONCE)?;
            let fetch = self.backend.fetch(None, self.pivots, 0, 1)?;
            self.backend.finish(fetch)?;
        }
        Ok(())
    }

    /// Reads U.
    fn read(&mut self) -> Result<Vec<f32>> {
        let (n, scales) = (self.factor.n(), &self.scales);
        let rows = (CROSSING / n).clamp(1, n);
        let mut upper = vec![0.0f32; n * n];
        for (number, upper) in upper.rchunks_mut(rows * n).enumerate() {
            let first = number * rows;
            let fetch = self.backend.fetch(None, self.x, first * n, upper.len())?;
            let words = self.backend.finish(fetch)?;
            upper.par_chunks_mut(n).rev().zip(words.par_chunks(n)).enumerate().for_each(|(row, (upper, words))| {
                let numbers = words[..=first + row].iter().map(|&word| f32::from_bits(word));
                upper.iter_mut().zip(scales).rev().zip(numbers).for_each(|((u, scale), x)| *u = x * scale);
            });
        }
        Ok(upper)
    }
}

impl Drop for DeviceFactor<'_, '_> {
    fn drop(&mut self) {
        self.programs.iter().for_each(|&(program, _)| self.backend.release(program));
    }
}

/// Returns the root mean square of U H Uᵀ v - v over probes v of ones and minus ones.
///
/// With U = (I + E) · Ũ for the exact Ũ the difference is about (E + Eᵀ) v. E is upper triangular as U is, so no error hides.
fn root_mean_square_error(upper: &[f32], factor: &Factor<'_>) -> f64 {
    const STRIP: usize = 64;
    let n = factor.n();
    let probes: Vec<[f64; 4]> =
        (0..n).map(|i| [0, 1, 2, 3].map(|bit| f64::from(hash(i as u32) >> bit & 1) * 2.0 - 1.0)).collect();
    let mut turned = vec![[0.0; 4]; n];
    turned.par_chunks_mut(STRIP).enumerate().for_each(|(strip, sums)| {
        let first = strip * STRIP;
        for (i, probe) in probes[..n.min(first + STRIP)].iter().enumerate() {
            let row = &upper[i * n + first..][..sums.len()];
            sums.iter_mut().zip(row).for_each(|(sum, &u)| add_products(sum, &[u], &[*probe]));
        }
    });
    let products = factor.damped_product(&turned);
    let square = |i: usize| {
        let mut sum = probes[i].map(|value| -value);
        add_products(&mut sum, &upper[i * n + i..][..n - i], &products[i..]);
        sum.iter().map(|error| error * error).sum::<f64>()
    };
    let squares: Vec<f64> = (0..n).into_par_iter().map(square).collect();
    (squares.iter().sum::<f64>() / (4 * n) as f64).sqrt()
}
