//! The Hessian of a layer's inputs and the factor that error feedback reads.

use rayon::prelude::*;

use super::cholesky::inverse_factor;
use super::{all_finite, order};
use crate::error::{Error, Result};

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
    /// \[n, n\]; zero below the diagonal.
    upper: Vec<f32>,
}

impl<'h> Factor<'h> {
    pub fn new(hessian: &'h Hessian, options: &FactorOptions) -> Result<Factor<'h>> {
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
        let stored = |k: usize| perm.as_ref().map_or(k, |perm| perm[k] as usize);
        let mean = diagonal.iter().map(|&h| f64::from(h).abs()).sum::<f64>() / n as f64;
        let mean = if unseen { 1.0 } else { mean };
        let largest = diagonal.iter().fold(1e-30, |a, &h| f64::from(h.abs()).max(a));

        let mut damping = Damping { percdamp: options.percdamp, floor: 0.0, failed: 0 };
        let mut matrix = vec![0.0f64; n * n];
        loop {
            let added = f64::from(damping.percdamp) * mean + damping.floor;
            // Rows and columns reversed: the inverse of the lower factor, reversed again, is U.
            matrix.par_chunks_mut(n).enumerate().for_each(|(row, values)| {
                let row = stored(n - 1 - row);
                let source = &hessian.values[row * n..][..n];
                for (col, value) in values.iter_mut().enumerate() {
                    let col = stored(n - 1 - col);
                    *value = match (row == col, is_dead[row] || is_dead[col] || unseen) {
                        (true, false) => f64::from(source[col]) + added,
                        // A dead input stands alone: whatever its one is, nothing is fed to others.
                        (true, true) => 1.0,
                        (false, true) => 0.0,
                        (false, false) => f64::from(source[col]),
                    };
                }
            });
            if inverse_factor(&mut matrix, n) {
                break;
            }
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
        let mut upper = vec![0.0f32; n * n];
        upper.par_chunks_mut(n).enumerate().for_each(|(row, values)| {
            let reversed = &matrix[(n - 1 - row) * n..][..n - row];
            values[row..].iter_mut().zip(reversed.iter().rev()).for_each(|(u, &value)| *u = value as f32);
        });
        let dead = (0..n).map(|k| is_dead[stored(k)]).collect();
        Ok(Factor { hessian, perm, dead, damping, unseen, upper })
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
