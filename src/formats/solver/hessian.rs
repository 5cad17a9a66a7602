//! The Hessian of a layer's inputs and the factor that error feedback reads.

use rayon::prelude::*;

use super::cholesky::inverse_factor;
use super::{all_finite, factor_device, order};
use crate::error::{Error, Result};
use crate::plan::Backend;

/// H = 2/n · Σ x xᵀ over the inputs x of a layer. Any positive multiple gives the same codes.
#[derive(Clone, Debug)]
pub struct Hessian {
    /// Named in errors.
    pub name: String,
    /// Inputs of the layer.
    pub n: usize,
    /// \[n, n\], symmetric.
    pub values: Vec<f32>,
}

impl Hessian {
    pub fn diagonal(&self) -> impl Iterator<Item = f32> + Clone + '_ {
        self.values.iter().step_by(self.n + 1).copied()
    }

    fn check(&self) -> Result<()> {
        assert_eq!(self.values.len(), self.n * self.n, "{}: shape", self.name);
        all_finite(&self.values, || format!("the Hessian of {}", self.name), "calibration")
    }
}

/// Order in which columns are quantized.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Their own order.
    Identity,
    /// Largest diagonal element of H first.
    Activation,
    /// A permutation, for instance of [`super::spearman`].
    Given(Vec<u32>),
}

/// Contribution of an input that was never active (H_jj = 0) to the mean of the diagonal, hence to
/// the damping: the two references differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dead {
    /// One, as in GPTQ.
    One,
    /// Nothing, as in the reference of Dettmers et al., 2023.
    Nothing,
}

/// Options of the factorization of a Hessian.
#[derive(Clone, Debug, PartialEq)]
pub struct FactorOptions {
    pub order: Order,
    pub dead: Dead,
    /// Share of the mean of H's diagonal that is added to the diagonal.
    pub percdamp: f32,
    /// Added to `percdamp` for as long as the factorization fails and it is below 1.
    pub damp_auto_increment: f32,
}

/// The damping that a factorization took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Damping {
    pub percdamp: f32,
    /// Added to the diagonal besides; zero unless `percdamp` near 1 did not do.
    pub floor: f64,
    /// Factorizations that failed before.
    pub failed: usize,
}

/// U upper triangular with Uᵀ U = H⁻¹, for H damped and in the order of quantization. Layers with
/// the same input share it.
pub struct Factor<'h> {
    pub hessian: &'h Hessian,
    /// Stored column k is column `perm[k]` of the weight. None is the identity.
    pub perm: Option<Vec<u32>>,
    /// Stored columns that were never active in calibration. Solvers set their weights to zero.
    pub dead: Vec<bool>,
    pub damping: Damping,
    /// No input was ever active: H counts as the identity, so that solvers round to nearest.
    pub unseen: bool,
    /// Mean of H's diagonal.
    mean: f64,
    /// Reason why a device that was to factor did not.
    pub fallback: Option<String>,
    /// \[n, n\]; zero below the diagonal.
    upper: Vec<f32>,
}

