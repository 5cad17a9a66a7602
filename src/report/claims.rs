//! The claims of the paper (Jin et al. 2024), each judged by a rule.

use super::Findings;
use super::correlate::{LEAST_RUNS, MeanCorrelation, mean};
use super::data::{Perplexity, Purpose, RunResult};
use super::number::{self, extent};
use super::standings::Standings;

/// Methods of the claims.
const GPTQ: &str = "gptq";
const SPQR: &str = "spqr";

/// Judgement of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimOutcome {
    Held,
    Fell,
    Untested,
}

impl ClaimOutcome {
    pub(super) fn title(self) -> &'static str {
        match self {
            ClaimOutcome::Held => "held here",
            ClaimOutcome::Fell => "did not hold",
            ClaimOutcome::Untested => "could not be tested",
        }
    }
}

/// Claim with its judgement.
pub struct Claim {
    pub claim: &'static str,
    /// Rule of the judgement.
    pub rule: &'static str,
    pub outcome: ClaimOutcome,
    /// Numbers behind the judgement, or what they lack.
    pub evidence: String,
}

/// Judges all claims, in the order of the paper.
pub fn claims(findings: &Findings<'_>) -> Vec<Claim> {
    vec![
        four_bits(findings),
        three_bits(findings),
        perplexity_predicts(findings),
        larger_beats_smaller(findings),
        gptq_fails(findings),
        spqr_works(findings),
        spqr_needs_outliers(findings),
        outliers_grow(findings),
        true_bits(findings),
        equal_bits(findings),
        slower(findings),
        saves_nothing(findings),
    ]
}

/// Judges a claim by the number of cases that passed, of all cases. Without cases the claim is untested for the reason
/// `without`.
fn judged(
    claim: &'static str,
    rule: &'static str,
    (passed, all): (usize, usize),
    enough: impl Fn(usize, usize) -> bool,
    without: &str,
    evidence: impl FnOnce() -> String,
) -> Claim {
    let (outcome, evidence) = match (all, enough(passed, all)) {
        (0, _) => (ClaimOutcome::Untested, without.to_owned()),
        (_, true) => (ClaimOutcome::Held, evidence()),
        (_, false) => (ClaimOutcome::Fell, evidence()),
    };
    Claim { claim, rule, outcome, evidence }
}

/// Returns whether more than half passed.
pub(super) fn most(passed: usize, all: usize) -> bool {
    passed * 2 > all
}

fn every(passed: usize, all: usize) -> bool {
    passed == all
}

fn count<T>(items: &[T], test: impl Fn(&T) -> bool) -> (usize, usize) {
    (items.iter().filter(|item| test(item)).count(), items.len())
}

/// Returns evidence as a sentence.
fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.collect::<Vec<_>>().join("; ") + "."
}

fn four_bits(findings: &Findings<'_>) -> Claim {
    let found = Standings::new(findings, &[4]);
    Claim {
        claim: "4 bits keep scores comparable to 16 bits on most benchmarks.",
        rule: "A main score is shown comparable if the whole 95 % interval of its change lies at a loss of at most 2 \
               points; otherwise shown worse if it is significantly worse after Holm or the whole interval lies beyond \
               a loss of 2 points; else open. Skipped are scores that are not above guessing in 16 bits: the value \
               less 1.96 standard errors is at most what guessing scores. Held if more than half of the 4-bit scores \
               are shown comparable; did not hold if at least half are shown worse; else it could not be tested.",
        outcome: found.outcome(found.comparable, found.worse + found.beyond),
        evidence: found.text(),
    }
}

fn three_bits(findings: &Findings<'_>) -> Claim {
    let found = Standings::new(findings, &[3, 2]);
    Claim {
        claim: "3 bits and below lose clearly.",
        rule: "Scores are shown comparable, shown worse, open or skipped as for 4 bits. Held if more than half of the \
               3-bit and 2-bit scores are shown worse, and significantly so after Holm; did not hold if at least half \
               are shown comparable; else it could not be tested.",
        outcome: found.outcome(found.worse, found.comparable),
        evidence: found.text(),
    }
}

/// Fewest runs that have not collapsed of a coefficient that judges the claim.
const PREDICTED_RUNS: usize = 5;

