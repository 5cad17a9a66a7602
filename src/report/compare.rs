//! Each run against its model's 16-bit run, document by document and window by window.

use super::data::{Perplexity, Run, Score, Study};
use crate::error::Result;
use crate::metrics::comparison::{Z, equivalence, holm, mcnemar, paired_bootstrap, paired_shares};
use crate::metrics::statistics::mean;

/// Resamples of a paired bootstrap.
const RESAMPLES: usize = 10_000;
/// Pairs below which a bootstrap says nothing: it can only draw what it has seen.
pub const FEWEST: usize = 10;
/// Points of 100 within which two scores count as equivalent.
pub const MARGIN: f64 = 1.0;
/// Level of significance.
pub const LEVEL: f64 = 0.05;

/// How two scores were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// Every document gives 0 or 1: McNemar's p; the interval is that of Bonett and Price.
    McNemar,
    /// Paired bootstrap of 10,000 resamples, seed 0, from [`FEWEST`] pairs on.
    Bootstrap,
    /// Without items of the same documents: d ± 1.96·√(se² + se²), and p by the normal distribution. It sees less.
    Unpaired,
    /// Neither items nor standard errors, or too few items for a bootstrap.
    Untested,
}

impl Test {
    pub fn title(self) -> &'static str {
        match self {
            Test::McNemar => "McNemar",
            Test::Bootstrap => "paired bootstrap",
            Test::Unpaired => "unpaired z",
            Test::Untested => "none",
        }
    }
}

/// What a comparison lets one say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Significantly, after Holm's correction.
    Better,
    /// Significantly, after Holm's correction.
    Worse,
    /// Not significant, and equivalent within the margin.
    Equivalent,
    /// Neither a difference nor equivalence is shown.
    Open,
}

/// A score against the baseline's.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    pub run: &'a Run,
    pub score: &'a Score,
    /// The baseline's.
    pub before: &'a Score,
    pub test: Test,
    /// Documents in pairs; 0 where there are none.
    pub pairs: usize,
    /// Points of 100: the run less its baseline.
    pub difference: f64,
    /// 95 %, in points.
    pub interval: Option<(f64, f64)>,
    pub p: Option<f64>,
    /// By Holm, over the scores of one model: those of whole tasks as one table, the rest as another.
    pub corrected: Option<f64>,
    /// p of the test that the difference is beyond ±[`MARGIN`]; paired only. Where all pairs differ alike, mostly not at
    /// all, it is the probability to see that if a share of [`MARGIN`] points of the documents differed otherwise.
    pub equivalence: Option<f64>,
}

impl Change<'_> {
    pub fn verdict(&self) -> Verdict {
        if self.corrected.is_some_and(|p| p < LEVEL) && self.difference != 0.0 {
            let up = self.difference > 0.0;
            return if up == self.score.higher_is_better { Verdict::Better } else { Verdict::Worse };
        }
        if self.equivalence.is_some_and(|p| p < LEVEL) { Verdict::Equivalent } else { Verdict::Open }
    }

    /// Points lost, negative where some are gained.
    pub fn loss(&self) -> f64 {
        if self.score.higher_is_better { -self.difference } else { self.difference }
    }
}

/// All scores of all runs that have a baseline with the same score, run after run.
///
/// # Errors
/// None for a sound study: those of the statistics.
pub fn changes(study: &Study) -> Result<Vec<Change<'_>>> {
    let mut all = Vec::new();
    for model in study.models() {
        let mut of_model = Vec::new();
        for run in study.of(model) {
            let Some(baseline) = study.baseline(run) else { continue };
            for score in &run.scores {
                if let Some(before) = baseline.score_like(score) {
                    of_model.push(change(run, score, before)?);
                }
            }
        }
        for whole in [true, false] {
            let table = || of_model.iter().enumerate().filter(|(_, c)| c.score.is_main() == whole);
            let corrected = corrected(table().map(|(index, change)| (index, change.p)))?;
            corrected.into_iter().for_each(|(index, p)| of_model[index].corrected = Some(p));
        }
        all.extend(of_model);
    }
    Ok(all)
}

/// Holm's correction of those that have a p, by their numbers.
fn corrected(p: impl Iterator<Item = (usize, Option<f64>)>) -> Result<Vec<(usize, f64)>> {
    let (indices, p): (Vec<usize>, Vec<f64>) = p.filter_map(|(index, p)| Some((index, p?))).unzip();
    Ok(indices.into_iter().zip(holm(&p)?).collect())
}

