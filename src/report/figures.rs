//! Which figures a study has.

use super::axis::Axis;
use super::chart::{Bar, Bars, Chart, Point, Series};
use super::correlate::Related;
use super::data::{Perplexity, Purpose, Run, Score, Study};
use super::run::{Spread, first_of};
use super::svg::{Mark, SHAPES};
use super::{methods, number};

/// A drawing with its name among the files.
pub struct Figure {
    pub slug: String,
    pub svg: String,
}

/// The figures so far, so that each has a name of its own.
#[derive(Default)]
pub struct Figures {
    pub all: Vec<Figure>,
}

/// Widths that quantization is about, as ticks.
static BITS: &[f64] = &[2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0];

fn bits_axis() -> Axis {
    Axis { ticks: BITS, ..Axis::log("true bits per quantized weight", |bits| number::fixed(bits, 1).replace(".0", "")) }
}

fn points_axis(score: &Score) -> Axis {
    Axis::linear(&score.title(), short)
}

/// As few digits as a tick needs.
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

/// Returns the name and mark of a run's series. A method has the shape of its place in the study; all ablations share the
/// last shape.
fn kind(study: &Study, run: &Run) -> (String, Mark) {
    let title = methods::title(&run.method);
    let shape = study.methods().iter().position(|method| *method == run.method).unwrap_or(0) % (SHAPES - 1);
    match run.purpose {
        Purpose::Preset => (title.to_owned(), Mark { shape, hollow: false }),
        Purpose::EqualBits => (format!("{title}, equal true bits"), Mark { shape, hollow: true }),
        Purpose::Ablation => ("ablation".to_owned(), Mark { shape: SHAPES - 1, hollow: true }),
    }
}

/// Returns runs as points, one series for each kind.
fn series<'a>(
    study: &Study,
    runs: impl Iterator<Item = &'a Run> + Clone,
    point: impl Fn(&Run) -> Option<Point>,
) -> Vec<Series> {
    let kinds = first_of(runs.clone().map(|run| kind(study, run)));
    let of_kind = |(name, mark): (String, Mark)| {
        let runs = runs.clone().filter(|run| kind(study, run).0 == name);
        let points: Vec<Point> = runs.filter_map(&point).collect();
        Series { name, mark, joined: false, points }
    };
    kinds.into_iter().map(of_kind).filter(|series| !series.points.is_empty()).collect()
}

impl Figures {
    /// A name from words, unlike all others; draws with it.
    fn add(&mut self, words: &str, caption: &str, draw: impl FnOnce(&str) -> Option<(String, usize)>) -> String {
        let letters = words.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' });
        let words = letters.collect::<String>().split_whitespace().collect::<Vec<_>>().join("-");
        let slug: String = format!("f{:02}-{words}", self.all.len() + 1).chars().take(80).collect();
        let Some((svg, hidden)) = draw(&slug) else { return String::new() };
        let caption = match hidden {
            0 => caption.to_owned(),
            1 => format!("{caption} One run has no place here: its number is 0 or not finite."),
            more => format!("{caption} {more} runs have no place here: their numbers are 0 or not finite."),
        };
        let html = format!(
            "<figure>\n{svg}<figcaption>{} <a href=\"figures/{slug}.svg\">SVG</a></figcaption>\n</figure>\n",
            super::html::escape(&caption)
        );
        self.all.push(Figure { slug, svg });
        html
    }

    /// A score of a model against true bits.
    pub fn score_bits(&mut self, study: &Study, model: &str, score: &Score) -> String {
        let series = series(study, study.of(model), |run| {
            let points = run.score_like(score)?.points();
            Some(Point { x: run.true_bits?, y: points, label: run.bits.to_string(), title: run.title() })
        });
        let chance = score.chance.map(|chance| (chance * 100.0 / score.scale, "chance".to_owned()));
        let title = format!("{}: {}", model, score.title());
        let chart = Chart { title, x: bits_axis(), y: points_axis(score), series, level: chance, steps: Vec::new() };
        let caption = "Points of 100. Labels are nominal bits.";
        self.add(&format!("bits {} {model}", score.task), caption, |slug| chart.draw(slug))
    }

    /// A perplexity of a model against true bits.
    pub fn perplexity_bits(&mut self, study: &Study, model: &str, text: &Perplexity) -> String {
        let series = series(study, study.of(model), |run| {
            let value = run.perplexity_like(text)?.value;
            Some(Point { x: run.true_bits?, y: value, label: run.bits.to_string(), title: run.title() })
        });
        let title = format!("{model}: perplexity, {}", text.text);
        let y = Axis::log("perplexity", short);
        let chart = Chart { title, x: bits_axis(), y, series, level: None, steps: Vec::new() };
        let caption = format!("{}. Labels are nominal bits; the vertical axis is logarithmic.", text.title());
        self.add(&format!("bits perplexity {} {model}", text.text), &caption, |slug| chart.draw(slug))
    }

