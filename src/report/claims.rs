//! The study's claims (Jin et al. 2024), each judged by a rule that stands beside it.

use super::Findings;
use super::compare::{Change, Verdict};
use super::correlate::{Coefficients, mean_absolute};
use super::data::{Method, Purpose, Run};
use super::number;
use super::run::Spread;

/// What became of a claim here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Held,
    Fell,
    Untested,
}

impl Outcome {
    pub fn title(self) -> &'static str {
        match self {
            Outcome::Held => "held here",
            Outcome::Fell => "did not hold",
            Outcome::Untested => "could not be tested",
        }
    }
}

/// A claim, its rule, and the numbers it was judged by.
pub struct Claim {
    pub claim: &'static str,
    pub rule: &'static str,
    pub outcome: Outcome,
    pub evidence: String,
}

/// Points that a comparable score may lie below its baseline.
const COMPARABLE: f64 = 2.0;

/// All claims, in the study's order.
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

/// Judges `passed` of `all` cases by `enough`; without cases nothing is tested.
fn judged(
    claim: &'static str,
    rule: &'static str,
    (passed, all): (usize, usize),
    enough: impl Fn(usize, usize) -> bool,
    evidence: impl FnOnce() -> String,
) -> Claim {
    let (outcome, evidence) = match (all, enough(passed, all)) {
        (0, _) => (Outcome::Untested, "No runs for it.".to_owned()),
        (_, true) => (Outcome::Held, evidence()),
        (_, false) => (Outcome::Fell, evidence()),
    };
    Claim { claim, rule, outcome, evidence }
}

fn most(passed: usize, all: usize) -> bool {
    passed * 2 > all
}

fn every(passed: usize, all: usize) -> bool {
    passed == all
}

fn count<T>(items: &[T], test: impl Fn(&T) -> bool) -> (usize, usize) {
    (items.iter().filter(|item| test(item)).count(), items.len())
}

/// Main scores of the methods' presets at some widths.
fn at<'a, 'b>(findings: &'b Findings<'a>, bits: &[u32]) -> Vec<&'b Change<'a>> {
    let wanted = |run: &Run| run.is_quantized_preset() && bits.contains(&run.bits);
    findings.changes.iter().filter(|change| change.score.is_main() && wanted(change.run)).collect()
}

fn four_bits(findings: &Findings<'_>) -> Claim {
    let scores = at(findings, &[4]);
    let found = count(&scores, |change| change.loss() <= COMPARABLE);
    let worse = count(&scores, |change| change.verdict() == Verdict::Worse).0;
    judged(
        "4 bits keep scores comparable to 16 bits on most benchmarks.",
        "More than half of the 4-bit scores lie at most 2 points below the 16-bit run.",
        found,
        most,
        || format!("{} of {} do; {worse} are significantly worse.", found.0, found.1),
    )
}

fn three_bits(findings: &Findings<'_>) -> Claim {
    let scores: Vec<_> = at(findings, &[3, 2]).into_iter().filter(|change| change.p.is_some()).collect();
    let found = count(&scores, |change| change.verdict() == Verdict::Worse);
    judged(
        "3 bits and below lose clearly.",
        "More than half of the tested 3-bit and 2-bit scores are significantly worse than 16 bits, after Holm.",
        found,
        most,
        || format!("{} of {} are.", found.0, found.1),
    )
}

