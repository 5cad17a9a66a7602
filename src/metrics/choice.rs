//! Multiple choice by the log-probability of each choice.

use crate::error::{Error, Result};

/// Choice with its score by the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Sum of the log-probabilities of its tokens, in nats.
    pub sum: f64,
    /// Length in characters, without the delimiter in front.
    pub characters: usize,
}

/// Choice with the best score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Best {
    pub index: usize,
    /// Set if another choice has the same score.
    pub tied: bool,
}

/// Returns the choice with the largest sum, the first of equal ones. The harness's `acc` and TruthfulQA's MC1 are 1 if it
/// is the right one.
///
/// # Errors
/// There is no choice, or a sum is NaN or +inf: such a sample is an error, never a score.
pub fn best(choices: &[Choice]) -> Result<Best> {
    largest(choices.iter().map(|choice| choice.sum))
}

/// Returns the choice with the largest sum per character. The harness's `acc_norm` is 1 if it is the right one.
///
/// # Errors
/// Those of [`best`], or a choice has no character.
pub fn best_normalized(choices: &[Choice]) -> Result<Best> {
    if let Some(index) = choices.iter().position(|choice| choice.characters == 0) {
        let fix = "correct the document";
        return Err(Error::request(format!("choice {index}"), "at least one character", "none", fix));
    }
    largest(choices.iter().map(|choice| choice.sum / choice.characters as f64))
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
    let largest = sums[largest(sums.iter().copied())?.index];
    if largest == f64::NEG_INFINITY {
        return Err(unscored("choices", "one above -inf", largest));
    }
    let total: f64 = sums.iter().map(|sum| (sum - largest).exp()).sum();
    let right = sums.iter().zip(labels).filter(|(_, label)| **label);
    Ok(right.map(|(sum, _)| (sum - largest).exp() / total).sum())
}

fn largest(scores: impl Iterator<Item = f64>) -> Result<Best> {
    let mut best: Option<(f64, Best)> = None;
    for (index, score) in scores.enumerate() {
        if score.is_nan() || score == f64::INFINITY {
            return Err(unscored(&format!("score of choice {index}"), "a number", score));
        }
        match &mut best {
            Some((largest, best)) if score == *largest => best.tied = true,
            Some((largest, _)) if score < *largest => {}
            _ => best = Some((score, Best { index, tied: false })),
        }
    }
    best.map(|(_, best)| best).ok_or_else(|| Error::request("choices", "at least one", "none", "correct the document"))
}

fn unscored(what: &str, expected: &str, found: f64) -> Error {
    Error::request(what, expected, found, "the sample is an error, not a score; run `qwgpu check`")
}
