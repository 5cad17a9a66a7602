//! The figures of a study.

use maud::{Markup, html};

use super::axis::Axis;
use super::chart::{Bars, Chart, Point, RunBar, Series};
use super::correlate::Relation;
use super::data::{Perplexity, Purpose, RunResult, Score, StudyResult};
use super::number;
use super::run::{first_of, method_title};
use super::svg::{Drawing, Mark, SHAPES};
use crate::metrics::correlation::Correlation;
use crate::metrics::statistics::Summary;

/// The figures so far, numbered so that their names differ. Each method returns a figure as an element of the page, or
/// None if no run has its numbers.
pub(super) struct Figures<'a> {
    study: &'a StudyResult,
    /// Names among the files, and drawings.
    pub all: Vec<(String, Drawing)>,
}

/// Common widths, as ticks.
static BITS: &[f64] = &[2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0];

fn bits_axis() -> Axis {
    Axis { ticks: BITS, ..Axis::log("true bits per quantized weight", |bits| number::fixed(bits, 1).replace(".0", "")) }
}

fn points_axis(score: &Score) -> Axis {
    Axis::linear(&score.title(), short)
}

/// Returns a number with as few digits as a tick needs.
fn short(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 1e6 || (size > 0.0 && size < 1e-4) => return format!("{value:.0e}").replace('-', "−"),
        size if size >= 1e4 => number::fixed(value / 1e3, 1) + "k",
        _ => number::fixed(value, 4),
    };
    let (digits, unit) = text.strip_suffix('k').map_or((text.as_str(), ""), |digits| (digits, "k"));
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    format!("{digits}{unit}")
}

fn short_rate(rate: f64) -> String {
    number::fixed(rate, if rate < 100.0 { 1 } else { 0 })
}

/// Returns the letter of a model, for labels.
fn letter(model: usize) -> char {
    (b'A' + (model % 26) as u8) as char
}

/// Values of a bar, the ends of its whisker, and its note.
type BarNumbers = (Vec<Option<f64>>, Option<(f64, f64)>, String);

impl<'a> Figures<'a> {
    pub(super) fn new(study: &'a StudyResult) -> Figures<'a> {
        Figures { study, all: Vec::new() }
    }

    /// Adds a drawing, whose name is made from `words`. Points without a place in it are counted in the caption.
    fn add(&mut self, words: &str, caption: &str, drawn: Option<(Drawing, usize)>) -> Option<Markup> {
        let letters = words.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' });
        let words = letters.collect::<String>().split_whitespace().collect::<Vec<_>>().join("-");
        let slug: String = format!("f{:02}-{words}", self.all.len() + 1).chars().take(80).collect();
        let (drawing, hidden) = drawn?;
        let figure = html! {
            figure {
                (drawing.element(&slug, ""))
                figcaption {
                    (caption)
                    @match hidden {
                        0 => {},
                        1 => " One run is not drawn: its number is 0 or not finite.",
                        more => { " " (more) " runs are not drawn: their numbers are 0 or not finite." },
                    }
                    " " a href={ "figures/" (slug) ".svg" } { "SVG" }
                }
            }
        };
        self.all.push((slug, drawing));
        Some(figure)
    }

    /// Returns the name and mark of a run's series. A method has the shape of its place in the study; all ablations
    /// share the last shape.
    fn kind(&self, run: &RunResult) -> (String, Mark) {
        let title = method_title(&run.method);
        let shape = self.study.methods().iter().position(|method| *method == run.method).unwrap_or(0) % (SHAPES - 1);
        match run.purpose {
            Purpose::Preset => (title.to_owned(), Mark { shape, hollow: false }),
            Purpose::EqualBits => (format!("{title}, equal true bits"), Mark { shape, hollow: true }),
            Purpose::Ablation => ("ablation".to_owned(), Mark { shape: SHAPES - 1, hollow: true }),
        }
    }

    /// Returns runs as points, one series for each kind.
    fn series<'r>(
        &self,
        runs: impl Iterator<Item = &'r RunResult> + Clone,
        point: impl Fn(&RunResult) -> Option<Point>,
    ) -> Vec<Series> {
        let of_kind = |(name, mark): (String, Mark)| {
            let points: Vec<Point> = runs.clone().filter(|run| self.kind(run).0 == name).filter_map(&point).collect();
            Series { name, mark, joined: false, points }
        };
        let kinds = first_of(runs.clone().map(|run| self.kind(run)));
        kinds.into_iter().map(of_kind).filter(|series| !series.points.is_empty()).collect()
    }