fn perplexity_predicts(findings: &Findings<'_>) -> Claim {
    let four = |found: &&Coefficients| found.plain.is_some_and(|plain| plain.pairs >= 4);
    let tested: Vec<_> = findings.related.iter().map(|related| &related.all).filter(four).collect();
    let all = mean_absolute(tested.iter().copied());
    let sound = mean_absolute(findings.related.iter().map(|related| &related.sound).filter(four));
    judged(
        "Perplexity predicts scores: mean absolute Pearson coefficient 0.7895.",
        "The mean of |r| over models, texts and tasks with four runs or more is at least 0.7.",
        (usize::from(all.is_some_and(|(mean, _)| mean >= 0.7)), tested.len()),
        |passed, _| passed == 1,
        || {
            let text = |mean: Option<(f64, usize)>| number::or_missing(mean, |(mean, _)| number::fixed(mean, 4));
            let without = text(sound);
            format!("{} over {} coefficients; without collapsed runs {without}.", text(all), tested.len())
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
        || {
            let best = pairs.iter().max_by(|a, b| (a.2 * b.3).cmp(&(b.2 * a.3)));
            let best = best.map_or_else(String::new, |(large, small, won, all)| {
                format!(" {large} is ahead of {small} in {won} of {all} scores.")
            });
            format!("{} of {} pairs.{best}", found.0, found.1)
        },
    )
}

/// Whether a run collapsed on any text, with its perplexities; None without a comparison.
fn collapse(findings: &Findings<'_>, run: &Run) -> Option<(bool, String)> {
    let rises: Vec<_> = findings.rises.iter().filter(|rise| std::ptr::eq(rise.run, run)).collect();
    let first = rises.first()?;
    let text =
        format!("{}: {} on {}", run.full_title(), number::perplexity(first.perplexity.value), first.perplexity.text);
    Some((rises.iter().any(|rise| rise.collapsed), text))
}

fn collapses(findings: &Findings<'_>, method: Method, purpose: Purpose) -> (Vec<bool>, String) {
    let wanted = |run: &&Run| run.method == method && run.purpose == purpose && run.bits == 2;
    let found = findings.study.runs.iter().filter(wanted).filter_map(|run| collapse(findings, run));
    let (collapsed, texts): (Vec<bool>, Vec<String>) = found.unzip();
    (collapsed, texts.join("; ") + ".")
}

fn gptq_fails(findings: &Findings<'_>) -> Claim {
    let (collapsed, texts) = collapses(findings, Method::Gptq, Purpose::Preset);
    judged(
        "GPTQ fails completely at 2 bits (perplexity above 38,000).",
        "On some text every 2-bit GPTQ run's perplexity is above 10 times its 16-bit run's, or no number.",
        count(&collapsed, |collapsed| *collapsed),
        every,
        || texts,
    )
}

fn spqr_works(findings: &Findings<'_>) -> Claim {
    let (collapsed, texts) = collapses(findings, Method::Spqr, Purpose::Preset);
    judged(
        "SpQR works at 2 bits.",
        "On all texts every 2-bit SpQR run of the preset has at most 10 times its 16-bit run's perplexity.",
        count(&collapsed, |collapsed| !collapsed),
        every,
        || texts,
    )
}

fn spqr_needs_outliers(findings: &Findings<'_>) -> Claim {
    let mut pairs = Vec::new();
    let runs = &findings.study.runs;
    for changed in runs.iter().filter(|run| run.method == Method::Spqr && run.purpose == Purpose::Ablation) {
        let preset = runs.iter().find(|run| {
            (run.method, run.purpose) == (Method::Spqr, Purpose::Preset)
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
        || pairs.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("; ") + ".",
    )
}

fn outliers_grow(findings: &Findings<'_>) -> Claim {
    let mut models = Vec::new();
    for model in findings.study.models() {
        let of_model = findings.study.of(model).filter(|run| run.method == Method::Spqr && run.is_quantized_preset());
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
        || models.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("; ") + ".",
    )
}

fn true_bits(findings: &Findings<'_>) -> Claim {
    let wanted = |run: &&Run| run.method == Method::Spqr && run.is_quantized_preset() && run.bits == 2;
    let found: Vec<(String, f64)> =
        findings.study.runs.iter().filter(wanted).filter_map(|run| Some((run.full_title(), run.true_bits?))).collect();
    judged(
        "SpQR's 2 bits are about 6 in truth (what its share of outliers comes to).",
        "Every 2-bit SpQR run of the preset has at least 4 true bits per weight, twice the nominal ones.",
        count(&found, |(_, bits)| *bits >= 4.0),
        every,
        || found.iter().map(|(run, b)| format!("{run}: {}", number::fixed(*b, 2))).collect::<Vec<_>>().join("; ") + ".",
    )
}

fn equal_bits(findings: &Findings<'_>) -> Claim {
    let (collapsed, texts) = collapses(findings, Method::Spqr, Purpose::EqualBits);
    judged(
        "SpQR still works at 2 bits when its true bits equal those of the others (open in the study).",
        "On all texts every 2-bit SpQR run at equal true bits has at most 10 times its 16-bit run's perplexity.",
        count(&collapsed, |collapsed| !collapsed),
        every,
        || texts,
    )
}

fn slower(findings: &Findings<'_>) -> Claim {
    let study = findings.study;
    let mut ratios = Vec::new();
    for run in study.runs.iter().filter(|run| run.is_quantized_preset()) {
        let Some(baseline) = study.baseline(run) else { continue };
        for speed in &run.speeds {
            let before = baseline.speed_like(speed).and_then(|before| Spread::new(&before.decode));
            if let (Some(after), Some(before)) = (Spread::new(&speed.decode), before) {
                ratios.extend(after.over(&before).ok().map(|ratio| (run.bits, ratio)));
            }
        }
    }
    let found = count(&ratios, |(_, ratio)| *ratio < 1.0);
    judged(
        "Quantization often slows decoding, above all at 3 and 2 bits.",
        "More than half of the quantized runs, varying by 5 % at most, decode fewer tokens a second than 16 bits.",
        found,
        most,
        || {
            let low: Vec<_> = ratios.iter().filter(|(bits, _)| *bits <= 3).collect();
            let (slow, all) = count(&low, |(_, ratio)| *ratio < 1.0);
            format!("{} of {} are slower; at 3 and 2 bits {slow} of {all}.", found.0, found.1)
        },
    )
}

fn saves_nothing(findings: &Findings<'_>) -> Claim {
    let study = findings.study;
    let wanted = |run: &&Run| run.method == Method::Spqr && run.is_quantized_preset();
    let share = |run: &Run| Some(run.memory.weights? as f64 / study.baseline(run)?.memory.weights? as f64);
    let shares: Vec<f64> = study.runs.iter().filter(wanted).filter_map(share).collect();
    judged(
        "SpQR, simulated in 16 bits there, saves no memory.",
        "Every SpQR run of the preset holds at least 0.95 times the weight bytes of its 16-bit run.",
        count(&shares, |share| *share >= 0.95),
        every,
        || {
            let text = |pick: fn(f64, f64) -> f64| number::percent(shares.iter().copied().reduce(pick).unwrap_or(1.0));
            format!("From {} to {} of the 16-bit bytes.", text(f64::min), text(f64::max))
        },
    )
}