fn perplexity_predicts(findings: &Findings<'_>) -> Claim {
    let found = mean(&findings.related, true, PREDICTED_RUNS);
    let all = mean(&findings.related, false, LEAST_RUNS);
    let all = all.map_or_else(
        || format!("Over all runs no coefficient has {LEAST_RUNS} runs."),
        |all| {
            format!(
                "The study's own measure, the mean of |r| over all runs: {} over {}.",
                number::fixed(all.absolute, 4),
                all.count
            )
        },
    );
    judged(
        "Perplexity predicts scores: mean absolute Pearson coefficient 0.7895.",
        "Judged on runs that have not collapsed, over the pairs of text and task with at least 5 such runs of a model. \
         Pearson's r is taken with its sign, above 0 where a lower perplexity goes with a better score, so that wrong \
         signs count against. The mean is at least 0.7.",
        (usize::from(found.is_some_and(|found| found.signed >= 0.7)), found.map_or(0, |found| found.count)),
        |passed, _| passed == 1,
        &format!("No text and task have a coefficient of at least 5 runs that have not collapsed. {all}"),
        || {
            let text = |f: MeanCorrelation| {
                format!("{} over {}, {} of the wrong sign", number::fixed(f.signed, 4), f.count, f.wrong)
            };
            format!("Mean of r with its sign: {}. {all}", found.map_or_else(String::new, text))
        },
    )
}

fn larger_beats_smaller(findings: &Findings<'_>) -> Claim {
    let runs = &findings.study.runs;
    let mut pairs = Vec::new();
    for small in runs.iter().filter(|run| run.is_baseline()) {
        for large in runs.iter().filter(|run| !run.is_baseline() && run.parameters > small.parameters) {
            let (Some(room), Some(need)) = (small.memory.weights, large.memory.weights) else { continue };
            let shared: Vec<bool> = small
                .scores
                .iter()
                .filter(|score| score.is_main())
                .filter_map(|score| {
                    let (ours, theirs) = (large.score_like(score)?.value, score.value);
                    Some(if score.higher_is_better { ours > theirs } else { ours < theirs })
                })
                .collect();
            if need as f64 <= 1.1 * room as f64 && !shared.is_empty() {
                let (won, all) = count(&shared, |won| *won);
                pairs.push((large.full_title(), small.full_title(), won, all));
            }
        }
    }
    let found = count(&pairs, |(_, _, won, all)| most(*won, *all));
    judged(
        "At similar memory a larger quantized model can beat a smaller one in 16 bits.",
        "At least one quantized model, its weights at most 1.1 times those of a smaller 16-bit model, has better values \
         in more than half of the scores of both.",
        found,
        |passed, _| passed > 0,
        "No quantized model has weights of at most 1.1 times a smaller 16-bit model's, and a score that both have.",
        || {
            let best = pairs.iter().max_by(|a, b| (a.2 * b.3).cmp(&(b.2 * a.3)));
            let best = best.map_or_else(String::new, |(large, small, won, all)| {
                format!(" {large} is ahead of {small} in {won} of {all} scores.")
            });
            format!("{} of {} pairs.{best}", found.0, found.1)
        },
    )
}

/// Returns whether a run collapsed on any text, and its worst perplexity with `beside` behind it. None: no perplexity
/// has a comparison.
fn collapse(
    findings: &Findings<'_>,
    run: &RunResult,
    beside: &dyn Fn(&RunResult, &Perplexity) -> String,
) -> Option<(bool, String)> {
    let rises = || findings.rises.iter().filter(|rise| std::ptr::eq(rise.run, run));
    // No number is worse than any number.
    let size = |ratio: f64| if ratio.is_nan() { f64::INFINITY } else { ratio };
    let worst = rises().max_by(|a, b| size(a.ratio).total_cmp(&size(b.ratio)))?;
    let (value, text) = (number::perplexity(worst.perplexity.value), &worst.perplexity.text);
    let text = format!("{}: {value} on {text}{}", run.full_title(), beside(run, worst.perplexity));
    Some((rises().any(|rise| rise.collapsed), text))
}