    /// Draws a score of a model against true bits.
    pub(super) fn score_bits(&mut self, model: &str, score: &Score) -> Option<Markup> {
        let series = self.over_bits(model, |run| Some(run.score_like(score)?.points()));
        let level = score.chance.map(|chance| (chance * 100.0 / score.scale, "chance".to_owned()));
        let title = format!("{model}: {}", score.title());
        let chart = Chart { level, ..Chart::new(title, bits_axis(), points_axis(score), series) };
        self.add(&format!("bits {} {model}", score.task), "Points of 100. Labels are nominal bits.", chart.draw())
    }

    /// Draws a perplexity of a model against true bits.
    pub(super) fn perplexity_bits(&mut self, model: &str, text: &Perplexity) -> Option<Markup> {
        let series = self.over_bits(model, |run| Some(run.perplexity_like(text)?.value));
        let title = format!("{model}: perplexity, {}", text.text);
        let chart = Chart::new(title, bits_axis(), Axis::log("perplexity", short), series);
        let caption = format!("{}. Labels are nominal bits; the vertical axis is logarithmic.", text.title());
        self.add(&format!("bits perplexity {} {model}", text.text), &caption, chart.draw())
    }

    fn over_bits(&self, model: &str, value: impl Fn(&RunResult) -> Option<f64>) -> Vec<Series> {
        self.series(self.study.of(model), |run| {
            Some(Point { x: run.true_bits?, y: value(run)?, label: run.bits.to_string(), title: run.title() })
        })
    }

    /// Draws a score against a perplexity.
    pub(super) fn relation(&mut self, relation: &Relation<'_>) -> Option<Markup> {
        let runs = relation.points.iter().map(|(run, _, _)| *run);
        let series = self.series(runs, |run| {
            let (_, x, y) = relation.points.iter().find(|(other, _, _)| std::ptr::eq(*other, run))?;
            Some(Point { x: *x, y: *y, label: run.bits.to_string(), title: run.title() })
        });
        let title = format!("{}: {}", relation.model, relation.score.title());
        let x = Axis::log(&format!("perplexity, {}", relation.text.text), short);
        let chart = Chart::new(title, x, points_axis(relation.score), series);
        let r = |found: Option<Correlation>| {
            found.map_or_else(|| "too few runs".to_owned(), |found| number::fixed(found.r, 3))
        };
        let caption = format!(
            "Points of 100 against perplexity. Pearson's r of ln perplexity: {}; without collapsed runs: {}.",
            r(relation.all.logarithm),
            r(relation.sound.logarithm)
        );
        let words = format!("correlation {} {} {}", relation.score.task, relation.text.text, relation.model);
        self.add(&words, &caption, chart.draw())
    }

    /// Draws a score of all models against the bytes of their weights.
    pub(super) fn score_bytes(&mut self, score: &Score) -> Option<Markup> {
        let place = |run: &RunResult| Some((run.memory.weights? as f64 / 1e9, run.score_like(score)?.points()));
        let models = self.study.models();
        let several = models.len() > 1;
        let series = self.series(self.study.runs.iter(), |run| {
            let (x, y) = place(run)?;
            let model = models.iter().position(|model| *model == run.model).unwrap_or(0);
            let label = if several { format!("{}{}", letter(model), run.bits) } else { run.bits.to_string() };
            Some(Point { x, y, label, title: run.full_title() })
        });
        let all: Vec<(f64, f64)> = self.study.runs.iter().filter_map(place).collect();
        let title = format!("{} against size", score.title());
        let steps = frontier(all, |a, b| score.is_better(a, b));
        let chart = Chart { steps, ..Chart::new(title, Axis::log("weights, GB", short), points_axis(score), series) };
        let names: Vec<String> = models.iter().enumerate().map(|(i, model)| format!("{} {model}", letter(i))).collect();
        let models = if several { format!(" Models: {}.", names.join(", ")) } else { String::new() };
        let caption = format!("Points of 100; labels end in nominal bits.{models} Dashed: the best of a size or less.");
        self.add(&format!("size {}", score.task), &caption, chart.draw())
    }

