//! The study in a few sentences, made from its numbers.

use super::Findings;
use super::claims::{Claim, Outcome};
use super::compare::Verdict;
use super::correlate::{LEAST_RUNS, mean};
use super::data::{Run, Study};
use super::html::folded;
use super::run::first_of;
use super::{methods, number};

fn plural(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// Sentences, the widest first.
pub fn sentences(findings: &Findings<'_>, claims: &[Claim]) -> Vec<String> {
    let study = findings.study;
    let (models, texts, scores) = (study.models().len(), study.texts().len(), study.main_scores());
    let tasks = first_of(scores.iter().map(|score| score.task.as_str())).len();
    let mut sentences = vec![format!(
        "{} of {} on {}, and perplexity on {}.",
        plural(study.runs.len(), "run", "runs"),
        plural(models, "model", "models"),
        if tasks == 0 { "no benchmark".to_owned() } else { plural(tasks, "benchmark", "benchmarks") },
        if texts == 0 { "no text".to_owned() } else { plural(texts, "text", "texts") },
    )];
    if !study.failures.is_empty() {
        sentences.push(format!("{} could not be measured.", plural(study.failures.len(), "form", "forms")));
    }
    let widths = first_of(study.runs.iter().filter(|run| run.is_quantized_preset()).map(|run| run.bits));
    let mut widths: Vec<u32> = widths;
    widths.sort_unstable_by(|a, b| b.cmp(a));
    sentences.extend(widths.into_iter().filter_map(|bits| width(findings, bits)));
    let collapsed = first_of(findings.rises.iter().filter(|rise| rise.collapsed).map(|rise| rise.run.full_title()));
    if !collapsed.is_empty() {
        sentences.push(format!(
            "Above ten times the 16-bit perplexity, or no number: {}.",
            collapsed.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
        ));
    }
    for (runs, sound) in [("all runs", false), ("without collapsed runs", true)] {
        if let Some(mean) = mean(&findings.related, sound, LEAST_RUNS) {
            sentences.push(format!("Mean Pearson coefficient of perplexity and score, {runs}: {}.", mean.text()));
        }
    }
    sentences.extend(extremes(findings));
    let of = |outcome| claims.iter().filter(|claim| claim.outcome == outcome).count();
    sentences.push(format!(
        "Of the study's {} claims below, {} held here, {} did not, and {} could not be tested.",
        claims.len(),
        of(Outcome::Held),
        of(Outcome::Fell),
        of(Outcome::Untested)
    ));
    sentences
}

/// What became of the scores at a width.
fn width(findings: &Findings<'_>, bits: u32) -> Option<String> {
    let of_width = |run: &Run| run.is_quantized_preset() && run.bits == bits;
    let changes = findings.changes.iter().filter(|change| change.score.is_main() && of_width(change.run));
    let tested: Vec<_> = changes.filter(|change| change.p.is_some()).collect();
    let mean =
        crate::metrics::statistics::mean(&tested.iter().map(|change| -change.loss()).collect::<Vec<_>>()).ok()?;
    let of = |verdict| tested.iter().filter(|change| change.verdict() == verdict).count();
    let (worse, better, equivalent) = (of(Verdict::Worse), of(Verdict::Better), of(Verdict::Equivalent));
    let open = tested.len() - worse - better - equivalent;
    let mut parts = vec![format!("{worse} significantly worse")];
    for (count, text) in [
        (better, "significantly better"),
        (equivalent, "within one point by the equivalence test"),
        (open, "with neither shown"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {text}"));
        }
    }
    Some(format!(
        "At {bits} bits, {} against 16 bits: {} (mean change {} points, up is better).",
        plural(tested.len(), "score", "scores"),
        parts.join(", "),
        number::signed(mean, 1)
    ))
}

/// The smallest weights and the fastest decoding against 16 bits.
fn extremes(findings: &Findings<'_>) -> Vec<String> {
    let study = findings.study;
    let mut sentences = Vec::new();
    let size = |run: &Run| Some(run.memory.weights? as f64 / study.baseline(run)?.memory.weights? as f64);
    let sizes = study.runs.iter().filter_map(|run| Some((run, size(run)?)));
    if let Some((run, share)) = sizes.min_by(|a, b| a.1.total_cmp(&b.1)) {
        sentences.push(format!("Smallest weights: {}, {} of 16 bits.", run.full_title(), number::percent(share)));
    }
    let decoding = study.decoding(|_| true);
    let rates = &decoding.ratios;
    // An extreme of a part only would be taken for one of all.
    if rates.len() < 2 || decoding.left_out > 0 {
        if decoding.all() > 0 {
            sentences.push(format!("Decoding: {}; no fastest or slowest is named.", decoding.text()));
        }
        return sentences;
    }
    let ends = [
        ("Fastest decoding", rates.iter().max_by(|a, b| a.1.total_cmp(&b.1))),
        ("Slowest", rates.iter().min_by(|a, b| a.1.total_cmp(&b.1))),
    ];
    for (name, (run, ratio)) in ends.into_iter().filter_map(|(name, end)| Some((name, end?))) {
        let (run, times) = (run.full_title(), number::fixed(*ratio, 2));
        sentences
            .push(format!("{name} of the {} quantized runs with a speed: {run}, {times} times 16 bits.", rates.len()));
    }
    sentences
}

/// Writes what each method of the study does, and the terms that a reader may not know.
pub fn glossary(study: &Study) -> String {
    let methods =
        study.methods().into_iter().filter_map(|name| Some((methods::title(name), methods::description(name)?)));
    let terms = [
        (
            "true bits",
            "True bits per quantized weight (embeddings, output matrix and norms stay in 16 bits and are not counted).",
        ),
        ("collapsed", "A run whose perplexity is not finite, or above ten times that of its 16-bit run."),
        ("path", "The implementation that ran: the CPU reference, the portable shaders or the fast shaders."),
        (
            "profile",
            "The source of a benchmark's prompts and scoring: the lm-evaluation-harness (lmh) or qwgpu itself (own).",
        ),
    ];
    let entries = methods.chain(terms).map(|(term, meaning)| format!("<dt>{term}</dt><dd>{meaning}</dd>\n"));
    folded("Methods and terms", &format!("<dl>\n{}</dl>\n", entries.collect::<String>()))
}
