//! Distance of a model's predictions from another model's.

use serde::{Deserialize, Serialize};

use super::statistics::{mean, quantile};
use crate::error::{Error, Result};

/// Prediction of the next token: the tokens that the reference model deems likeliest, and all others as one. Both models
/// have the same tokens in the same order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction<'a> {
    /// Log-probabilities of the stored tokens, in nats.
    pub log_probs: &'a [f64],
    /// Probability of all other tokens together.
    pub rest: f64,
}

/// Predictions of two models for one token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// [`divergence`] of the reference from the model, in nats.
    pub divergence: f64,
    /// True if both give most to the same token.
    pub same_top: bool,
    /// Probability of the text's token by the model, minus that by the reference.
    pub difference: f64,
}

/// Distance of a model from a reference over a text, in llama.cpp's terms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distance {
    /// Number of predictions.
    pub positions: usize,
    /// Mean KL divergence in nats.
    pub mean: f64,
    /// 99.9 % quantile of the KL divergence.
    pub quantile_999: f64,
    /// Share of positions with the same most probable token.
    pub same_top: f64,
    /// Root of the mean square of the probability differences (RMS Δp), from 0 to 1.
    pub rms_difference: f64,
}

/// Returns the KL divergence in nats of the reference p from the model q, with all tokens that are not stored as one:
/// Σ p·(ln p - ln q) + P·(ln P - ln Q) over the stored tokens and the rest masses P and Q. It is a lower bound, and exact
/// if all tokens are stored. It is infinite if the model gives 0 to a token that the reference deems possible.
///
/// # Errors
/// The numbers of tokens differ, a probability is not from 0 to 1, or the probabilities do not sum to 1 within 0.001.
pub fn divergence(reference: Prediction<'_>, model: Prediction<'_>) -> Result<f64> {
    if reference.log_probs.len() != model.log_probs.len() {
        let expected = format!("{} log-probabilities, as of the reference", reference.log_probs.len());
        return Err(Error::request("prediction", expected, model.log_probs.len(), "take those of the same tokens"));
    }
    reference.check()?;
    model.check()?;
    let term = |p: f64, ln_p: f64, ln_q: f64| if p > 0.0 { p * (ln_p - ln_q) } else { 0.0 };
    let stored: f64 = reference.log_probs.iter().zip(model.log_probs).map(|(p, q)| term(p.exp(), *p, *q)).sum();
    let sum = stored + term(reference.rest, reference.rest.ln(), model.rest.ln());
    // Rounding may leave it just below 0. NaN stays.
    Ok(if sum < 0.0 { 0.0 } else { sum })
}

impl Prediction<'_> {
    fn check(&self) -> Result<()> {
        let sum = self.log_probs.iter().map(|log_prob| log_prob.exp()).sum::<f64>() + self.rest;
        // Rounding may leave a log-probability just above 0.
        let sound = self.log_probs.iter().all(|log_prob| *log_prob <= 1e-3) && self.rest >= 0.0;
        if sound && (sum - 1.0).abs() <= 1e-3 {
            return Ok(());
        }
        let found = format!("{sum} in all, {} of it beyond the stored tokens", self.rest);
        Err(Error::request("prediction", "probabilities that sum to 1", found, "store the reference again"))
    }
}

/// Summarizes the positions of a text.
///
/// # Errors
/// There are no positions, or a number is NaN or infinite.
pub fn distance(positions: &[Position]) -> Result<Distance> {
    let divergences: Vec<f64> = positions.iter().map(|position| position.divergence).collect();
    let squares: Vec<f64> = positions.iter().map(|position| position.difference.powi(2)).collect();
    Ok(Distance {
        positions: positions.len(),
        mean: mean(&divergences)?,
        quantile_999: quantile(&divergences, 0.999)?,
        same_top: positions.iter().filter(|position| position.same_top).count() as f64 / positions.len() as f64,
        rms_difference: mean(&squares)?.sqrt(),
    })
}