    /// Draws the outlier shares of a model's layers.
    pub(super) fn outlier_layers(&mut self, model: &str) -> Option<Markup> {
        let runs = self.study.of(model).filter_map(|run| Some((run, &run.outliers.as_ref()?.layers)));
        let series = runs.filter(|(_, layers)| !layers.is_empty()).enumerate().map(|(shape, (run, layers))| {
            let points = layers.iter().enumerate().map(|(layer, share)| {
                let title = format!("{}, layer {layer}: {}", run.title(), number::percent(*share));
                Point { x: layer as f64, y: share * 100.0, label: String::new(), title }
            });
            // A line is a run here, so that a mark means a run.
            let mark = Mark { shape, hollow: run.purpose != Purpose::Preset };
            Series { name: run.title(), mark, joined: true, points: points.collect() }
        });
        let (x, y) = (Axis::linear("decoder layer", short), Axis::log("outliers, %", short));
        let chart = Chart::new(format!("{model}: outliers by layer"), x, y, series.collect());
        let caption = "Per cent of a layer's quantized weights that stay in 16 bits, logarithmic.";
        self.add(&format!("outliers {model}"), caption, chart.draw().map(|(drawing, _)| (drawing, 0)))
    }

    /// Draws a bar for each run, under the names of their models if there are several.
    fn bars(
        &mut self,
        (words, title, caption): (&str, &str, &str),
        parts: &[(&'static str, usize)],
        text: fn(f64) -> String,
        numbers: impl Fn(&RunResult) -> BarNumbers,
    ) -> Option<Markup> {
        let models = self.study.models();
        let runs = models.iter().flat_map(|model| self.study.of(model).enumerate());
        let bars = runs.map(|(index, run)| {
            let (values, whisker, note) = numbers(run);
            let heading = (index == 0 && models.len() > 1).then(|| run.model.clone());
            RunBar { label: run.title(), heading, values, whisker, note }
        });
        let bars = Bars { title: title.to_owned(), parts: parts.to_vec(), text, bars: bars.collect() };
        self.add(words, caption, bars.draw().map(|drawing| (drawing, 0)))
    }

    /// Draws the weights, keys and values, and scratch of every run.
    pub(super) fn memory(&mut self) -> Option<Markup> {
        let caption = "Bytes of the engine's buffers by use. The table above also has the peak memory of the process.";
        let parts = [("weights", 2), ("keys and values", 1), ("scratch", 5)];
        let text = |bytes| number::bytes(bytes as u64);
        self.bars(("memory", "Memory on the device", caption), &parts, text, |run| {
            let parts = [run.memory.weights, run.memory.kv, run.memory.scratch].map(|part| part.map(|p| p as f64));
            let lacking = parts.iter().any(Option::is_none) && parts.iter().any(Option::is_some);
            let sum = parts.iter().flatten().copied().reduce(|a, b| a + b);
            let note = number::or_missing(sum, text);
            (parts.to_vec(), None, if lacking { format!("{note}, in part") } else { note })
        })
    }

    /// Draws a rate of every run.
    pub(super) fn rate(
        &mut self,
        title: &str,
        class: usize,
        repeats: impl Fn(&RunResult) -> Option<&[f64]>,
    ) -> Option<Markup> {
        let caption = "Median of the repeats; whiskers from least to most.";
        self.bars((title, title, caption), &[("median", class)], short_rate, |run| {
            let rates = repeats(run).and_then(Summary::new);
            let whisker = rates.filter(|rates| rates.max > rates.min).map(|rates| (rates.min, rates.max));
            let median = rates.map(|rates| rates.median);
            (vec![median], whisker, number::or_missing(median, short_rate))
        })
    }

    /// Draws the share of the copy's bandwidth while decoding.
    pub(super) fn bandwidth(&mut self) -> Option<Markup> {
        let title = "Decoding: share of copy bandwidth";
        let caption = "Bytes read for a token times tokens a second, over what a plain copy moves on this adapter.";
        self.bars(("bandwidth", title, caption), &[("share", 4)], number::percent, |run| {
            let share = run.speeds.first().and_then(|speed| speed.share_of_copy());
            (vec![share], None, number::or_missing(share, number::percent))
        })
    }
}

/// Returns the points of size and quality that no point of the same size or less is better than, by size.
fn frontier(mut points: Vec<(f64, f64)>, better: impl Fn(f64, f64) -> bool) -> Vec<(f64, f64)> {
    // The best of equal sizes comes first.
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(better(b.1, a.1).cmp(&better(a.1, b.1))));
    let mut best: Vec<(f64, f64)> = Vec::new();
    for point in points {
        if best.last().is_none_or(|last| better(point.1, last.1)) {
            best.push(point);
        }
    }
    best
}
