//! Means and the errors of scores, as lm-evaluation-harness 0.4.13 computes them.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::random::Random;
use crate::error::{Error, Result};

/// Resamples that share a generator.
const CHUNK: usize = 1000;

/// Refuses fewer than `least` values, NaN and infinity.
pub(super) fn check(what: &str, values: &[f64], least: usize) -> Result<()> {
    if values.len() < least {
        let found = format!("{} of them", values.len());
        return Err(Error::request(what, format!("at least {least} values"), found, "take more documents"));
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => {
            let found = format!("{} as value {index}", values[index]);
            Err(Error::request(what, "numbers", found, "leave out the documents that ended in an error"))
        }
    }
}

/// Returns the arithmetic mean.
///
/// # Errors
/// There are no values, or one is NaN or infinite.
pub fn mean(values: &[f64]) -> Result<f64> {
    check("mean", values, 1)?;
    Ok(sum(values) / values.len() as f64)
}

/// Returns the standard deviation of a sample, over n - 1.
///
/// # Errors
/// There are fewer than two values, or one is NaN or infinite.
pub fn standard_deviation(values: &[f64]) -> Result<f64> {
    check("standard deviation", values, 2)?;
    let mean = mean(values)?;
    let squares: Vec<f64> = values.iter().map(|value| (value - mean).powi(2)).collect();
    Ok((sum(&squares) / (values.len() - 1) as f64).sqrt())
}

/// Returns the standard error of a mean. The harness writes "N/A" where this is an error.
///
/// # Errors
/// Those of [`standard_deviation`].
pub fn standard_error(values: &[f64]) -> Result<f64> {
    Ok(standard_deviation(values)? / (values.len() as f64).sqrt())
}

/// Returns the standard error of a group's mean, weighted by documents, from the error and number of documents of each
/// of its parts: √(Σ (nᵢ - 1)·seᵢ²·nᵢ / (N - k) / N).
///
/// # Errors
/// No part has more than one document, or an error is NaN or infinite.
pub fn pooled_standard_error(parts: &[(f64, u64)]) -> Result<f64> {
    let errors: Vec<f64> = parts.iter().map(|(error, _)| *error).collect();
    check("standard error of a group", &errors, 1)?;
    if let Some(part) = parts.iter().position(|(_, documents)| *documents == 0) {
        return Err(Error::request(format!("part {part} of a group"), "documents", "none", "leave it out"));
    }
    let total: f64 = parts.iter().map(|(_, documents)| *documents as f64).sum();
    let freedom = total - parts.len() as f64;
    if freedom <= 0.0 {
        let found = "one document in each part";
        return Err(Error::request("standard error of a group", "more documents than parts", found, "take more"));
    }
    let squares = parts.iter().map(|&(error, documents)| (documents as f64 - 1.0) * error * error * documents as f64);
    Ok((squares.sum::<f64>() / freedom / total).sqrt())
}

/// Returns the standard deviation of `statistic` over resamples of documents, which it takes by index: the harness's
/// bootstrap.
///
/// Above 1,000, `iterations` are rounded down to whole thousands, as in the harness: chunk number i of a thousand
/// draws from `random.Random(i)`.
///
/// # Errors
/// There are no documents or fewer than two iterations, or the statistic is NaN or infinite.
pub fn bootstrap_standard_error(
    documents: usize,
    iterations: usize,
    statistic: impl Fn(&[usize]) -> f64 + Sync,
) -> Result<f64> {
    standard_deviation(&resampled(documents, iterations, 0, statistic)?)
}

/// Returns `statistic` of resamples, chunk after chunk, each from a generator with the next seed.
pub(super) fn resampled(
    documents: usize,
    iterations: usize,
    seed: u64,
    statistic: impl Fn(&[usize]) -> f64 + Sync,
) -> Result<Vec<f64>> {
    if documents == 0 {
        return Err(Error::request("bootstrap", "documents", "none", "take some"));
    }
    if iterations < 2 {
        return Err(Error::request("bootstrap", "at least two iterations", iterations, "ask for more"));
    }
    let chunk = iterations.min(CHUNK);
    let chunks: Vec<Vec<f64>> = (0..iterations / chunk)
        .into_par_iter()
        .map(|index| {
            let mut random = Random::new(seed.wrapping_add(index as u64));
            (0..chunk).map(|_| statistic(&random.choices(documents, documents))).collect()
        })
        .collect();
    let values = chunks.concat();
    check("statistic of a resample", &values, 1)?;
    Ok(values)
}

/// Returns the value that a share of `values` is below, interpolated between two of them as numpy and llama.cpp do.
///
/// # Errors
/// There are no values, one is NaN or infinite, or the share is not from 0 to 1.
pub fn quantile(values: &[f64], share: f64) -> Result<f64> {
    check("quantile", values, 1)?;
    if !(0.0..=1.0).contains(&share) {
        return Err(Error::request("quantile", "a share from 0 to 1", share, "correct it"));
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let position = share * (sorted.len() - 1) as f64;
    let low = position as usize;
    let high = sorted.len().min(low + 2) - 1;
    Ok(sorted[low] + (sorted[high] - sorted[low]) * (position - low as f64))
}

/// Summary of repeated measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    /// Coefficient of variation: standard deviation over mean. Absent below two values.
    pub cv: Option<f64>,
}

impl Summary {
    /// Coefficient of variation above which a difference says nothing.
    pub const STEADY: f64 = 0.05;

    /// Summarizes `values`. None: there are none, or one is not finite.
    pub fn new(values: &[f64]) -> Option<Summary> {
        let at = |share| quantile(values, share).ok();
        let cv = standard_deviation(values).ok().zip(mean(values).ok()).map(|(deviation, mean)| deviation / mean);
        Some(Summary { median: at(0.5)?, min: at(0.0)?, max: at(1.0)?, cv })
    }

    /// Returns whether the values vary by at most [`Summary::STEADY`], so that they may be compared.
    pub fn steady(&self) -> bool {
        self.cv.is_some_and(|cv| cv <= Summary::STEADY)
    }
}

/// Returns the sum from the first to the last, as Python's `sum` up to 3.11.
fn sum(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |sum, value| sum + value)
}