/// Returns [`collapse`] of every 2-bit run of a kind.
fn collapses(
    findings: &Findings<'_>,
    method: &str,
    purpose: Purpose,
    beside: &dyn Fn(&RunResult, &Perplexity) -> String,
) -> (Vec<bool>, String) {
    let wanted = |run: &&RunResult| run.method == method && run.purpose == purpose && run.bits == 2;
    let found = findings.study.runs.iter().filter(wanted).filter_map(|run| collapse(findings, run, beside));
    let (collapsed, texts): (Vec<bool>, Vec<String>) = found.unzip();
    (collapsed, format!("At worst: {}.", texts.join("; ")))
}

fn nothing(_: &RunResult, _: &Perplexity) -> String {
    String::new()
}

fn gptq_fails(findings: &Findings<'_>) -> Claim {
    let (collapsed, texts) = collapses(findings, GPTQ, Purpose::Preset, &nothing);
    judged(
        "GPTQ fails completely at 2 bits (perplexity above 38,000).",
        "On some text every 2-bit GPTQ run's perplexity is above 10 times its 16-bit run's, or no number.",
        count(&collapsed, |collapsed| *collapsed),
        every,
        "No 2-bit GPTQ run has a perplexity that its 16-bit run has too.",
        || texts,
    )
}

fn spqr_works(findings: &Findings<'_>) -> Claim {
    let (collapsed, texts) = collapses(findings, SPQR, Purpose::Preset, &nothing);
    judged(
        "SpQR works at 2 bits.",
        "On all texts every 2-bit SpQR run of the preset has at most 10 times its 16-bit run's perplexity.",
        count(&collapsed, |collapsed| !collapsed),
        every,
        "No 2-bit SpQR run of the preset has a perplexity that its 16-bit run has too.",
        || texts,
    )
}

fn spqr_needs_outliers(findings: &Findings<'_>) -> Claim {
    let mut pairs = Vec::new();
    let runs = &findings.study.runs;
    for changed in runs.iter().filter(|run| run.method == SPQR && run.purpose == Purpose::Ablation) {
        let preset = runs.iter().find(|run| {
            (run.method.as_str(), run.purpose) == (SPQR, Purpose::Preset)
                && (&run.model, run.bits) == (&changed.model, changed.bits)
        });
        let Some(preset) = preset else { continue };
        for perplexity in &changed.perplexities {
            let Some(before) = preset.perplexity_like(perplexity) else { continue };
            let ratio = perplexity.value / before.value;
            let times = number::fixed(ratio, 2);
            pairs.push((
                ratio.is_nan() || ratio >= 1.1,
                format!("{} on {}: × {times}", changed.full_title(), perplexity.text),
            ));
        }
    }
    judged(
        "Without outliers or with groups of 128, SpQR's perplexity rises much.",
        "Each such run's perplexity is at least 1.1 times that of the preset at the same bits, on every text.",
        count(&pairs, |(rose, _)| *rose),
        every,
        "No such run has a perplexity that the preset at the same bits has too.",
        || list(pairs.iter().map(|(_, text)| text.as_str())),
    )
}

fn outliers_grow(findings: &Findings<'_>) -> Claim {
    let mut models = Vec::new();
    for model in findings.study.models() {
        let of_model = findings.study.of(model).filter(|run| run.method == SPQR && run.is_quantized_preset());
        let mut shares: Vec<(u32, f64)> =
            of_model.filter_map(|run| Some((run.bits, run.outliers.as_ref()?.share))).collect();
        shares.sort_by_key(|(bits, _)| std::cmp::Reverse(*bits));
        if shares.len() >= 2 {
            let rising = shares.windows(2).all(|pair| pair[0].1 < pair[1].1);
            let list: Vec<String> = shares.iter().map(|(b, s)| format!("{} at {b} bit", number::percent(*s))).collect();
            models.push((rising, format!("{model}: {}", list.join(", "))));
        }
    }
    judged(
        "The share of SpQR's outliers grows as bits fall, from 0.003 % at 8 bits to 11.336 % at 2.",
        "In every model with two widths of SpQR's preset or more, each smaller width has more outliers.",
        count(&models, |(rising, _)| *rising),
        every,
        "No model has the outliers of SpQR's preset at two widths.",
        || list(models.iter().map(|(_, text)| text.as_str())),
    )
}

