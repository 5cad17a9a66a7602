//! Numbers derived from one run, or from a run and its baseline.

use super::data::{BASELINE, PACKED, Perplexity, Purpose, RunResult, Score, SpeedResult, StudyResult};
use super::number;
use crate::formats::Method;
use crate::metrics::distributions::Z;
use crate::metrics::statistics::{Summary, standard_error};

/// Multiple of its baseline's perplexity above which a run has collapsed.
const COLLAPSE: f64 = 10.0;

impl RunResult {
    /// Returns the run's name in tables: method, bits and options, such as `GPTQ 2 bit, group size 128`.
    pub fn title(&self) -> String {
        let method = method_title(&self.method);
        if self.is_baseline() {
            return method.to_owned();
        }
        let mut title = format!("{method} {} bit", self.bits);
        if self.purpose == Purpose::EqualBits {
            title += ", equal true bits";
        }
        for option in &self.options {
            title += &format!(", {}", option.name);
            if !option.value.is_empty() {
                title += &format!(" {}", option.value);
            }
        }
        title
    }

    /// Returns the model and the title.
    pub fn full_title(&self) -> String {
        format!("{} {}", self.model, self.title())
    }

    pub(super) fn is_baseline(&self) -> bool {
        self.method == BASELINE
    }

    /// Returns whether the run is quantized with the method's default options.
    pub fn is_quantized_preset(&self) -> bool {
        !self.is_baseline() && self.purpose == Purpose::Preset
    }

    /// Returns the perplexity on the same text by the same protocol.
    pub(super) fn perplexity_like(&self, other: &Perplexity) -> Option<&Perplexity> {
        self.perplexities.iter().find(|p| p.key() == other.key())
    }

    /// Returns the score of the same task and metric with the same prompts.
    pub(super) fn score_like(&self, other: &Score) -> Option<&Score> {
        self.scores.iter().find(|score| score.key() == other.key())
    }

    /// Returns the speed with the same numbers of tokens.
    pub(super) fn speed_like(&self, other: &SpeedResult) -> Option<&SpeedResult> {
        self.speeds.iter().find(|speed| (speed.prompt, speed.generated) == (other.prompt, other.generated))
    }
}

impl Perplexity {
    pub(super) fn key(&self) -> (&str, &str, u64) {
        (&self.text, &self.protocol, self.window)
    }

    pub(super) fn title(&self) -> String {
        format!("{} ({}, {})", self.text, self.protocol, number::fixed(self.window as f64, 0))
    }

    pub(super) fn collapsed(&self, baseline: &Perplexity) -> bool {
        let limit = COLLAPSE * baseline.value;
        !self.value.is_finite() || (limit.is_finite() && self.value > limit)
    }
}

impl Score {
    pub(super) fn key(&self) -> (&str, Option<&str>, &str, &str, u64) {
        (&self.task, self.set.as_deref(), &self.metric, &self.profile, self.shots)
    }

    /// Returns the score in points of 100.
    pub(super) fn points(&self) -> f64 {
        self.value * 100.0 / self.scale
    }

    /// Returns whether the value `a` of this score is better than `b`.
    pub(super) fn is_better(&self, a: f64, b: f64) -> bool {
        if self.higher_is_better { a > b } else { a < b }
    }

    /// Returns the title in tables: `MMLU, acc`, with the set of a part.
    pub(super) fn title(&self) -> String {
        match &self.set {
            Some(set) => format!("{} {set}, {}", self.task, self.metric),
            None => format!("{}, {}", self.task, self.metric),
        }
    }

    /// Returns whether the score is better than guessing by 1.96 standard errors. A score without a standard error has
    /// that of its documents. Returns true if the score of guessing is unknown.
    pub(super) fn above_guessing(&self) -> bool {
        let items = || standard_error(&self.items.iter().copied().flatten().collect::<Vec<_>>()).ok();
        let away = Z * self.stderr.filter(|error| error.is_finite()).or_else(items).unwrap_or(0.0);
        self.chance.is_none_or(|chance| match self.higher_is_better {
            true => self.value - away > chance,
            false => self.value + away < chance,
        })
    }

    /// Returns whether the score is one of those that tables and figures show.
    pub(super) fn is_main(&self) -> bool {
        self.primary && self.set.is_none()
    }
}

/// Returns the median of `after` over that of `before`.
///
/// # Errors
/// The reason why the two are not compared.
pub fn speed_ratio(after: &Summary, before: &Summary) -> Result<f64, String> {
    for rates in [after, before] {
        let Some(variation) = rates.cv else { return Err("not compared: one repeat only".to_owned()) };
        if !rates.steady() {
            return Err(format!("not compared: varies by {}", number::percent(variation)));
        }
    }
    Ok(after.median / before.median)
}

impl SpeedResult {
    /// Returns the bytes read a second while decoding over those of a copy.
    pub fn share_of_copy(&self) -> Option<f64> {
        Some(self.bytes_per_token? as f64 * Summary::new(&self.decode)?.median / self.copy_bandwidth?)
    }
}

