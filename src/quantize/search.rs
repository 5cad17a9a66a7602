//! Search for the outlier threshold that gives a share of outliers, before anything is quantized. The linears of every
//! fourth layer are solved at a range of thresholds on a few samples, and the threshold is interpolated.

use super::job::Job;
use super::stages::{CalibrationSample, Calibrator};
use super::weights::{factor_for, weight_values};
use crate::error::Result;
use crate::formats::method::OutlierSearch;
use crate::formats::solver::Weight;
use crate::model::families::LinearInput;
use crate::model::{Layer, WeightSource};
use crate::plan::Backend;
use crate::progress::{Progress, StepProgress};

/// Step over layers.
const EVERY: usize = 4;
/// Samples taken.
const SAMPLES: usize = 4;
/// Smallest threshold tried.
const LOWEST: f32 = 1.0 / 64.0;
/// Thresholds tried, each twice the one before.
const TRIED: i32 = 12;
/// Step over a weight's tiles of rows.
const TILES: usize = 4;

/// Returns the relative threshold at which the wanted share of the model's weights are outliers.
pub fn threshold(
    job: &Job,
    search: &OutlierSearch<'_>,
    backend: &mut dyn Backend,
    calibrator: &Calibrator,
    samples: &[CalibrationSample],
    progress: &mut dyn Progress,
) -> Result<f32> {
    let again = |s: &CalibrationSample| CalibrationSample { tokens: s.tokens, x: s.x.clone(), a: Vec::new() };
    let mut samples: Vec<CalibrationSample> = samples.iter().take(SAMPLES).map(again).collect();
    let thresholds: Vec<f32> = (0..TRIED).map(|i| LOWEST * 2f32.powi(i)).collect();
    let mut outliers = vec![0.0f64; thresholds.len()];
    let mut weights = 0.0f64;
    let layers = job.config.num_hidden_layers;
    let last = (layers - 1) / EVERY * EVERY;
    for i in 0..=last {
        let mut step = StepProgress::new(progress, "searching the outlier threshold", i, last + 1);
        step.alive()?;
        let kept = backend.residents();
        let source = WeightSource::dequantized(job.checkpoint);
        let layer = Layer::load(&job.config, source, i, backend, &mut step)?;
        let looked_at = i % EVERY == 0;
        for input in LinearInput::ALL {
            let prefix = format!("model.layers.{i}.{input:?}");
            let gather = looked_at.then_some(prefix.as_str());
            let hessian = calibrator.run(backend, &layer, Some(input), &mut samples, gather, &mut step)?;
            let Some(hessian) = hessian else { continue };
            let mut shared = None;
            for name in job.config.family.linears_of(input) {
                let name = format!("model.layers.{i}.{name}");
                if job.settings.skips(&name) {
                    continue;
                }
                let (values, rows, cols) = weight_values(job.checkpoint, &name)?;
                let weight = Weight { name: &name, values: &values, rows, cols };
                let device = job.settings.run.feedback.device(backend);
                let found = factor_for(&*job.settings.options, &hessian, &weight, &mut shared, device)?;
                let Some(factor) = found else { continue };
                weights += values.len() as f64;
                for (threshold, outliers) in thresholds.iter().zip(&mut outliers) {
                    step.alive()?;
                    let share = (search.outlier_share)(&weight, factor, *threshold, TILES)?;
                    *outliers += share * values.len() as f64;
                }
            }
        }
        calibrator.run(backend, &layer, None, &mut samples, None, &mut step)?;
        backend.keep_residents(kept);
    }
    let shares: Vec<f64> = outliers.iter().map(|o| o / weights).collect();
    Ok(between(&thresholds, &shares, search.share))
}

/// Returns the threshold at `share`, by linear interpolation of the logarithms. Shares fall as thresholds rise.
fn between(thresholds: &[f32], shares: &[f64], share: f64) -> f32 {
    let log = |share: f64| share.max(1e-9).ln();
    let at = shares.iter().position(|&s| s <= share).unwrap_or(shares.len() - 1).max(1);
    let (above, below) = (log(shares[at - 1]), log(shares[at]));
    let part = if above > below { ((above - log(share)) / (above - below)).clamp(0.0, 1.0) } else { 1.0 };
    (f64::from(thresholds[at - 1]).ln() * (1.0 - part) + f64::from(thresholds[at]).ln() * part).exp() as f32
}

#[cfg(test)]
mod tests {
    use super::between;

    #[test]
    fn a_share_between_two_lies_between_their_thresholds() {
        let (thresholds, shares) = ([0.1, 0.2, 0.4, 0.8], [0.08, 0.04, 0.01, 0.0]);
        assert!((between(&thresholds, &shares, 0.04) - 0.2).abs() < 1e-6);
        assert!((between(&thresholds, &shares, 0.02) - 0.2828).abs() < 1e-3);
        assert!((between(&thresholds, &shares, 0.5) - 0.1).abs() < 1e-6);
    }
}