    /// A score against a perplexity.
    pub fn related(&mut self, study: &Study, related: &Related<'_>) -> String {
        let runs = related.points.iter().map(|(run, _, _)| *run);
        let series = series(study, runs, |run| {
            let (_, x, y) = related.points.iter().find(|(other, _, _)| std::ptr::eq(*other, run))?;
            Some(Point { x: *x, y: *y, label: run.bits.to_string(), title: run.title() })
        });
        let title = format!("{}: {}", related.model, related.score.title());
        let x = Axis::log(&format!("perplexity, {}", related.text.text), short);
        let chart = Chart { title, x, y: points_axis(related.score), series, level: None, steps: Vec::new() };
        let of = |r: Option<crate::metrics::correlation::Correlation>| {
            r.map_or_else(|| "too few runs".to_owned(), |c| number::fixed(c.r, 3))
        };
        let caption = format!(
            "Points of 100 against perplexity. Pearson's r of ln perplexity: {}; without collapsed runs: {}.",
            of(related.all.logarithm),
            of(related.sound.logarithm)
        );
        let words = format!("correlation {} {} {}", related.score.task, related.text.text, related.model);
        self.add(&words, &caption, |slug| chart.draw(slug))
    }

    /// A score of all models against the bytes of their weights.
    pub fn score_bytes(&mut self, study: &Study, score: &Score) -> String {
        let place = |run: &Run| Some((run.memory.weights? as f64 / 1e9, run.score_like(score)?.points()));
        let models = study.models();
        let series = series(study, study.runs.iter(), |run| {
            let (x, y) = place(run)?;
            let model = models.iter().position(|model| *model == run.model).unwrap_or(0);
            let letter = (b'A' + (model % 26) as u8) as char;
            let label = if models.len() > 1 { format!("{letter}{}", run.bits) } else { run.bits.to_string() };
            Some(Point { x, y, label, title: run.full_title() })
        });
        let all: Vec<(f64, f64)> = study.runs.iter().filter_map(place).collect();
        let chart = Chart {
            title: format!("{} against size", score.title()),
            x: Axis::log("weights, GB", short),
            y: points_axis(score),
            series,
            level: None,
            steps: frontier(&all, score.higher_is_better),
        };
        let names: Vec<String> =
            models.iter().enumerate().map(|(i, m)| format!("{} {m}", (b'A' + (i % 26) as u8) as char)).collect();
        let models = if names.len() > 1 { format!(" Models: {}.", names.join(", ")) } else { String::new() };
        let caption = format!("Points of 100; labels end in nominal bits.{models} Dashed: the best of a size or less.");
        self.add(&format!("size {}", score.task), &caption, |slug| chart.draw(slug))
    }

    /// Outlier shares of a model's layers.
    pub fn outlier_layers(&mut self, study: &Study, model: &str) -> String {
        let runs = study.of(model).filter(|run| run.outliers.as_ref().is_some_and(|o| !o.layers.is_empty()));
        let series = runs.enumerate().map(|(shape, run)| {
            let layers = run.outliers.as_ref().map_or(&[][..], |outliers| &outliers.layers);
            let points = layers.iter().enumerate().map(|(layer, share)| {
                let title = format!("{}, layer {layer}: {}", run.title(), number::percent(*share));
                Point { x: layer as f64, y: share * 100.0, label: String::new(), title }
            });
            // Each run is a line here, so that a mark stands for a run.
            let mark = Mark { shape, hollow: run.purpose != Purpose::Preset };
            Series { name: run.title(), mark, joined: true, points: points.collect() }
        });
        let series: Vec<Series> = series.collect();
        let chart = Chart {
            title: format!("{model}: outliers by layer"),
            x: Axis::linear("decoder layer", short),
            y: Axis::log("outliers, %", short),
            series,
            level: None,
            steps: Vec::new(),
        };
        let caption = "Per cent of a layer's quantized weights that stay in 16 bits, logarithmic.";
        self.add(&format!("outliers {model}"), caption, |slug| chart.draw(slug).map(|(svg, _)| (svg, 0)))
    }