impl StudyResult {
    /// Returns the names of models, in the order of their first runs.
    pub fn models(&self) -> Vec<&str> {
        first_of(self.runs.iter().map(|run| run.model.as_str()))
    }

    /// Returns the names of methods, in the order of their first runs.
    pub(super) fn methods(&self) -> Vec<&str> {
        first_of(self.runs.iter().map(|run| run.method.as_str()))
    }

    /// Returns the runs of a model.
    pub(super) fn of<'a>(&'a self, model: &'a str) -> impl Iterator<Item = &'a RunResult> + Clone {
        self.runs.iter().filter(move |run| run.model == model)
    }

    /// Returns the 16-bit run of a run's model. None: there is none, or it is the run itself.
    pub(super) fn baseline(&self, run: &RunResult) -> Option<&RunResult> {
        let baseline = self.runs.iter().find(|other| other.is_baseline() && other.model == run.model);
        baseline.filter(|baseline| !std::ptr::eq(*baseline, run))
    }

    /// Returns the runs that have a baseline, with it, in the order of the models.
    pub(super) fn compared(&self) -> impl Iterator<Item = (&RunResult, &RunResult)> {
        let runs = self.models().into_iter().flat_map(|model| self.of(model));
        runs.filter_map(|run| Some((run, self.baseline(run)?)))
    }

    /// Returns the bytes of a run's weights over those of its 16-bit run.
    pub(super) fn weight_share(&self, run: &RunResult) -> Option<f64> {
        Some(run.memory.weights? as f64 / self.baseline(run)?.memory.weights? as f64)
    }

    /// Compares the decoding of runs with their 16-bit runs, by the first speed of each.
    pub(super) fn decoding(&self, wanted: impl Fn(&RunResult) -> bool) -> Decoding<'_> {
        let ratio = |run: &RunResult| {
            let speed = run.speeds.first()?;
            let after = Summary::new(&speed.decode)?;
            let before = self.baseline(run).and_then(|baseline| Summary::new(&baseline.speed_like(speed)?.decode));
            Some(before.and_then(|before| speed_ratio(&after, &before).ok()))
        };
        let runs = self.runs.iter().filter(|run| !run.is_baseline() && wanted(run));
        let all: Vec<_> = runs.filter_map(|run| Some((run, ratio(run)?))).collect();
        let ratios: Vec<_> = all.iter().filter_map(|(run, ratio)| Some((*run, (*ratio)?))).collect();
        Decoding { left_out: all.len() - ratios.len(), ratios }
    }

    /// Returns a perplexity of each text and protocol.
    pub(super) fn texts(&self) -> Vec<&Perplexity> {
        first_by(self.runs.iter().flat_map(|run| &run.perplexities), |a, b| a.key() == b.key())
    }

    /// Returns one score of each task and metric that tables and figures show.
    pub(super) fn main_scores(&self) -> Vec<&Score> {
        let all = self.runs.iter().flat_map(|run| &run.scores).filter(|score| score.is_main());
        first_by(all, |a, b| a.key() == b.key())
    }
}

/// Decoding against 16 bits.
pub(super) struct Decoding<'a> {
    /// Steady runs with steady 16-bit runs, and their tokens a second over the 16-bit run's.
    pub ratios: Vec<(&'a RunResult, f64)>,
    /// Number of runs whose speed cannot be compared.
    pub left_out: usize,
}

impl Decoding<'_> {
    /// Returns the number of runs with a speed.
    pub(super) fn all(&self) -> usize {
        self.ratios.len() + self.left_out
    }

    /// Returns how many were compared and how many were not.
    pub(super) fn text(&self) -> String {
        let steady = format!("{} of {} quantized runs with a speed are steady", self.ratios.len(), self.all());
        let why = "they or their 16-bit run vary by more than 5 %, ran only once, or there is no 16-bit speed";
        if self.left_out == 0 { steady } else { format!("{steady}, {} left out: {why}", self.left_out) }
    }
}

/// Returns each value once, in the order of first appearance.
pub(super) fn first_of<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    first_by(values, T::eq)
}

fn first_by<T>(values: impl Iterator<Item = T>, same: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let mut found: Vec<T> = Vec::new();
    for value in values {
        if !found.iter().any(|other| same(other, &value)) {
            found.push(value);
        }
    }
    found
}

/// Returns a method's title, and what it does in one sentence or two. None: the method is unknown here.
pub(super) fn describe(method: &str) -> Option<(&'static str, &'static str)> {
    match Method::find(method) {
        Some(known) => Some((known.title, known.description)),
        None if method == BASELINE => Some(("BF16", "Weights in 16 bits, without quantization: the baseline.")),
        None if method == PACKED => {
            Some(("GGUF", "The blocks of a GGUF file as they are; the width is that of its true bits."))
        }
        None => None,
    }
}

/// Returns a method's title, or its name if the method is unknown here.
pub(super) fn method_title(method: &str) -> &str {
    describe(method).map_or(method, |(title, _)| title)
}
