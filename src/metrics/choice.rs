//! Multiple choice by the log-probability of each choice.

use crate::error::{Error, Result};

/// Returns the index of the largest of `sums`, those of each choice's log-probabilities; the first of equal ones. The
/// harness's `acc` and TruthfulQA's MC1 are 1 if it is the right one.
///
/// # Errors
/// There is no choice, or a sum is NaN or +inf: such a sample is an error, never a score.
pub fn best(sums: &[f64]) -> Result<usize> {
    let mut best = 0;
    for (index, &sum) in sums.iter().enumerate() {
        if sum.is_nan() || sum == f64::INFINITY {
            return Err(unscored(&format!("score of choice {index}"), "a number", sum));
        }
        if sum > sums[best] {
            best = index;
        }
    }
    if sums.is_empty() {
        return Err(Error::request("choices", "at least one", "none", "correct the document"));
    }
    Ok(best)
}

/// Returns the index of the choice with the largest sum per character, from each choice's number of characters without
/// the delimiter in front. The harness's `acc_norm` is 1 if it is the right one.
///
/// # Errors
/// Those of [`best`], or a choice has no character.
pub fn best_normalized(sums: &[f64], characters: &[usize]) -> Result<usize> {
    if let Some(index) = characters.iter().position(|characters| *characters == 0) {
        let fix = "correct the document";
        return Err(Error::request(format!("choice {index}"), "at least one character", "none", fix));
    }
    best(&sums.iter().zip(characters).map(|(sum, characters)| sum / *characters as f64).collect::<Vec<_>>())
}

/// Returns TruthfulQA's MC2: the share of the true choices in the probability of all, by log-sum-exp. The harness
/// exponentiates the sums themselves and has no score for choices that are all below e⁻⁷⁴⁵.
///
/// # Errors
/// Those of [`best`]; the numbers of labels and choices differ; all sums are -inf.
pub fn mc2(sums: &[f64], labels: &[bool]) -> Result<f64> {
    if sums.len() != labels.len() {
        let expected = format!("{} of them, one for each choice", sums.len());
        return Err(Error::request("labels", expected, labels.len(), "correct the document"));
    }
    let largest = sums[best(sums)?];
    if largest == f64::NEG_INFINITY {
        return Err(unscored("choices", "one above -inf", largest));
    }
    let total: f64 = sums.iter().map(|sum| (sum - largest).exp()).sum();
    let right = sums.iter().zip(labels).filter(|(_, label)| **label);
    Ok(right.map(|(sum, _)| (sum - largest).exp() / total).sum())
}

fn unscored(what: &str, expected: &str, found: f64) -> Error {
    Error::request(what, expected, found, "the sample is an error, not a score; run `qwgpu check`")
}
