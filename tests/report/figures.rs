//! What figures show: round ticks, headings that fit, and the frontier of size and quality.

use qwgpu::report;
use qwgpu::report::data::StudyResult;

use super::study;

/// Returns a study of one model with a run for each pair of numbers.
fn pairs(numbers: &[(f64, f64)], set: impl Fn(&mut report::data::RunResult, f64, f64)) -> StudyResult {
    let mut study = study();
    let template = study.runs[0].clone();
    let runs = numbers.iter().enumerate().map(|(index, (a, b))| {
        let mut run = template.clone();
        run.perplexities.truncate(1);
        run.scores.truncate(1);
        run.scores[0].chance = None;
        run.true_bits = Some(2.0 + index as f64);
        set(&mut run, *a, *b);
        run
    });
    study.runs = runs.collect();
    study
}

/// Returns the only figure whose file name contains `part`.
fn figure(study: &StudyResult, part: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    report::write(study, folder.path()).unwrap();
    let files = std::fs::read_dir(folder.path().join("figures")).unwrap().map(|entry| entry.unwrap().path());
    let mut found = files.filter(|file| file.to_string_lossy().contains(part));
    let text = std::fs::read_to_string(found.next().unwrap_or_else(|| panic!("no figure of {part}"))).unwrap();
    assert!(found.next().is_none(), "several figures of {part}");
    text
}

/// Returns the texts that begin with `start` in a figure.
fn texts(figure: &str, start: &str) -> Vec<String> {
    let texts = figure.split(start).skip(1);
    texts.map(|text| text.split(['>', '<']).nth(1).unwrap().to_owned()).collect()
}

#[test]
fn ticks_are_round_and_short() {
    let linear: &[(&[f64], &[&str])] = &[
        (&[51.0, 69.0], &["50", "55", "60", "65", "70"]),
        (&[0.0, 1.0], &["0", "0.5", "1"]),
        (&[7.0], &["6.8", "7", "7.2"]),
        (&[10_000.0, 20_000.0], &["10k", "15k", "20k"]),
    ];
    let logarithmic: &[(&[f64], &[&str])] = &[
        (&[8.0, 38000.0], &["10", "100", "1,000", "10k"]),
        (&[2.0, 16.0], &["2", "5", "10"]),
        (&[8.0, 44.0], &["10", "20", "30"]),
        (&[1e-7, 1e-6], &["1e−7", "2e−7", "5e−7", "1e−6"]),
    ];
    let of = |values: &[f64], log: bool| {
        let numbers: Vec<(f64, f64)> = values.iter().map(|value| (*value, 0.0)).collect();
        let study = pairs(&numbers, |run, value, _| match log {
            true => run.perplexities[0].value = value,
            false => run.scores[0].value = value / 100.0,
        });
        texts(&figure(&study, if log { "-bits-perplexity-" } else { "-bits-mmlu-" }), "<text class=\"soft\" x=\"40.0\"")
    };
    for (cases, log) in [(linear, false), (logarithmic, true)] {
        for (values, expected) in cases {
            assert_eq!(of(values, log), *expected, "{values:?}");
        }
    }
    assert!(of(&[1e-300, 1e300, f64::NAN], true).len() <= 7);
}

#[test]
fn long_headings_take_two_lines() {
    let headings = |name: &str| {
        let mut study = pairs(&[(8.0, 0.0), (9.0, 0.0)], |run, value, _| run.perplexities[0].value = value);
        study.runs.iter_mut().for_each(|run| run.model = name.to_owned());
        texts(&figure(&study, "-bits-perplexity-"), "<text class=\"strong\"")
    };
    assert_eq!(headings("tiny"), ["tiny: perplexity, WikiText2"]);
    let long = "qwen2.5-coder-0.5b-instruct-q4_k_m";
    assert_eq!(headings(long), [long, "perplexity, WikiText2"]);
    assert!(headings(&"a".repeat(99))[0].ends_with('…'));
}

#[test]
fn the_frontier_is_what_nothing_smaller_beats() {
    let points = [(4.0, 0.5), (1.0, 0.3), (2.0, 0.6), (2.0, 0.4), (8.0, 0.61), (3.0, 0.6)];
    let mut study = pairs(&points, |run, size, value| {
        (run.memory.weights, run.scores[0].value) = (Some((size * 1e9) as u64), value);
    });
    let corners = |study: &StudyResult| {
        let figure = figure(study, "-size-");
        figure
            .split_once("class=\"frontier\" points=\"")
            .map_or(0, |(_, rest)| rest.split('"').next().unwrap().split(' ').count())
    };
    // Three points, and a corner of the steps between each two.
    assert_eq!(corners(&study), 5);
    study.runs.iter_mut().for_each(|run| run.scores[0].higher_is_better = false);
    assert_eq!(corners(&study), 0, "the smallest is the best: no steps");
}
