//! Comparison of each run with its model's 16-bit run, document by document and window by window.

use super::data::{Perplexity, RunResult, Score, StudyResult};
use crate::error::Result;
use crate::metrics::comparison::{PairedDifference, equivalence, holm, mcnemar, paired_bootstrap, paired_shares};
use crate::metrics::distributions::{Z, chi_square_upper};
use crate::metrics::statistics::mean;

/// Resamples of a paired bootstrap.
const RESAMPLES: usize = 10_000;
/// Fewest pairs of a bootstrap: it can only draw what it has seen.
const FEWEST: usize = 10;
/// Points of 100 within which two scores count as equivalent.
const MARGIN: f64 = 1.0;
/// Level of significance.
pub(super) const LEVEL: f64 = 0.05;

/// Test that compares two scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// McNemar's p with the interval of Bonett and Price, where every document gives 0 or 1.
    McNemar,
    /// Paired bootstrap of 10,000 resamples with seed 0, from 10 pairs on.
    Bootstrap,
    /// d ± 1.96·√(se² + se²) with p by the normal distribution, where the runs share no items. It sees less.
    Unpaired,
    /// None: there are neither items nor standard errors, or too few items for a bootstrap.
    Untested,
}

impl Test {
    /// Returns the name in tables.
    pub fn title(self) -> &'static str {
        match self {
            Test::McNemar => "McNemar",
            Test::Bootstrap => "paired bootstrap",
            Test::Unpaired => "unpaired z",
            Test::Untested => "none",
        }
    }
}

/// Conclusion from a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeVerdict {
    /// Significantly better, after Holm's correction.
    Better,
    /// Significantly worse, after Holm's correction.
    Worse,
    /// Not significant, and equivalent within the margin.
    Equivalent,
    /// Neither a difference nor equivalence is shown.
    Open,
}

/// Score against the baseline's.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    pub run: &'a RunResult,
    pub score: &'a Score,
    /// Score of the baseline.
    pub before: &'a Score,
    pub test: Test,
    /// Documents that both runs answered.
    pub pairs: usize,
    /// The run less its baseline, in points of 100.
    pub difference: f64,
    /// 95 % confidence interval, in points.
    pub interval: Option<(f64, f64)>,
    pub p: Option<f64>,
    /// p after Holm's correction over the scores of one model. The main scores are one table, the others another.
    pub corrected: Option<f64>,
    /// p of the test that the difference is beyond ±1 point, of paired scores only. Where all pairs differ alike, mostly
    /// not at all, it is the probability to see that if 1 % of the documents differed otherwise.
    pub equivalence: Option<f64>,
}

impl Change<'_> {
    /// Returns the conclusion.
    pub fn verdict(&self) -> ChangeVerdict {
        if self.corrected.is_some_and(|p| p < LEVEL) && self.difference != 0.0 {
            let up = self.difference > 0.0;
            return if up == self.score.higher_is_better { ChangeVerdict::Better } else { ChangeVerdict::Worse };
        }
        if self.equivalence.is_some_and(|p| p < LEVEL) { ChangeVerdict::Equivalent } else { ChangeVerdict::Open }
    }

    /// Returns the points lost. A gain is negative.
    pub(super) fn loss(&self) -> f64 {
        if self.score.higher_is_better { -self.difference } else { self.difference }
    }
}

/// Compares all scores whose run has a baseline with the same score, run after run.
///
/// # Errors
/// Those of the statistics, which a sound study does not meet.
pub(super) fn changes(study: &StudyResult) -> Result<Vec<Change<'_>>> {
    let mut all = Vec::new();
    for (run, baseline) in study.compared() {
        let both = run.scores.iter().filter_map(|score| Some((score, baseline.score_like(score)?)));
        all.extend(both.map(|(score, before)| change(run, score, before)).collect::<Result<Vec<_>>>()?);
    }
    for (model, main) in study.models().into_iter().flat_map(|model| [(model, true), (model, false)]) {
        let table = all.iter_mut().filter(|c| c.run.model == model && c.score.is_main() == main);
        correct(table.map(|change| (change.p, &mut change.corrected)))?;
    }
    Ok(all)
}

/// Corrects every p that there is, by Holm's method.
fn correct<'a>(all: impl Iterator<Item = (Option<f64>, &'a mut Option<f64>)>) -> Result<()> {
    let (p, corrected): (Vec<f64>, Vec<_>) = all.filter_map(|(p, corrected)| Some((p?, corrected))).unzip();
    corrected.into_iter().zip(holm(&p)?).for_each(|(corrected, p)| *corrected = Some(p));
    Ok(())
}

