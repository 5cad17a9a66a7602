//! Measures of a model's probabilities: perplexity, and the distance from another model's.

use serde::{Deserialize, Serialize};

use super::statistics::{check, mean, quantile};
use crate::error::{Error, Result};

/// A prediction of the next token: the tokens to which the reference model gives most, and all others as one.
///
/// The same tokens in the same order stand for both models, those the reference has stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction<'a> {
    /// Log-probabilities of the stored tokens, in nats.
    pub log_probs: &'a [f64],
    /// Probability of all other tokens together.
    pub rest: f64,
}

/// What two models say of one next token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// [`divergence`] of the reference from the model, in nats.
    pub divergence: f64,
    /// Whether both give most to the same token.
    pub same_top: bool,
    /// Probability that the model gives to the token of the text, minus that of the reference.
    pub difference: f64,
}

/// Distance of a model from a reference over a text, in llama.cpp's terms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distance {
    pub positions: usize,
    /// Mean KL divergence in nats.
    pub mean: f64,
    /// Its 99.9 % quantile.
    pub quantile_999: f64,
    /// Share of positions with the same most probable token.
    pub same_top: f64,
    /// Root of the mean square of the probability differences (RMS Δp), from 0 to 1.
    pub rms_difference: f64,
}

/// KL divergence in nats of the reference p from the model q, all tokens that are not stored taken as one:
/// Σ p·(ln p - ln q) + P·(ln P - ln Q) over the stored tokens and the rest masses P and Q. Taking tokens together can
/// only make it smaller, so it is a lower bound, and exact where all tokens are stored. Infinite where the model gives
/// nothing to what the reference deems possible.
///
/// # Errors
/// Where the numbers of tokens differ, a probability is not from 0 to 1, or they do not sum to 1 within 0.001.
pub fn divergence(reference: Prediction<'_>, model: Prediction<'_>) -> Result<f64> {
    if reference.log_probs.len() != model.log_probs.len() {
        let expected = format!("{} log-probabilities, as of the reference", reference.log_probs.len());
        return Err(Error::request("prediction", expected, model.log_probs.len(), "take those of the same tokens"));
    }
    reference.check()?;
    model.check()?;
    let term = |p: f64, ln_p: f64, ln_q: f64| if p > 0.0 { p * (ln_p - ln_q) } else { 0.0 };
    let stored: f64 = reference.log_probs.iter().zip(model.log_probs).map(|(p, q)| term(p.exp(), *p, *q)).sum();
    Ok((stored + term(reference.rest, reference.rest.ln(), model.rest.ln())).max(0.0))
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

/// Sums up the positions of a text.
///
/// # Errors
/// Without positions, and where a number is NaN or infinite.
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

/// Perplexity per unit, a token, word or byte: exp(-Σ ln p / units), over the whole corpus.
///
/// # Errors
/// Without units, and where a sum is NaN or infinite.
pub fn perplexity(log_probs: &[f64], units: u64) -> Result<f64> {
    Ok(nats(log_probs, units)?.exp())
}

/// Bits per byte: -Σ ln p / bytes / ln 2.
///
/// # Errors
/// As [`perplexity`].
pub fn bits_per_byte(log_probs: &[f64], bytes: u64) -> Result<f64> {
    Ok(nats(log_probs, bytes)? / std::f64::consts::LN_2)
}

fn nats(log_probs: &[f64], units: u64) -> Result<f64> {
    check("perplexity", log_probs, 1)?;
    if units == 0 {
        return Err(Error::request("perplexity", "words or bytes", "none", "correct the text"));
    }
    Ok(-log_probs.iter().sum::<f64>() / units as f64)
}
