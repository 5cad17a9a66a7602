//! Correlation of two measures.

use super::distributions::{Z, student_two_sided};
use super::statistics::{check, mean};
use crate::error::{Error, Result};

/// Coefficient of correlation with its p and interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    /// Coefficient from -1 to 1.
    pub r: f64,
    pub pairs: usize,
    /// Two-sided p by Student's t with n - 2 degrees of freedom. Spearman's is exact up to nine pairs.
    pub p: f64,
    /// 95 % confidence interval by Fisher's z, tanh(artanh r ± 1.96/√(n - 3)), from four pairs on. None if |r| is 1: it
    /// would have no width.
    pub interval: Option<(f64, f64)>,
}

/// Most pairs whose orders are all counted: 9! is 362,880.
const COUNTED: usize = 9;

/// Difference of two coefficients by rounding.
const SAME: f64 = 1e-12;

/// Returns Pearson's r.
///
/// # Errors
/// There are fewer than three pairs; the sides differ in length; all values of a side are the same, or one is NaN or
/// infinite.
pub fn pearson(x: &[f64], y: &[f64]) -> Result<Correlation> {
    if x.len() != y.len() {
        let found = format!("{} and {}", x.len(), y.len());
        return Err(Error::request("correlation", "as many values on both sides", found, "leave out the odd ones"));
    }
    let (x, y) = (direction(x)?, direction(y)?);
    let r = x.iter().zip(&y).map(|(x, y)| x * y).sum::<f64>().clamp(-1.0, 1.0);
    let freedom = (x.len() - 2) as f64;
    // 1 - r² as a product loses less where |r| is near 1.
    let p = student_two_sided(r * (freedom / ((1.0 - r) * (1.0 + r))).sqrt(), freedom);
    let interval = if x.len() < 4 || r.abs() > 1.0 - SAME {
        None
    } else {
        let half = Z / ((x.len() - 3) as f64).sqrt();
        Some(((r.atanh() - half).tanh(), (r.atanh() + half).tanh()))
    };
    Ok(Correlation { r, pairs: x.len(), p, interval })
}

/// Returns Spearman's rho: Pearson's r of the ranks, where equal values share their mean rank. Up to nine pairs p is the
/// share of all orders of one side whose |rho| is at least as large, because Student's t is far off for few pairs.
///
/// # Errors
/// Those of [`pearson`].
pub fn spearman(x: &[f64], y: &[f64]) -> Result<Correlation> {
    let (x, y) = (ranks(x)?, ranks(y)?);
    let mut found = pearson(&x, &y)?;
    if x.len() <= COUNTED {
        let (orders, as_far) = orders(&direction(&x)?, &mut direction(&y)?, 0.0, found.r.abs() - SAME);
        found.p = as_far as f64 / orders as f64;
    }
    Ok(found)
}

/// Counts the orders of `y`, and those in which the absolute value of `sum` and the products with `x` is at least
/// `least`.
fn orders(x: &[f64], y: &mut [f64], sum: f64, least: f64) -> (u64, u64) {
    let Some((first, rest)) = x.split_first() else { return (1, u64::from(sum.abs() >= least)) };
    let mut counts = (0, 0);
    for index in 0..y.len() {
        y.swap(0, index);
        let sum = sum + first * y[0];
        let found = orders(rest, &mut y[1..], sum, least);
        counts = (counts.0 + found.0, counts.1 + found.1);
        y.swap(0, index);
    }
    counts
}

/// Returns the deviations from the mean, scaled to length 1.
fn direction(values: &[f64]) -> Result<Vec<f64>> {
    check("correlation", values, 3)?;
    let mean = mean(values)?;
    let deviations: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let largest = deviations.iter().fold(0.0f64, |largest, deviation| largest.max(deviation.abs()));
    let length = largest * deviations.iter().map(|deviation| (deviation / largest).powi(2)).sum::<f64>().sqrt();
    if values.iter().all(|value| *value == values[0]) || !length.is_finite() || length == 0.0 {
        let found = format!("{} values near {mean}", values.len());
        return Err(Error::request("correlation", "values that differ", found, "there is none to report"));
    }
    Ok(deviations.iter().map(|deviation| deviation / length).collect())
}

/// Returns ranks from 1 on. Equal values share their mean rank.
///
/// # Errors
/// A value is NaN or infinite.
pub fn ranks(values: &[f64]) -> Result<Vec<f64>> {
    check("ranks", values, 0)?;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        for index in equal {
            ranks[*index] = (2 * below + equal.len() + 1) as f64 / 2.0;
        }
        below += equal.len();
    }
    Ok(ranks)
}