fn change<'a>(run: &'a RunResult, score: &'a Score, before: &'a Score) -> Result<Change<'a>> {
    let points = 100.0 / score.scale;
    let pairs = pairs(score, before);
    let paired = !pairs.is_empty();
    let differences: Vec<f64> = pairs.iter().map(|(after, before)| (after - before) * points).collect();
    let difference = if paired { mean(&differences)? } else { score.points() - before.points() };
    let alike = differences.iter().all(|difference| *difference == differences[0]);
    let within = || match differences[0] {
        // Without a spread a t test would be sure of two documents already.
        one if alike && one.abs() < MARGIN => Ok((1.0 - MARGIN / 100.0).powf(differences.len() as f64)),
        _ => equivalence(&differences, MARGIN),
    };
    let right_or_wrong = |(after, before): &(f64, f64)| [after, before].into_iter().all(|v| *v == 0.0 || *v == 1.0);
    let (test, interval, p, equivalence) = if paired && pairs.iter().all(right_or_wrong) {
        let only = |side: f64| differences.iter().filter(|d| **d * side > 0.0).count() as u64;
        let (low, high) = paired_shares(only(-1.0), only(1.0), pairs.len() as u64);
        (Test::McNemar, Some((low * points, high * points)), Some(mcnemar(only(-1.0), only(1.0))), Some(within()?))
    } else if pairs.len() >= FEWEST {
        let found = bootstrap(&differences)?;
        // Resamples of the same difference have no spread, which shows nothing of the documents not asked.
        (Test::Bootstrap, (!alike).then_some((found.low, found.high)), Some(found.p), Some(within()?))
    } else {
        let error = score.stderr.zip(before.stderr).map(|(after, before)| after.hypot(before) * points);
        let error = error.filter(|error| !paired && error.is_finite() && *error > 0.0);
        let interval = error.map(|error| (difference - Z * error, difference + Z * error));
        let p = error.map(|error| chi_square_upper((difference / error).powi(2)));
        (if error.is_some() { Test::Unpaired } else { Test::Untested }, interval, p, None)
    };
    let pairs = pairs.len();
    Ok(Change { run, score, before, test, pairs, difference, interval, p, corrected: None, equivalence })
}

/// Returns the bootstrap of a mean difference.
fn bootstrap(differences: &[f64]) -> Result<PairedDifference> {
    paired_bootstrap(differences.len(), RESAMPLES, 0, |indices| {
        indices.iter().map(|index| differences[*index]).sum::<f64>() / indices.len() as f64
    })
}

/// Returns the values of the documents that have one in both runs, from two documents on. Runs with other documents or
/// prompts have none.
fn pairs(after: &Score, before: &Score) -> Vec<(f64, f64)> {
    if after.digest != before.digest || after.items.len() != before.items.len() {
        return Vec::new();
    }
    let both = after.items.iter().zip(&before.items).filter_map(|(after, before)| Some(((*after)?, (*before)?)));
    let both: Vec<_> = both.filter(|(after, before)| after.is_finite() && before.is_finite()).collect();
    if both.len() < 2 { Vec::new() } else { both }
}

/// Perplexity against the baseline's.
#[derive(Clone, Debug)]
pub struct Rise<'a> {
    pub run: &'a RunResult,
    pub perplexity: &'a Perplexity,
    /// True if it is above ten times the baseline, or not finite.
    pub collapsed: bool,
    /// Perplexity over the baseline's.
    pub ratio: f64,
    /// 95 % confidence interval of the ratio, by paired bootstrap of the windows, from 10 windows on.
    pub interval: Option<(f64, f64)>,
    pub p: Option<f64>,
    /// p after Holm's correction over all perplexities of one model.
    pub corrected: Option<f64>,
}

/// Compares all perplexities whose run has a baseline with the same one, run after run.
///
/// # Errors
/// Those of the statistics, which a sound study does not meet.
pub(super) fn rises(study: &StudyResult) -> Result<Vec<Rise<'_>>> {
    let mut all = Vec::new();
    for (run, baseline) in study.compared() {
        let both = run.perplexities.iter().filter_map(|found| Some((found, baseline.perplexity_like(found)?)));
        all.extend(both.map(|(found, before)| rise(run, found, before)).collect::<Result<Vec<_>>>()?);
    }
    for model in study.models() {
        correct(all.iter_mut().filter(|r| r.run.model == model).map(|rise| (rise.p, &mut rise.corrected)))?;
    }
    Ok(all)
}

fn rise<'a>(run: &'a RunResult, perplexity: &'a Perplexity, before: &Perplexity) -> Result<Rise<'a>> {
    let ratio = perplexity.value / before.value;
    let collapsed = perplexity.collapsed(before);
    let mut rise = Rise { run, perplexity, collapsed, ratio, interval: None, p: None, corrected: None };
    let alike =
        ratio.is_finite() && perplexity.windows.len() == before.windows.len() && perplexity.tokens == before.tokens;
    let differences: Vec<f64> = perplexity.windows.iter().zip(&before.windows).map(|(a, b)| a - b).collect();
    if alike && differences.len() >= FEWEST && differences.iter().all(|difference| difference.is_finite()) {
        let found = bootstrap(&differences)?;
        rise.interval = Some((found.low.exp(), found.high.exp()));
        rise.p = Some(found.p);
    }
    Ok(rise)
}