impl<'h> Factor<'h> {
    /// Factors on the CPU, in f64.
    ///
    /// # Errors
    /// A number is not finite, the order is none of all columns, or no damping helps.
    pub fn new(hessian: &'h Hessian, options: &FactorOptions) -> Result<Factor<'h>> {
        Factor::make(hessian, options, None)
    }

    /// Factors on a device, in f32. Where it cannot hold H, or f32 does not do, the CPU factors and a note says why.
    ///
    /// # Errors
    /// As [`Factor::new`], and those of the device.
    pub fn new_on(backend: &mut dyn Backend, hessian: &'h Hessian, options: &FactorOptions) -> Result<Factor<'h>> {
        Factor::make(hessian, options, Some(backend))
    }

    fn make(hessian: &'h Hessian, options: &FactorOptions, device: Option<&mut dyn Backend>) -> Result<Factor<'h>> {
        hessian.check()?;
        let n = hessian.n;
        let unseen = hessian.diagonal().all(|h| h == 0.0);
        let is_dead: Vec<bool> = hessian.diagonal().map(|h| h == 0.0 && !unseen).collect();
        // The order is chosen with what stands on the diagonal at that time in the references.
        let empty = if options.dead == Dead::One { 1.0 } else { 0.0 };
        let diagonal: Vec<f32> = hessian.diagonal().map(|h| if h == 0.0 { empty } else { h }).collect();
        let perm = match &options.order {
            Order::Identity => None,
            Order::Activation => Some(order::descending(&diagonal)),
            Order::Given(perm) => {
                order::check(perm, n, &hessian.name)?;
                Some(perm.clone())
            }
        };
        let mean = diagonal.iter().map(|&h| f64::from(h).abs()).sum::<f64>() / n as f64;
        let mean = if unseen { 1.0 } else { mean };
        let largest = diagonal.iter().fold(1e-30, |a, &h| f64::from(h.abs()).max(a));
        let dead = (0..n).map(|k| is_dead[perm.as_ref().map_or(k, |perm| perm[k] as usize)]).collect();
        let damping = Damping { percdamp: options.percdamp, floor: 0.0, failed: 0 };
        let mut factor = Factor { hessian, perm, dead, damping, unseen, mean, fallback: None, upper: Vec::new() };
        if let Some(backend) = device {
            match factor_device::upper_on(backend, &factor)? {
                Ok(upper) => return Ok(Factor { upper, ..factor }),
                Err(reason) => factor.fallback = Some(reason),
            }
        }
        let mut matrix = vec![0.0f64; n * n];
        loop {
            // Rows and columns reversed: the inverse of the lower factor, reversed again, is U.
            matrix.par_chunks_mut(n).enumerate().for_each(|(row, values)| {
                let damped = factor.damped_row(n - 1 - row);
                values.iter_mut().rev().enumerate().for_each(|(col, value)| *value = f64::from(damped(col)));
            });
            if inverse_factor(&mut matrix, n) {
                break;
            }
            let damping = &mut factor.damping;
            damping.failed += 1;
            if options.damp_auto_increment > 0.0 && damping.percdamp + options.damp_auto_increment < 1.0 {
                damping.percdamp += options.damp_auto_increment;
            } else if damping.floor < 1e6 * largest {
                damping.floor = if damping.floor == 0.0 { 1e-6 * largest } else { 10.0 * damping.floor };
            } else {
                let (what, expected) = (format!("the Hessian of {}", hessian.name), "a positive definite matrix");
                return Err(Error::request(what, expected, "one that no damping makes so", "calibrate again"));
            }
        }
        factor.upper = vec![0.0f32; n * n];
        factor.upper.par_chunks_mut(n).enumerate().for_each(|(row, values)| {
            let reversed = &matrix[(n - 1 - row) * n..][..n - row];
            values[row..].iter_mut().zip(reversed.iter().rev()).for_each(|(u, &value)| *u = value as f32);
        });
        Ok(factor)
    }

    /// Returns a damped diagonal element, rounded as in the references, so that f32 and f64 factor the same matrix.
    fn damped(&self, h: f32) -> f32 {
        (f64::from(h) + f64::from(self.damping.percdamp) * self.mean + self.damping.floor) as f32
    }

    /// Returns whether stored column k is of no other: whatever its one on the diagonal is, nothing is fed to others.
    fn is_alone(&self, k: usize) -> bool {
        self.dead[k] || self.unseen
    }

    /// Returns row k of H, damped and in the order of quantization, by its columns.
    pub(super) fn damped_row(&self, k: usize) -> impl Fn(usize) -> f32 + '_ {
        let source = &self.hessian.values[self.own_column(k) * self.n()..][..self.n()];
        move |col| {
            let value = source[self.own_column(col)];
            match (k == col, self.is_alone(k) || self.is_alone(col)) {
                (true, false) => self.damped(value),
                (true, true) => 1.0,
                (false, true) => 0.0,
                (false, false) => value,
            }
        }
    }

    /// Returns the product of H, damped and in the order of quantization, with some vectors.
    pub(super) fn damped_product<const P: usize>(&self, vectors: &[[f64; P]]) -> Vec<[f64; P]> {
        let n = self.n();
        let mut own = vec![[0.0; P]; n];
        (0..n).filter(|&k| !self.is_alone(k)).for_each(|k| own[self.own_column(k)] = vectors[k]);
        let product = |k: usize| {
            if self.is_alone(k) {
                return vectors[k];
            }
            let row = &self.hessian.values[self.own_column(k) * n..][..n];
            let h = row[self.own_column(k)];
            let mut sum = vectors[k].map(|value| (f64::from(self.damped(h)) - f64::from(h)) * value);
            add_products(&mut sum, row, &own);
            sum
        };
        (0..n).into_par_iter().map(product).collect()
    }

    pub fn n(&self) -> usize {
        self.hessian.n
    }

    /// Returns U \[n, n\], row by row.
    pub fn upper(&self) -> &[f32] {
        &self.upper
    }

    /// Returns U_cc of stored column c.
    pub fn pivot(&self, c: usize) -> f32 {
        self.upper[c * self.n() + c]
    }

    /// Returns the column of the weight that stored column k is.
    pub(in crate::formats) fn own_column(&self, k: usize) -> usize {
        self.perm.as_ref().map_or(k, |perm| perm[k] as usize)
    }

    /// Returns notes for the user about a layer that is solved with this factor.
    pub(in crate::formats) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(reason) = &self.fallback {
            notes.push(format!("factored on the CPU: {reason}"));
        }
        if self.unseen {
            notes.push("no input was active in calibration: rounded to nearest, without error feedback".to_owned());
        }
        match self.dead.iter().filter(|dead| **dead).count() {
            0 => (),
            dead => notes.push(format!("{dead} inputs were never active in calibration: their weights are zero")),
        }
        if self.damping.failed > 0 {
            let Damping { percdamp, floor, failed } = self.damping;
            notes.push(format!("damping raised {failed} times, to {percdamp} of the mean and {floor:.1e}"));
        }
        notes
    }
}

/// Adds the sum of `row`'s values times the vectors' rows.
pub(super) fn add_products<const P: usize>(sum: &mut [f64; P], row: &[f32], vectors: &[[f64; P]]) {
    for (&value, vector) in row.iter().zip(vectors) {
        sum.iter_mut().zip(vector).for_each(|(sum, v)| *sum += f64::from(value) * v);
    }
}
