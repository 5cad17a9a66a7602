//! The claims of the paper (Jin et al. 2024), each judged by a rule.

use super::Findings;
use super::correlate::{LEAST_RUNS, MeanCorrelation, mean};
use super::data::{Perplexity, Purpose, RunResult, Score};
use super::number::{self, extent};
use super::standings::{Standing, Standings};

/// Methods of the claims.
const GPTQ: &str = "gptq";
const SPQR: &str = "spqr";

/// Text of the claims: name, claim, rule, and the reason why the claim is untested where no run has the numbers.
static TEXT: &str = include_str!("claims.txt");

/// Judges a claim: findings, and the reason why it is untested if no run has the numbers.
type Judge = fn(&Findings<'_>, &str) -> (ClaimOutcome, String);

/// All claims by name, in the order of the paper.
static CLAIMS: &[(&str, Judge)] = &[
    ("four_bits", |findings, _| {
        Standings::new(findings, &[4]).judge(&[Standing::Comparable], &[Standing::Worse, Standing::Beyond])
    }),
    ("three_bits", |findings, _| Standings::new(findings, &[3, 2]).judge(&[Standing::Worse], &[Standing::Comparable])),
    ("perplexity_predicts", perplexity_predicts),
    ("larger_beats_smaller", larger_beats_smaller),
    ("gptq_fails", |findings, untested| collapse(findings, GPTQ, Purpose::Preset, true, untested)),
    ("spqr_works", |findings, untested| collapse(findings, SPQR, Purpose::Preset, false, untested)),
    ("spqr_needs_outliers", spqr_needs_outliers),
    ("outliers_grow", outliers_grow),
    ("true_bits", true_bits),
    ("equal_bits", |findings, untested| collapse(findings, SPQR, Purpose::EqualBits, false, untested)),
    ("slower", slower),
    ("saves_nothing", saves_nothing),
];

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
    /// Name in claims.txt: `gptq_fails`.
    pub name: &'static str,
    pub claim: &'static str,
    /// Rule of the judgement.
    pub rule: &'static str,
    pub outcome: ClaimOutcome,
    /// Numbers behind the judgement, or what they lack.
    pub evidence: String,
}

/// Judges all claims, in the order of the paper.
pub fn claims(findings: &Findings<'_>) -> Vec<Claim> {
    let claim = |(name, judge): &(&'static str, Judge)| {
        let text = TEXT.split("\n\n").find(|text| text.lines().next() == Some(name)).unwrap_or_default();
        let mut lines = text.lines().skip(1);
        let mut line = || lines.next().unwrap_or_default();
        let (claim, rule, untested) = (line(), line(), line());
        let (outcome, evidence) = judge(findings, untested);
        Claim { name, claim, rule, outcome, evidence }
    };
    CLAIMS.iter().map(claim).collect()
}

/// Judges a claim by the cases that support it, of all cases: it holds if `enough` of them do.
fn judge(
    (passed, all): (usize, usize),
    enough: impl Fn(usize, usize) -> bool,
    untested: &str,
    evidence: impl FnOnce() -> String,
) -> (ClaimOutcome, String) {
    match (all, enough(passed, all)) {
        (0, _) => (ClaimOutcome::Untested, untested.to_owned()),
        (_, true) => (ClaimOutcome::Held, evidence()),
        (_, false) => (ClaimOutcome::Fell, evidence()),
    }
}

/// Judges a claim that every case must support: whether each does, and its evidence, which is listed behind `lead`.
fn judge_every(cases: impl Iterator<Item = (bool, String)>, lead: &str, untested: &str) -> (ClaimOutcome, String) {
    let (passed, texts): (Vec<bool>, Vec<String>) = cases.unzip();
    judge(count(&passed, |passed| *passed), every, untested, || format!("{lead}{}.", texts.join("; ")))
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

/// Returns the quantized runs of a method with its default options.
fn presets<'a>(findings: &Findings<'a>, method: &str) -> impl Iterator<Item = &'a RunResult> {
    findings.study.runs.iter().filter(move |run| run.method == method && run.is_quantized_preset())
}