fn change<'a>(run: &'a Run, score: &'a Score, before: &'a Score) -> Result<Change<'a>> {
    let points = 100.0 / score.scale;
    let mut change = Change {
        run,
        score,
        before,
        test: Test::Untested,
        pairs: 0,
        difference: score.points() - before.points(),
        interval: None,
        p: None,
        corrected: None,
        equivalence: None,
    };
    let pairs = pairs(score, before);
    if pairs.len() >= 2 {
        let differences: Vec<f64> = pairs.iter().map(|(after, before)| (after - before) * points).collect();
        let alike = differences.iter().all(|difference| *difference == differences[0]);
        let within = if alike && differences[0].abs() < MARGIN {
            // Without a spread a t test would be sure of two documents already.
            (1.0 - MARGIN / 100.0).powf(differences.len() as f64)
        } else {
            equivalence(&differences, MARGIN)?
        };
        change.pairs = pairs.len();
        change.difference = mean(&differences)?;
        if pairs.iter().all(|&(after, before)| [after, before].iter().all(|v| *v == 0.0 || *v == 1.0)) {
            let only = |side: f64| differences.iter().filter(|d| **d * side > 0.0).count() as u64;
            let (low, high) = paired_shares(only(-1.0), only(1.0), pairs.len() as u64);
            change.test = Test::McNemar;
            change.interval = Some((low * points, high * points));
            change.p = Some(mcnemar(only(-1.0), only(1.0)));
            change.equivalence = Some(within);
        } else if pairs.len() >= FEWEST {
            let found = paired_bootstrap(differences.len(), RESAMPLES, 0, |indices| {
                indices.iter().map(|index| differences[*index]).sum::<f64>() / indices.len() as f64
            })?;
            change.test = Test::Bootstrap;
            // Resamples of the same difference have no spread, which shows nothing of the documents not asked.
            change.interval = (!alike).then_some((found.low, found.high));
            change.p = Some(found.p);
            change.equivalence = Some(within);
        }
    } else if let (Some(after), Some(before)) = (score.stderr, before.stderr) {
        let error = after.hypot(before) * points;
        if error.is_finite() && error > 0.0 {
            change.test = Test::Unpaired;
            change.interval = Some((change.difference - Z * error, change.difference + Z * error));
            change.p = Some(crate::metrics::distributions::chi_square_upper((change.difference / error).powi(2)));
        }
    }
    Ok(change)
}

/// The values of documents that gave one in both runs, where both were asked the same.
fn pairs(after: &Score, before: &Score) -> Vec<(f64, f64)> {
    if after.digest != before.digest || after.items.len() != before.items.len() {
        return Vec::new();
    }
    let both = after.items.iter().zip(&before.items).filter_map(|(after, before)| Some(((*after)?, (*before)?)));
    both.filter(|(after, before)| after.is_finite() && before.is_finite()).collect()
}

/// A perplexity against the baseline's.
#[derive(Clone, Debug)]
pub struct Rise<'a> {
    pub run: &'a Run,
    pub perplexity: &'a Perplexity,
    /// Above [`COLLAPSE`](super::run::COLLAPSE) times the baseline, or no number.
    pub collapsed: bool,
    /// The run's perplexity over the baseline's.
    pub ratio: f64,
    /// 95 %, from the windows' losses by paired bootstrap, from [`FEWEST`] windows on.
    pub interval: Option<(f64, f64)>,
    pub p: Option<f64>,
    /// By Holm, over all perplexities of one model.
    pub corrected: Option<f64>,
}

/// All perplexities of all runs that have a baseline with the same one, run after run.
///
/// # Errors
/// None for a sound study: those of the statistics.
pub fn rises(study: &Study) -> Result<Vec<Rise<'_>>> {
    let mut all = Vec::new();
    for model in study.models() {
        let mut of_model = Vec::new();
        for run in study.of(model) {
            let Some(baseline) = study.baseline(run) else { continue };
            for perplexity in &run.perplexities {
                if let Some(before) = baseline.perplexity_like(perplexity) {
                    of_model.push(rise(run, perplexity, before)?);
                }
            }
        }
        let corrected = corrected(of_model.iter().enumerate().map(|(index, rise)| (index, rise.p)))?;
        corrected.into_iter().for_each(|(index, p)| of_model[index].corrected = Some(p));
        all.extend(of_model);
    }
    Ok(all)
}

fn rise<'a>(run: &'a Run, perplexity: &'a Perplexity, before: &Perplexity) -> Result<Rise<'a>> {
    let ratio = perplexity.value / before.value;
    let mut rise = Rise {
        run,
        perplexity,
        collapsed: perplexity.collapsed(before),
        ratio,
        interval: None,
        p: None,
        corrected: None,
    };
    let alike =
        ratio.is_finite() && perplexity.windows.len() == before.windows.len() && perplexity.tokens == before.tokens;
    let differences: Vec<f64> = perplexity.windows.iter().zip(&before.windows).map(|(a, b)| a - b).collect();
    if alike && differences.len() >= FEWEST && differences.iter().all(|difference| difference.is_finite()) {
        let found = paired_bootstrap(differences.len(), RESAMPLES, 0, |indices| {
            indices.iter().map(|index| differences[*index]).sum::<f64>() / indices.len() as f64
        })?;
        rise.interval = Some((found.low.exp(), found.high.exp()));
        rise.p = Some(found.p);
    }
    Ok(rise)
}
