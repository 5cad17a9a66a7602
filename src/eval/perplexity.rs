//! Perplexity in disjoint windows, as GPTQ's code measures it: the token stream is cut in
//! windows of L tokens, the tail is dropped, each window starts afresh and predicts its last L - 1
//! tokens; the result is exp of the mean over windows of each window's mean.

use crate::error::{Error, Result};
use crate::generate::Engine;
use crate::progress::Progress;

/// Cuts `ids` in disjoint windows of `length` tokens, at most `most` of them.
///
/// # Errors
/// A length below 2, or a text shorter than one window.
pub fn windows(ids: &[u32], length: usize, most: Option<usize>) -> Result<Vec<&[u32]>> {
    if length < 2 {
        return Err(Error::request("`window`", "at least 2 tokens", length, "the default is 2048"));
    }
    let windows: Vec<_> = ids.chunks_exact(length).take(most.unwrap_or(usize::MAX)).collect();
    if windows.is_empty() {
        let fix = "give a longer text or a smaller `window`";
        return Err(Error::request("`text`", format!("at least {length} tokens"), ids.len(), fix));
    }
    Ok(windows)
}

/// Computes [`window_nll`] of each window.
///
/// # Errors
/// Those of the device; logits that are no numbers; what `progress` returns.
pub fn window_nlls(engine: &mut Engine, windows: &[&[u32]], progress: &mut dyn Progress) -> Result<Vec<f64>> {
    let mut nll = Vec::new();
    for window in windows {
        let so_far = if nll.is_empty() { String::new() } else { format!(", so far {:.4}", perplexity(&nll)) };
        progress.at(&format!("perplexity{so_far}"), nll.len() as u64, windows.len() as u64)?;
        nll.push(window_nll(engine, window)?);
    }
    Ok(nll)
}

/// Computes the mean negative log-likelihood, in nats, of the tokens of one window after its first.
///
/// # Errors
/// Those of the device; logits that are no numbers.
pub fn window_nll(engine: &mut Engine, window: &[u32]) -> Result<f64> {
    engine.truncate(0);
    let nll = engine.nll(&window[..window.len() - 1], &window[1..])?;
    Ok(nll.iter().map(|v| f64::from(*v)).sum::<f64>() / nll.len() as f64)
}

/// Computes exp of the mean over windows.
pub fn perplexity(nll_per_window: &[f64]) -> f64 {
    (nll_per_window.iter().sum::<f64>() / nll_per_window.len() as f64).exp()
}
