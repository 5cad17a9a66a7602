//! What is read off one run, or off a run and its baseline.

use super::data::{BASELINE, Perplexity, Purpose, Run, Score, Speed, Study};
use super::{methods, number};
use crate::metrics::comparison::Z;
use crate::metrics::statistics::{mean, quantile, standard_deviation, standard_error};

/// A run above this multiple of its baseline's perplexity has collapsed.
pub const COLLAPSE: f64 = 10.0;

/// Repeats that vary more, as coefficient of variation, are not compared.
pub const STEADY: f64 = 0.05;

impl Run {
    /// Returns the run's name in tables: method, bits and options, such as `GPTQ 2 bit, group size 128`.
    pub fn title(&self) -> String {
        let method = methods::title(&self.method);
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

    /// Model and title.
    pub fn full_title(&self) -> String {
        format!("{} {}", self.model, self.title())
    }

    pub fn is_baseline(&self) -> bool {
        self.method == BASELINE
    }

    pub fn is_quantized_preset(&self) -> bool {
        !self.is_baseline() && self.purpose == Purpose::Preset
    }

    /// The same text by the same protocol.
    pub fn perplexity_like(&self, other: &Perplexity) -> Option<&Perplexity> {
        self.perplexities.iter().find(|p| p.key() == other.key())
    }

    /// The same number of the same task, asked in the same way.
    pub fn score_like(&self, other: &Score) -> Option<&Score> {
        self.scores.iter().find(|score| score.key() == other.key())
    }

    pub fn speed_like(&self, other: &Speed) -> Option<&Speed> {
        self.speeds.iter().find(|speed| (speed.prompt, speed.generated) == (other.prompt, other.generated))
    }
}

impl Perplexity {
    pub fn key(&self) -> (&str, &str, u64) {
        (&self.text, &self.protocol, self.window)
    }

    pub fn title(&self) -> String {
        format!("{} ({}, {})", self.text, self.protocol, number::fixed(self.window as f64, 0))
    }

    pub fn collapsed(&self, baseline: &Perplexity) -> bool {
        let limit = COLLAPSE * baseline.value;
        !self.value.is_finite() || (limit.is_finite() && self.value > limit)
    }
}

impl Score {
    pub fn key(&self) -> (&str, Option<&str>, &str, &str, u64) {
        (&self.task, self.set.as_deref(), &self.metric, &self.profile, self.shots)
    }

    /// Of a best possible 100.
    pub fn points(&self) -> f64 {
        self.value * 100.0 / self.scale
    }

    /// `MMLU acc`, with the set where it is a part only.
    pub fn title(&self) -> String {
        match &self.set {
            Some(set) => format!("{} {set}, {}", self.task, self.metric),
            None => format!("{}, {}", self.task, self.metric),
        }
    }

    /// Whether the score is surely better than guessing: by 1.96 standard errors, those of its documents where it has
    /// none of its own. True where nobody knows what guessing scores.
    pub fn above_guessing(&self) -> bool {
        let items = || standard_error(&self.items.iter().copied().flatten().collect::<Vec<_>>()).ok();
        let away = Z * self.stderr.filter(|error| error.is_finite()).or_else(items).unwrap_or(0.0);
        self.chance.is_none_or(|chance| match self.higher_is_better {
            true => self.value - away > chance,
            false => self.value + away < chance,
        })
    }

    /// One of the numbers that tables and figures are about.
    pub fn is_main(&self) -> bool {
        self.primary && self.set.is_none()
    }
}

/// Repeats of a measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
    /// Coefficient of variation, standard deviation over mean; absent below two repeats.
    pub variation: Option<f64>,
}

impl Spread {
    /// None without repeats, or where one is no number.
    pub fn new(repeats: &[f64]) -> Option<Spread> {
        let at = |share| quantile(repeats, share).ok();
        let variation = standard_deviation(repeats).ok().zip(mean(repeats).ok()).map(|(sd, mean)| sd / mean);
        Some(Spread { median: at(0.5)?, least: at(0.0)?, most: at(1.0)?, variation })
    }

    /// Whether it may be compared: [`STEADY`].
    pub fn steady(&self) -> bool {
        self.variation.is_some_and(|variation| variation <= STEADY)
    }

