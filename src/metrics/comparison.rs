//! Comparison of two models on the same documents.

use super::distributions::{Z, chi_square_upper, student_upper};
use super::statistics::{check, mean, quantile, resampled, standard_error};
use crate::error::{Error, Result};

/// Difference between two models.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedDifference {
    pub difference: f64,
    /// Lower end of the 95 % confidence interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Two-sided probability of a difference at least as large between equal models.
    pub p: f64,
}

/// Resamples documents (paired bootstrap, Efron and Tibshirani 1993), which `difference` takes by index. Both models are
/// resampled alike. The interval has the 2.5 % and 97.5 % quantiles as its ends. p is twice the smaller of two shares,
/// that of resamples at or below 0 and that of resamples at or above 0, with one added to each count and to the number
/// of resamples, and at most 1.
///
/// `iterations` above 1,000 are rounded down to whole thousands.
///
/// # Errors
/// There are fewer than two documents or iterations, or a difference is NaN or infinite.
pub fn paired_bootstrap(
    documents: usize,
    iterations: usize,
    seed: u64,
    difference: impl Fn(&[usize]) -> f64 + Sync,
) -> Result<PairedDifference> {
    if documents < 2 {
        return Err(Error::request("paired bootstrap", "at least two documents", documents, "take more documents"));
    }
    let all: Vec<usize> = (0..documents).collect();
    let whole = difference(&all);
    check("difference", &[whole], 1)?;
    let resamples = resampled(documents, iterations, seed, difference)?;
    let share = |side: fn(&f64) -> bool| {
        (resamples.iter().copied().filter(side).count() + 1) as f64 / (resamples.len() + 1) as f64
    };
    Ok(PairedDifference {
        difference: whole,
        low: quantile(&resamples, 0.025)?,
        high: quantile(&resamples, 0.975)?,
        p: (2.0 * share(|value| *value <= 0.0).min(share(|value| *value >= 0.0))).min(1.0),
    })
}

/// Returns the two-sided p of McNemar's test, from the numbers of documents that only the first model and only the
/// second has right. Below 25 such documents it is exact, by the binomial distribution; above by chi-square with
/// continuity correction. statsmodels does the same.
pub fn mcnemar(only_first: u64, only_second: u64) -> f64 {
    let (few, all) = (only_first.min(only_second), only_first.saturating_add(only_second));
    if all == 0 {
        return 1.0;
    }
    if all >= 25 {
        let distance = only_first.abs_diff(only_second) as f64 - 1.0;
        return chi_square_upper(distance * distance / all as f64);
    }
    let (mut ways, mut sum) = (1u64, 0);
    for k in 0..=few {
        sum += ways;
        ways = ways * (all - k) / (k + 1);
    }
    (2.0 * sum as f64 / (1u64 << all) as f64).min(1.0)
}

/// Returns the 95 % interval of a difference of two shares on the same documents: the adjusted Wald interval of Bonett
/// and Price (2012), "Adjusted Wald Confidence Interval for a PairedDifference of Binomial Proportions Based on Paired Data", Journal of
/// Educational and Behavioral Statistics 37(4), 479 to 488. With p₁ = (n₁ + 1)/(n + 2) for the documents that only the
/// first model has right, and p₂ alike for the second, it is p₂ - p₁ ± 1.96·√((p₁ + p₂ - (p₂ - p₁)²)/(n + 2)). The
/// documents added keep it from a width of 0 where no document differs.
///
/// # Panics
/// More documents differ than there are.
pub fn paired_shares(only_first: u64, only_second: u64, pairs: u64) -> (f64, f64) {
    assert!(only_first.checked_add(only_second).is_some_and(|differ| differ <= pairs), "more differ than there are");
    let n = pairs as f64 + 2.0;
    let (first, second) = ((only_first as f64 + 1.0) / n, (only_second as f64 + 1.0) / n);
    let (middle, half) = (second - first, Z * ((first + second - (second - first).powi(2)) / n).sqrt());
    (middle - half, middle + half)
}

/// Returns the p of each test after Holm's correction (1979), so that a level holds for all tests together.
///
/// # Errors
/// A p is not from 0 to 1.
pub fn holm(p: &[f64]) -> Result<Vec<f64>> {
    if let Some(wrong) = p.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(Error::request("p of a test", "a number from 0 to 1", wrong, "leave out tests without one"));
    }
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let (mut corrected, mut largest) = (vec![0.0; p.len()], 0.0f64);
    for (rank, index) in order.into_iter().enumerate() {
        largest = largest.max(p[index] * (p.len() - rank) as f64).min(1.0);
        corrected[index] = largest;
    }
    Ok(corrected)
}

/// Returns the p of equivalence by two one-sided t tests (Schuirmann 1987) on the differences of pairs: the larger p of
/// T ≥ (d̄ + margin)/se and T ≥ (margin - d̄)/se, with d̄ the mean of the differences, se its standard error, and T of
/// Student with n - 1 degrees of freedom. Below 0.05, the mean difference is within ±margin at that level.
///
/// # Errors
/// There are fewer than two pairs, a difference is NaN or infinite, or the margin is not above 0.
pub fn equivalence(differences: &[f64], margin: f64) -> Result<f64> {
    check("equivalence", differences, 2)?;
    if !(margin > 0.0 && margin.is_finite()) {
        return Err(Error::request("margin of equivalence", "a number above 0", margin, "correct it"));
    }
    let (mean, error) = (mean(differences)?, standard_error(differences)?);
    if error == 0.0 {
        return Ok(if mean.abs() < margin { 0.0 } else { 1.0 });
    }
    let upper = |distance: f64| student_upper(distance / error, (differences.len() - 1) as f64);
    Ok(upper(mean + margin).max(upper(margin - mean)))
}