    /// Weights, keys and values, and scratch of every run.
    pub fn memory(&mut self, study: &Study) -> String {
        let bars = by_model(study, |run| {
            let parts = [run.memory.weights, run.memory.kv, run.memory.scratch].map(|part| part.map(|p| p as f64));
            let lacking = parts.iter().any(Option::is_none) && parts.iter().any(Option::is_some);
            let sum = parts.iter().flatten().copied().reduce(|a, b| a + b);
            let text = number::or_missing(sum, |sum| number::bytes(sum as u64));
            (parts.to_vec(), None, if lacking { format!("{text}, in part") } else { text })
        });
        let parts = [("weights", 2), ("keys and values", 1), ("scratch", 5)].map(|(n, c)| (n.to_owned(), c)).to_vec();
        let bars = Bars { title: "Memory on the device".to_owned(), parts, text: |b| number::bytes(b as u64), bars };
        let caption = "Bytes of the engine's buffers by use. The table above also has the peak memory of the process.";
        self.add("memory", caption, |slug| Some((bars.draw(slug)?, 0)))
    }

    /// A rate of every run, by the first protocol that has it.
    pub fn rate(
        &mut self,
        study: &Study,
        title: &str,
        class: usize,
        repeats: impl Fn(&Run) -> Option<Vec<f64>>,
    ) -> String {
        let bars = by_model(study, |run| {
            let spread = repeats(run).and_then(|repeats| Spread::new(&repeats));
            let whisker = spread.filter(|s| s.most > s.least).map(|s| (s.least, s.most));
            let note = number::or_missing(spread, |s| short_rate(s.median));
            (vec![spread.map(|s| s.median)], whisker, note)
        });
        let bars = Bars { title: title.to_owned(), parts: vec![("median".to_owned(), class)], text: short_rate, bars };
        self.add(title, "Median of the repeats; whiskers from least to most.", |slug| Some((bars.draw(slug)?, 0)))
    }

    /// Share of the copy's bandwidth while decoding.
    pub fn bandwidth(&mut self, study: &Study) -> String {
        let bars = by_model(study, |run| {
            let share = run.speeds.first().and_then(|speed| speed.share_of_copy());
            (vec![share], None, number::or_missing(share, number::percent))
        });
        let title = "Decoding: share of copy bandwidth".to_owned();
        let bars = Bars { title, parts: vec![("share".to_owned(), 4)], text: number::percent, bars };
        let caption = "Bytes read for a token times tokens a second, over what a plain copy moves on this adapter.";
        self.add("bandwidth", caption, |slug| Some((bars.draw(slug)?, 0)))
    }
}

fn short_rate(rate: f64) -> String {
    number::fixed(rate, if rate < 100.0 { 1 } else { 0 })
}

type Drawn = (Vec<Option<f64>>, Option<(f64, f64)>, String);

/// A bar for each run, under the names of their models where there are several.
fn by_model(study: &Study, draw: impl Fn(&Run) -> Drawn) -> Vec<Bar> {
    let models = study.models();
    let mut bars = Vec::new();
    for model in &models {
        for (index, run) in study.of(model).enumerate() {
            let (values, spread, note) = draw(run);
            let heading = (index == 0 && models.len() > 1).then(|| (*model).to_owned());
            bars.push(Bar { label: run.title(), heading, values, spread, note });
        }
    }
    bars
}

/// Of size and quality: those that nothing of the same size or less is better than, by size.
pub fn frontier(points: &[(f64, f64)], higher_is_better: bool) -> Vec<(f64, f64)> {
    let better = |a: f64, b: f64| if higher_is_better { a > b } else { a < b };
    let mut sorted = points.to_vec();
    // The best of equal sizes comes first.
    let quality = |a: f64, b: f64| if higher_is_better { b.total_cmp(&a) } else { a.total_cmp(&b) };
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(quality(a.1, b.1)));
    let mut best: Vec<(f64, f64)> = Vec::new();
    for point in sorted {
        if best.last().is_none_or(|last| better(point.1, last.1)) {
            best.push(point);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frontier_is_what_nothing_smaller_beats() {
        let points = [(4.0, 50.0), (1.0, 30.0), (2.0, 60.0), (2.0, 40.0), (8.0, 61.0), (3.0, 60.0)];
        assert_eq!(frontier(&points, true), [(1.0, 30.0), (2.0, 60.0), (8.0, 61.0)]);
        assert_eq!(frontier(&points, false), [(1.0, 30.0)]);
        assert!(frontier(&[], true).is_empty());
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!([0.5, 10.0, 12500.0, 0.0035, 1e-7].map(short), ["0.5", "10", "12.5k", "0.0035", "1e−7"]);
    }
}