    /// This median over the other's, or why there is no such number.
    pub fn over(&self, other: &Spread) -> Result<f64, String> {
        for spread in [self, other] {
            match spread.variation {
                None => return Err("not compared: one repeat only".to_owned()),
                Some(variation) if variation > STEADY => {
                    return Err(format!("not compared: varies by {}", number::percent(variation)));
                }
                Some(_) => {}
            }
        }
        Ok(self.median / other.median)
    }
}

impl Speed {
    /// Bytes read a second while decoding, over those of a copy.
    pub fn share_of_copy(&self) -> Option<f64> {
        Some(self.bytes_per_token? as f64 * Spread::new(&self.decode)?.median / self.copy_bandwidth?)
    }
}

impl Study {
    /// Names of models, in the order of their first runs.
    pub fn models(&self) -> Vec<&str> {
        first_of(self.runs.iter().map(|run| run.model.as_str()))
    }

    /// Names of methods, in the order of their first runs.
    pub fn methods(&self) -> Vec<&str> {
        first_of(self.runs.iter().map(|run| run.method.as_str()))
    }

    pub fn of<'a>(&'a self, model: &'a str) -> impl Iterator<Item = &'a Run> + Clone {
        self.runs.iter().filter(move |run| run.model == model)
    }

    /// The 16-bit run of a run's model.
    pub fn baseline(&self, run: &Run) -> Option<&Run> {
        let baseline = self.runs.iter().find(|other| other.is_baseline() && other.model == run.model);
        baseline.filter(|baseline| !std::ptr::eq(*baseline, run))
    }

    /// How fast runs decode against their 16-bit runs, by the first protocol of each.
    pub fn decoding(&self, wanted: impl Fn(&Run) -> bool) -> Decoding<'_> {
        let mut decoding = Decoding { ratios: Vec::new(), left_out: 0 };
        for run in self.runs.iter().filter(|run| !run.is_baseline() && wanted(run)) {
            let Some((speed, after)) = run.speeds.first().and_then(|s| Some((s, Spread::new(&s.decode)?))) else {
                continue;
            };
            let before = self.baseline(run).and_then(|baseline| Spread::new(&baseline.speed_like(speed)?.decode));
            match before.and_then(|before| after.over(&before).ok()) {
                Some(ratio) => decoding.ratios.push((run, ratio)),
                None => decoding.left_out += 1,
            }
        }
        decoding
    }

    /// One of each text and protocol that occurs.
    pub fn texts(&self) -> Vec<&Perplexity> {
        let mut texts: Vec<&Perplexity> = Vec::new();
        for perplexity in self.runs.iter().flat_map(|run| &run.perplexities) {
            if texts.iter().all(|text| text.key() != perplexity.key()) {
                texts.push(perplexity);
            }
        }
        texts
    }

    /// One of each main score that occurs.
    pub fn main_scores(&self) -> Vec<&Score> {
        let mut scores: Vec<&Score> = Vec::new();
        for score in self.runs.iter().flat_map(|run| &run.scores).filter(|score| score.is_main()) {
            if scores.iter().all(|other| other.key() != score.key()) {
                scores.push(score);
            }
        }
        scores
    }
}

/// Speeds against 16 bits.
pub struct Decoding<'a> {
    /// Runs that are steady, as their 16-bit runs are, and their tokens a second over the 16-bit run's.
    pub ratios: Vec<(&'a Run, f64)>,
    /// Runs that have a speed which cannot be compared.
    pub left_out: usize,
}

impl Decoding<'_> {
    /// Runs that have a speed.
    pub fn all(&self) -> usize {
        self.ratios.len() + self.left_out
    }

    /// How many were compared and how many were not.
    pub fn text(&self) -> String {
        let steady = format!("{} of {} quantized runs with a speed are steady", self.ratios.len(), self.all());
        let why = "they or their 16-bit run vary by more than 5 %, ran once only, or have nothing to stand beside";
        if self.left_out == 0 { steady } else { format!("{steady}, {} left out: {why}", self.left_out) }
    }
}

/// Each value once, in order of appearance.
pub fn first_of<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}