fn true_bits(findings: &Findings<'_>) -> Claim {
    let wanted = |run: &&RunResult| run.method == SPQR && run.is_quantized_preset() && run.bits == 2;
    let found: Vec<(String, f64)> =
        findings.study.runs.iter().filter(wanted).filter_map(|run| Some((run.full_title(), run.true_bits?))).collect();
    judged(
        "SpQR's 2 bits are about 6 in truth (what its share of outliers comes to).",
        "Every 2-bit SpQR run of the preset has at least 4 true bits per weight, twice the nominal ones.",
        count(&found, |(_, bits)| *bits >= 4.0),
        every,
        "No 2-bit SpQR run of the preset has its true bits.",
        || found.iter().map(|(run, b)| format!("{run}: {}", number::fixed(*b, 2))).collect::<Vec<_>>().join("; ") + ".",
    )
}

fn equal_bits(findings: &Findings<'_>) -> Claim {
    let study = findings.study;
    let gptq = |run: &RunResult, perplexity: &Perplexity| {
        let wider = study
            .of(&run.model)
            .find(|other| other.is_quantized_preset() && (other.method.as_str(), other.bits) == (GPTQ, run.bits + 1));
        let found = wider.and_then(|wider| Some((wider.title(), wider.perplexity_like(perplexity)?.value)));
        found.map_or_else(String::new, |(title, value)| format!(" ({title}: {})", number::perplexity(value)))
    };
    let (collapsed, texts) = collapses(findings, SPQR, Purpose::EqualBits, &gptq);
    judged(
        "SpQR still works at 2 bits when its true bits equal those of GPTQ one bit wider (open in the study).",
        "On all texts every 2-bit SpQR run whose budget of true bits is that of GPTQ one bit wider has at most 10 times \
         its 16-bit run's perplexity.",
        count(&collapsed, |collapsed| !collapsed),
        every,
        "No 2-bit SpQR run at equal true bits has a perplexity that its 16-bit run has too.",
        || texts,
    )
}

fn slower(findings: &Findings<'_>) -> Claim {
    let decoding = findings.study.decoding(RunResult::is_quantized_preset);
    let slow = |(_, ratio): &(&RunResult, f64)| *ratio < 1.0;
    // Those that vary may be the slow ones, so a minority shows nothing.
    let enough = 2 * decoding.ratios.len() >= decoding.all();
    let without = if decoding.all() == 0 {
        "No quantized run of a preset has a speed.".to_owned()
    } else {
        format!("{}. What is left is too little.", decoding.text())
    };
    judged(
        "Quantization often slows decoding, above all at 3 and 2 bits.",
        "Compared are the presets' runs that vary by 5 % at most, as their 16-bit run does; at least half of those with \
         a speed must be. More than half of them decode fewer tokens a second than 16 bits.",
        if enough { count(&decoding.ratios, slow) } else { (0, 0) },
        most,
        &without,
        || {
            let low: Vec<_> = decoding.ratios.iter().copied().filter(|(run, _)| run.bits <= 3).collect();
            let ((slower, all), (low_slower, low_all)) = (count(&decoding.ratios, slow), count(&low, slow));
            let counts = format!("{slower} of {all} are slower; at 3 and 2 bits {low_slower} of {low_all}.");
            format!("{}. {counts}", decoding.text())
        },
    )
}

fn saves_nothing(findings: &Findings<'_>) -> Claim {
    let study = findings.study;
    let runs = study.runs.iter().filter(|run| run.method == SPQR && run.is_quantized_preset());
    let shares: Vec<f64> = runs.filter_map(|run| study.weight_share(run)).collect();
    judged(
        "SpQR, simulated in 16 bits there, saves no memory.",
        "Every SpQR run of the preset holds at least 0.95 times the weight bytes of its 16-bit run.",
        count(&shares, |share| *share >= 0.95),
        every,
        "No SpQR run of the preset has weight bytes beside its 16-bit run's.",
        || {
            let (least, most) = extent(shares.iter().copied()).unwrap_or((1.0, 1.0));
            format!("From {} to {} of the 16-bit bytes.", number::percent(least), number::percent(most))
        },
    )
}
