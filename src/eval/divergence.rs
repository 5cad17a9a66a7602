//! Distance of a model's next-token predictions from another's on the same text, as llama.cpp measures quantized
//! models: of each prediction of the reference its likeliest tokens are stored, and the rest's mass.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::generate::Engine;
use crate::metrics::information::{self, Distance, Position, Prediction};

/// Tokens stored of a prediction.
const STORED: usize = 256;

/// The reference's prediction of one next token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredPrediction {
    /// The likeliest tokens, the first before all others.
    ids: Vec<u32>,
    /// Their log-probabilities in nats.
    log_probs: Vec<f64>,
    /// Probability of all other tokens together.
    rest: f64,
    /// Probability of the text's own token.
    of_text: f64,
}

/// Predicts each token of `text` after its first.
///
/// # Errors
/// Those of the device; logits that are no numbers.
pub fn predictions(engine: &mut Engine, text: &[u32]) -> Result<Vec<StoredPrediction>> {
    let mut all = Vec::with_capacity(text.len());
    each(engine, text, |next, logits, normal| {
        let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
        let larger = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        if ids.len() > STORED {
            ids.select_nth_unstable_by(STORED, larger);
            ids.truncate(STORED);
        }
        ids.sort_by(larger);
        let (log_probs, rest) = of_tokens(&ids, logits, normal);
        all.push(StoredPrediction { ids, log_probs, rest, of_text: (f64::from(logits[next as usize]) - normal).exp() });
        Ok(())
    })?;
    Ok(all)
}

/// Measures the distance of the model from the `reference` over the same `text`.
///
/// # Errors
/// Those of the device; logits that are no numbers.
pub fn distance(engine: &mut Engine, text: &[u32], reference: &[StoredPrediction]) -> Result<Distance> {
    let mut positions = Vec::with_capacity(reference.len());
    let mut stored = reference.iter();
    each(engine, text, |next, logits, normal| {
        let expected = stored.next().filter(|s| s.ids.iter().all(|id| (*id as usize) < logits.len()));
        let Some(expected) = expected else {
            let fix = "measure the 16-bit model again, on the same text";
            return Err(Error::request("reference", "a prediction for each token", "another text's", fix));
        };
        let (log_probs, rest) = of_tokens(&expected.ids, logits, normal);
        let first = logits[expected.ids[0] as usize];
        positions.push(Position {
            divergence: information::divergence(
                Prediction { log_probs: &expected.log_probs, rest: expected.rest },
                Prediction { log_probs: &log_probs, rest },
            )?,
            same_top: logits.iter().all(|logit| *logit <= first),
            difference: (f64::from(logits[next as usize]) - normal).exp() - expected.of_text,
        });
        Ok(())
    })?;
    information::distance(&positions)
}

/// Calls `each` for each token after the first with the logits before it and the logarithm of their exponents' sum.
fn each(engine: &mut Engine, text: &[u32], mut each: impl FnMut(u32, &[f32], f64) -> Result<()>) -> Result<()> {
    engine.truncate(0);
    let mut next = text[1..].iter();
    engine.all_logits(&text[..text.len() - 1], |logits| {
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|logit| f64::from(*logit - highest).exp()).sum();
        if !sum.is_finite() {
            return Err(Error::NotFinite { step: "lm_head".into(), tensor: "logits".into() });
        }
        each(*next.next().expect("as many as are fed"), logits, f64::from(highest) + sum.ln())
    })
}

/// Returns the log-probabilities of `ids`, and the probability that is left for all others.
fn of_tokens(ids: &[u32], logits: &[f32], normal: f64) -> (Vec<f64>, f64) {
    let log_probs: Vec<f64> = ids.iter().map(|id| f64::from(logits[*id as usize]) - normal).collect();
    let rest = 1.0 - log_probs.iter().map(|log_prob| log_prob.exp()).sum::<f64>();
    // Rounding alone would make it negative; where all tokens are stored, nothing is left.
    (log_probs, if ids.len() == logits.len() { 0.0 } else { rest.max(f64::MIN_POSITIVE) })
}
