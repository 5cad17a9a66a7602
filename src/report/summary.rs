//! Parts of the page in words: notes, terms, the summary, the conditions of the measurement, and the paper's claims.

use maud::{Markup, html};

use super::Analysis;
use super::claims::{Claim, ClaimOutcome};
use super::compare::ChangeVerdict;
use super::correlate::{LEAST_RUNS, mean};
use super::data::{RunResult, StudyResult};
use super::html::folded;
use super::number;
use super::run::{describe, first_of};
use crate::metrics::statistics;

fn plural(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// Returns what a reader must know first: what is still missing, the study's note, and what could not be measured.
pub(super) fn notes(study: &StudyResult) -> Markup {
    let failures: Vec<String> = study.failures.iter().map(|form| format!("{} ({})", form.name, form.value)).collect();
    html! {
        @if !study.missing.is_empty() {
            p.note { "Not finished: still to be measured are " (study.missing.join(", ")) "." }
        }
        @if let Some(note) = &study.note { p.note { (note) } }
        @if !failures.is_empty() { p.note { "Not measured: " (failures.join("; ")) "." } }
    }
}

/// Returns what each method of the study does, and the terms that a reader may not know.
pub(super) fn glossary(study: &StudyResult) -> Markup {
    let methods = study.methods().into_iter().filter_map(describe);
    let others = [
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
    let terms = html! { dl { @for (term, meaning) in methods.chain(others) { dt { (term) } dd { (meaning) } } } };
    folded("Methods and terms", &terms)
}

/// Returns the study in a few sentences, the broadest first.
pub(super) fn summary(analysis: &Analysis<'_>, claims: &[Claim]) -> Markup {
    html! { ul.summary { @for sentence in sentences(analysis, claims) { li { (sentence) } } } }
}

fn sentences(analysis: &Analysis<'_>, claims: &[Claim]) -> Vec<String> {
    let study = analysis.study;
    let (models, texts, scores) = (study.models().len(), study.texts().len(), study.main_scores());
    let tasks = first_of(scores.iter().map(|score| score.task.as_str())).len();
    let mut sentences = vec![format!(
        "{} of {} on {}, and perplexity on {}.",
        plural(study.runs.len(), "run"),
        plural(models, "model"),
        if tasks == 0 { "no benchmark".to_owned() } else { plural(tasks, "benchmark") },
        if texts == 0 { "no text".to_owned() } else { plural(texts, "text") },
    )];
    if !study.failures.is_empty() {
        sentences.push(format!("{} could not be measured.", plural(study.failures.len(), "form")));
    }
    let mut widths = first_of(study.runs.iter().filter(|run| run.is_quantized_preset()).map(|run| run.bits));
    widths.sort_unstable_by(|a, b| b.cmp(a));
    sentences.extend(widths.into_iter().filter_map(|bits| width(analysis, bits)));
    let collapsed = first_of(analysis.rises.iter().filter(|rise| rise.collapsed).map(|rise| rise.run.full_title()));
    if !collapsed.is_empty() {
        sentences.push(format!("Above ten times the 16-bit perplexity, or not finite: {}.", collapsed.join("; ")));
    }
    for (runs, sound) in [("all runs", false), ("without collapsed runs", true)] {
        if let Some(mean) = mean(&analysis.relations, sound, LEAST_RUNS) {
            sentences.push(format!("Mean Pearson coefficient of perplexity and score, {runs}: {}.", mean.text()));
        }
    }
    sentences.extend(extremes(study));
    let count = |outcome| claims.iter().filter(|claim| claim.outcome == outcome).count();
    sentences.push(format!(
        "Of the paper's {} claims below, {} held here, {} did not, and {} could not be tested.",
        claims.len(),
        count(ClaimOutcome::Held),
        count(ClaimOutcome::Fell),
        count(ClaimOutcome::Untested)
    ));
    sentences
}

/// Returns what became of the scores at a width.
fn width(analysis: &Analysis<'_>, bits: u32) -> Option<String> {
    let of_width = |run: &RunResult| run.is_quantized_preset() && run.bits == bits;
    let changes = analysis.changes.iter().filter(|change| change.score.is_main() && of_width(change.run));
    let tested: Vec<_> = changes.filter(|change| change.p.is_some()).collect();
    let mean = statistics::mean(&tested.iter().map(|change| -change.loss()).collect::<Vec<_>>()).ok()?;
    let count = |verdict| tested.iter().filter(|change| change.verdict() == verdict).count();
    let others = [
        (ChangeVerdict::Better, "significantly better"),
        (ChangeVerdict::Equivalent, "within one point by the equivalence test"),
        (ChangeVerdict::Open, "with neither shown"),
    ];
    let others = others.map(|(verdict, text)| (count(verdict), text)).into_iter().filter(|(count, _)| *count > 0);
    let others: String = others.map(|(count, text)| format!(", {count} {text}")).collect();
    Some(format!(
        "At {bits} bits, {} against 16 bits: {} significantly worse{others} (mean change {} points, up is better).",
        plural(tested.len(), "score"),
        count(ChangeVerdict::Worse),
        number::signed(mean, 1)
    ))
}

/// Returns the smallest weights and the fastest and slowest decoding against 16 bits.
fn extremes(study: &StudyResult) -> Vec<String> {
    let mut sentences = Vec::new();
    let sizes = study.runs.iter().filter_map(|run| Some((run, study.weight_share(run)?)));
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
    let fastest = rates.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let slowest = rates.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    for (name, end) in [("Fastest decoding", fastest), ("Slowest", slowest)] {
        let Some((run, ratio)) = end else { continue };
        let (run, times) = (run.full_title(), number::fixed(*ratio, 2));
        let count = rates.len();
        sentences.push(format!("{name} of the {count} quantized runs with a speed: {run}, {times} times 16 bits."));
    }
    sentences
}

/// Returns how the study was measured.
pub(super) fn conditions(study: &StudyResult) -> Markup {
    let conditions = &study.conditions;
    let fixed = [
        ("date", conditions.date.as_str()),
        ("qwgpu", &conditions.qwgpu),
        ("adapter", &conditions.adapter),
        ("driver", conditions.driver.as_deref().unwrap_or("not reported")),
        ("path", &conditions.path),
        ("perplexity", &conditions.perplexity_protocol),
        ("speed", &conditions.speed_protocol),
    ];
    let lists = [("seed ", &conditions.seeds), ("digest ", &conditions.digests), ("", &conditions.others)];
    let parameters = |model| number::parameters(study.of(model).next().map_or(0, |run| run.parameters));
    html! {
        dl {
            dt { "command" } dd { code { (conditions.command) } }
            @for (name, value) in fixed { dt { (name) } dd { (value) } }
            @for model in study.models() { dt { (model) } dd { (parameters(model)) " parameters" } }
            @for (name, list) in lists { @for fact in list { dt { (name) (fact.name) } dd { (fact.value) } } }
        }
        p {
            "Statistics: McNemar's test for documents that are right or wrong, exact below 25 that differ, with the \
             adjusted Wald interval of Bonett and Price (2012) for the difference of paired shares; else a paired \
             bootstrap of 10,000 resamples, from 10 pairs on; Holm's correction over the scores of a model; \
             equivalence by two one-sided t tests at ±1 point, and where all n pairs differ alike, mostly not at all, \
             by the probability 0.99ⁿ of that if 1 % of the documents differed otherwise. Where runs did not answer \
             the same documents, or a metric is not a mean, the comparison is an unpaired z test, which has less \
             power."
        }
        p {
            "As data: "
            @for (index, (name, _)) in super::TABLES.iter().enumerate() {
                @if index > 0 { ", " }
                a href=(name) { (name) }
            }
            "."
        }
    }
}

/// Returns the claims of the paper and what became of them.
pub(super) fn claims(claims: &[Claim]) -> Markup {
    html! {
        p { "Jin et al., A Comprehensive Evaluation of Quantization Strategies for Large Language Models, 2024." }
        ol.claims {
            @for claim in claims {
                @let class = match claim.outcome {
                    ClaimOutcome::Held => "better",
                    ClaimOutcome::Fell => "worse",
                    ClaimOutcome::Untested => "quiet",
                };
                li {
                    p { strong { (claim.claim) } }
                    p { strong class=(class) { (claim.outcome.title()) } ": " (claim.evidence) }
                    p.quiet { "Rule: " (claim.rule) }
                }
            }
        }
    }
}