/// Fewest runs that have not collapsed of a coefficient that judges the claim.
const PREDICTED_RUNS: usize = 5;

fn perplexity_predicts(findings: &Findings<'_>, untested: &str) -> (ClaimOutcome, String) {
    let found = mean(&findings.related, true, PREDICTED_RUNS);
    let all = match mean(&findings.related, false, LEAST_RUNS) {
        None => format!("Over all runs no coefficient has {LEAST_RUNS} runs."),
        Some(MeanCorrelation { absolute, count, .. }) => {
            let absolute = number::fixed(absolute, 4);
            format!("The paper's measure, the mean of |r| over all runs: {absolute} over {count}.")
        }
    };
    let Some(MeanCorrelation { signed, count, wrong, .. }) = found else {
        return (ClaimOutcome::Untested, format!("{untested} {all}"));
    };
    let outcome = if signed >= 0.7 { ClaimOutcome::Held } else { ClaimOutcome::Fell };
    let signed = number::fixed(signed, 4);
    (outcome, format!("Mean of r with its sign: {signed} over {count}, {wrong} of the wrong sign. {all}"))
}

fn larger_beats_smaller(findings: &Findings<'_>, untested: &str) -> (ClaimOutcome, String) {
    let runs = &findings.study.runs;
    let mut pairs = Vec::new();
    for small in runs.iter().filter(|run| run.is_baseline()) {
        for large in runs.iter().filter(|run| !run.is_baseline() && run.parameters > small.parameters) {
            let (Some(room), Some(need)) = (small.memory.weights, large.memory.weights) else { continue };
            let main = small.scores.iter().filter(|score| score.is_main());
            let better = |score: &Score| Some(score.is_better(large.score_like(score)?.value, score.value));
            let won: Vec<bool> = main.filter_map(better).collect();
            if need as f64 <= 1.1 * room as f64 && !won.is_empty() {
                let (won, all) = count(&won, |won| *won);
                pairs.push((large.full_title(), small.full_title(), won, all));
            }
        }
    }
    let (passed, all) = count(&pairs, |(_, _, won, all)| most(*won, *all));
    let evidence = || {
        let best = pairs.iter().max_by(|a, b| (a.2 * b.3).cmp(&(b.2 * a.3)));
        let best = best.map_or_else(String::new, |(large, small, won, all)| {
            format!(" {large} is ahead of {small} in {won} of {all} scores.")
        });
        format!("{passed} of {all} pairs.{best}")
    };
    judge((passed, all), |passed, _| passed > 0, untested, evidence)
}

/// Judges the claim that all 2-bit runs of a kind collapse on some text, or that none does on any. The evidence has the
/// worst perplexity of each.
fn collapse(
    findings: &Findings<'_>,
    method: &str,
    purpose: Purpose,
    collapsed: bool,
    untested: &str,
) -> (ClaimOutcome, String) {
    let wanted = |run: &&RunResult| run.method == method && run.purpose == purpose && run.bits == 2;
    let case = |run: &RunResult| {
        let rises = || findings.rises.iter().filter(|rise| std::ptr::eq(rise.run, run));
        // No number is worse than any number.
        let size = |ratio: f64| if ratio.is_nan() { f64::INFINITY } else { ratio };
        let worst = rises().max_by(|a, b| size(a.ratio).total_cmp(&size(b.ratio)))?.perplexity;
        let beside = wider_gptq(findings, run, worst).filter(|_| purpose == Purpose::EqualBits).unwrap_or_default();
        let text = format!("{}: {} on {}{beside}", run.full_title(), number::perplexity(worst.value), worst.text);
        Some((rises().any(|rise| rise.collapsed) == collapsed, text))
    };
    judge_every(findings.study.runs.iter().filter(wanted).filter_map(case), "At worst: ", untested)
}

