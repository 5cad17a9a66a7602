//! Correlation of perplexity and score over the runs of one model, the 16-bit one among them.

use super::data::{Perplexity, RunResult, Score, StudyResult};
use crate::metrics::correlation::{Correlation, pearson, spearman};
use crate::metrics::statistics;

/// Perplexity on a text and score of a task over the runs of a model.
pub struct Relation<'a> {
    pub model: &'a str,
    pub text: &'a Perplexity,
    pub score: &'a Score,
    /// Runs with both numbers: perplexity and points of 100.
    pub points: Vec<(&'a RunResult, f64, f64)>,
    /// Number of these runs above ten times the baseline's perplexity.
    pub collapsed: usize,
    /// Number of runs left out because their perplexity is not finite.
    pub left_out: usize,
    pub all: Coefficients,
    /// Coefficients without the collapsed runs.
    pub sound: Coefficients,
}

/// Coefficients of correlation. Fewer than three runs, or runs all alike, have none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coefficients {
    pub runs: usize,
    /// Pearson's r of perplexity and score.
    pub plain: Option<Correlation>,
    /// Pearson's r of the perplexity's logarithm and score.
    pub logarithm: Option<Correlation>,
    /// Spearman's rho.
    pub rank: Option<Correlation>,
}

impl Coefficients {
    fn new(points: &[(f64, f64)]) -> Coefficients {
        let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
        let logarithms: Vec<f64> = x.iter().map(|x| x.ln()).collect();
        Coefficients {
            runs: points.len(),
            plain: pearson(&x, &y).ok(),
            logarithm: pearson(&logarithms, &y).ok(),
            rank: spearman(&x, &y).ok(),
        }
    }
}

/// Returns every model, text and main score with a run that has both numbers.
pub(super) fn relations(study: &StudyResult) -> Vec<Relation<'_>> {
    let (texts, scores) = (study.texts(), study.main_scores());
    let pairs = texts.iter().flat_map(|text| scores.iter().map(move |score| (*text, *score)));
    let of_model = |model| pairs.clone().filter_map(move |(text, score)| relate(study, model, text, score));
    study.models().into_iter().flat_map(of_model).collect()
}

fn relate<'a>(study: &'a StudyResult, model: &'a str, text: &'a Perplexity, score: &'a Score) -> Option<Relation<'a>> {
    let baseline = study.of(model).find(|run| run.is_baseline()).and_then(|run| run.perplexity_like(text));
    let both = |run: &'a RunResult| Some((run, run.perplexity_like(text)?, run.score_like(score)?.points()));
    let (finite, odd): (Vec<_>, Vec<_>) = study.of(model).filter_map(both).partition(|(_, p, _)| p.value.is_finite());
    let sound = finite.iter().filter(|(_, p, _)| !baseline.is_some_and(|baseline| p.collapsed(baseline)));
    let sound: Vec<(f64, f64)> = sound.map(|(_, p, points)| (p.value, *points)).collect();
    let all: Vec<(f64, f64)> = finite.iter().map(|(_, p, points)| (p.value, *points)).collect();
    (!all.is_empty()).then(|| Relation {
        model,
        text,
        score,
        collapsed: all.len() - sound.len(),
        left_out: odd.len(),
        all: Coefficients::new(&all),
        sound: Coefficients::new(&sound),
        points: finite.iter().map(|(run, perplexity, points)| (*run, perplexity.value, *points)).collect(),
    })
}

/// Mean of several of Pearson's coefficients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanCorrelation {
    /// Mean of the coefficients, signed so that a lower perplexity with a better score is above 0.
    pub signed: f64,
    /// Mean of |r|, the measure of the paper. A wrong sign counts in favour.
    pub absolute: f64,
    pub count: usize,
    /// Number of coefficients below 0.
    pub wrong: usize,
}

/// Fewest runs of a coefficient in a mean: with three, |r| is large by chance alone.
pub const LEAST_RUNS: usize = 4;

/// Returns the mean over models, texts and tasks of the coefficients of at least `least` runs, without the collapsed
/// runs if `sound`. None: there is no such coefficient.
pub fn mean(relations: &[Relation<'_>], sound: bool, least: usize) -> Option<MeanCorrelation> {
    let turned = relations.iter().filter_map(|relation| {
        let found = if sound { relation.sound.plain } else { relation.all.plain };
        let r = found.filter(|found| found.pairs >= least)?.r;
        Some(if relation.score.higher_is_better { -r } else { r })
    });
    let turned: Vec<f64> = turned.collect();
    let absolute: Vec<f64> = turned.iter().map(|r| r.abs()).collect();
    let mean = |values: &[f64]| statistics::mean(values).ok();
    let wrong = turned.iter().filter(|r| **r < 0.0).count();
    Some(MeanCorrelation { signed: mean(&turned)?, absolute: mean(&absolute)?, count: turned.len(), wrong })
}

impl MeanCorrelation {
    /// Returns `0.912 with signs and 0.912 as |r|, over 30 coefficients`.
    pub(super) fn text(&self) -> String {
        let wrong = if self.wrong == 0 { String::new() } else { format!(", {} of the wrong sign", self.wrong) };
        let coefficients = if self.count == 1 { "coefficient" } else { "coefficients" };
        let [signed, absolute] = [self.signed, self.absolute].map(|mean| super::number::fixed(mean, 3));
        format!("{signed} with signs and {absolute} as |r|, over {} {coefficients}{wrong}", self.count)
    }
}