/// Returns the perplexity of the model by GPTQ with one bit more than `run`.
fn wider_gptq(findings: &Findings<'_>, run: &RunResult, perplexity: &Perplexity) -> Option<String> {
    let wider = presets(findings, GPTQ).find(|other| (&other.model, other.bits) == (&run.model, run.bits + 1))?;
    let value = number::perplexity(wider.perplexity_like(perplexity)?.value);
    Some(format!(" ({}: {value})", wider.title()))
}

fn spqr_needs_outliers(findings: &Findings<'_>, untested: &str) -> (ClaimOutcome, String) {
    let mut cases = Vec::new();
    let runs = &findings.study.runs;
    for changed in runs.iter().filter(|run| run.method == SPQR && run.purpose == Purpose::Ablation) {
        let same = |run: &&RunResult| (&run.model, run.bits) == (&changed.model, changed.bits);
        let Some(preset) = presets(findings, SPQR).find(same) else { continue };
        cases.extend(changed.perplexities.iter().filter_map(|perplexity| {
            let ratio = perplexity.value / preset.perplexity_like(perplexity)?.value;
            let times = number::fixed(ratio, 2);
            let text = format!("{} on {}: × {times}", changed.full_title(), perplexity.text);
            Some((ratio.is_nan() || ratio >= 1.1, text))
        }));
    }
    judge_every(cases.into_iter(), "", untested)
}

fn outliers_grow(findings: &Findings<'_>, untested: &str) -> (ClaimOutcome, String) {
    let case = |model: &str| {
        let runs = presets(findings, SPQR).filter(|run| run.model == model);
        let mut shares: Vec<(u32, f64)> =
            runs.filter_map(|run| Some((run.bits, run.outliers.as_ref()?.share))).collect();
        shares.sort_by_key(|(bits, _)| std::cmp::Reverse(*bits));
        let list: Vec<String> = shares.iter().map(|(b, s)| format!("{} at {b} bit", number::percent(*s))).collect();
        let rising = shares.windows(2).all(|pair| pair[0].1 < pair[1].1);
        (shares.len() >= 2).then(|| (rising, format!("{model}: {}", list.join(", "))))
    };
    judge_every(findings.study.models().into_iter().filter_map(case), "", untested)
}

fn true_bits(findings: &Findings<'_>, untested: &str) -> (ClaimOutcome, String) {
    let case = |run: &RunResult| {
        let bits = run.true_bits?;
        Some((bits >= 4.0, format!("{}: {}", run.full_title(), number::fixed(bits, 2))))
    };
    judge_every(presets(findings, SPQR).filter(|run| run.bits == 2).filter_map(case), "", untested)
}

fn slower(findings: &Findings<'_>, untested: &str) -> (ClaimOutcome, String) {
    let decoding = findings.study.decoding(RunResult::is_quantized_preset);
    let text = decoding.text();
    // Those that vary may be the slow ones, so a minority shows nothing.
    if decoding.all() > 2 * decoding.ratios.len() {
        return (ClaimOutcome::Untested, format!("{text}. These are too few."));
    }
    let slow = |(_, ratio): &(&RunResult, f64)| *ratio < 1.0;
    let (slower, all) = count(&decoding.ratios, slow);
    judge((slower, all), most, untested, || {
        let low: Vec<_> = decoding.ratios.iter().copied().filter(|(run, _)| run.bits <= 3).collect();
        let (low_slower, low_all) = count(&low, slow);
        format!("{text}. {slower} of {all} are slower; at 3 and 2 bits {low_slower} of {low_all}.")
    })
}

fn saves_nothing(findings: &Findings<'_>, untested: &str) -> (ClaimOutcome, String) {
    let shares: Vec<f64> = presets(findings, SPQR).filter_map(|run| findings.study.weight_share(run)).collect();
    judge(count(&shares, |share| *share >= 0.95), every, untested, || {
        let (least, most) = extent(shares.iter().copied()).unwrap_or((1.0, 1.0));
        format!("From {} to {} of the 16-bit bytes.", number::percent(least), number::percent(most))
    })
}
