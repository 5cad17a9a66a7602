//! The claims of the paper (Jin et al. 2024), each judged by a rule.

use super::Analysis;
use super::compare::{Change, ChangeVerdict};
use super::correlate::{LEAST_RUNS, MeanCorrelation, mean};
use super::data::{Perplexity, Purpose, RunResult, Score};
use super::number::{self, extent};

/// Methods of the claims.
const GPTQ: &str = "gptq";
const SPQR: &str = "spqr";

/// Text of the claims: name, claim, rule, and the reason why the claim is untested where no run has the numbers.
static TEXT: &str = include_str!("claims.txt");

/// Judges a claim by an analysis; the text is the reason why it is untested where no run has the numbers.
type ClaimRule = fn(&Analysis<'_>, &str) -> Judgement;

/// The outcome, and the numbers behind it.
type Judgement = (ClaimOutcome, String);

/// All claims by name, in the order of the paper.
static CLAIMS: &[(&str, ClaimRule)] = &[
    ("four_bits", |analysis, _| {
        LossVerdicts::new(analysis, &[4]).judge(&[LossVerdict::Comparable], &[LossVerdict::Worse, LossVerdict::Beyond])
    }),
    ("three_bits", |analysis, _| {
        LossVerdicts::new(analysis, &[3, 2]).judge(&[LossVerdict::Worse], &[LossVerdict::Comparable])
    }),
    ("perplexity_predicts", perplexity_predicts),
    ("larger_beats_smaller", larger_beats_smaller),
    ("gptq_fails", |analysis, untested| collapse(analysis, GPTQ, Purpose::Preset, true, untested)),
    ("spqr_works", |analysis, untested| collapse(analysis, SPQR, Purpose::Preset, false, untested)),
    ("spqr_needs_outliers", spqr_needs_outliers),
    ("outliers_grow", outliers_grow),
    ("true_bits", true_bits),
    ("equal_bits", |analysis, untested| collapse(analysis, SPQR, Purpose::EqualBits, false, untested)),
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
pub fn claims(analysis: &Analysis<'_>) -> Vec<Claim> {
    let claim = |(name, judge): &(&'static str, ClaimRule)| {
        let text = TEXT.split("\n\n").find(|text| text.lines().next() == Some(name)).unwrap_or_default();
        let mut lines = text.lines().skip(1);
        let mut line = || lines.next().unwrap_or_default();
        let (claim, rule, untested) = (line(), line(), line());
        let (outcome, evidence) = judge(analysis, untested);
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
) -> Judgement {
    match (all, enough(passed, all)) {
        (0, _) => (ClaimOutcome::Untested, untested.to_owned()),
        (_, true) => (ClaimOutcome::Held, evidence()),
        (_, false) => (ClaimOutcome::Fell, evidence()),
    }
}

/// Judges a claim that every case must support: whether each does, and its evidence, which is listed behind `lead`.
fn judge_every(cases: impl Iterator<Item = (bool, String)>, lead: &str, untested: &str) -> Judgement {
    let (passed, texts): (Vec<bool>, Vec<String>) = cases.unzip();
    judge(count(&passed, |passed| *passed), every, untested, || format!("{lead}{}.", texts.join("; ")))
}

/// Returns whether more than half passed.
fn most(passed: usize, all: usize) -> bool {
    passed * 2 > all
}

fn every(passed: usize, all: usize) -> bool {
    passed == all
}

fn count<T>(items: &[T], test: impl Fn(&T) -> bool) -> (usize, usize) {
    (items.iter().filter(|item| test(item)).count(), items.len())
}

/// Returns the quantized runs of a method with its default options.
fn presets<'a>(analysis: &Analysis<'a>, method: &str) -> impl Iterator<Item = &'a RunResult> {
    analysis.study.runs.iter().filter(move |run| run.method == method && run.is_quantized_preset())
}

/// Fewest runs that have not collapsed of a coefficient that judges the claim.
const PREDICTED_RUNS: usize = 5;

fn perplexity_predicts(analysis: &Analysis<'_>, untested: &str) -> Judgement {
    let found = mean(&analysis.relations, true, PREDICTED_RUNS);
    let all = match mean(&analysis.relations, false, LEAST_RUNS) {
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

fn larger_beats_smaller(analysis: &Analysis<'_>, untested: &str) -> Judgement {
    let runs = &analysis.study.runs;
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
fn collapse(analysis: &Analysis<'_>, method: &str, purpose: Purpose, collapsed: bool, untested: &str) -> Judgement {
    let wanted = |run: &&RunResult| run.method == method && run.purpose == purpose && run.bits == 2;
    let case = |run: &RunResult| {
        let rises = || analysis.rises.iter().filter(|rise| std::ptr::eq(rise.run, run));
        // No number is worse than any number.
        let size = |ratio: f64| if ratio.is_nan() { f64::INFINITY } else { ratio };
        let worst = rises().max_by(|a, b| size(a.ratio).total_cmp(&size(b.ratio)))?.perplexity;
        let beside = wider_gptq(analysis, run, worst).filter(|_| purpose == Purpose::EqualBits).unwrap_or_default();
        let text = format!("{}: {} on {}{beside}", run.full_title(), number::perplexity(worst.value), worst.text);
        Some((rises().any(|rise| rise.collapsed) == collapsed, text))
    };
    judge_every(analysis.study.runs.iter().filter(wanted).filter_map(case), "At worst: ", untested)
}

/// Returns the perplexity of the model by GPTQ with one bit more than `run`.
fn wider_gptq(analysis: &Analysis<'_>, run: &RunResult, perplexity: &Perplexity) -> Option<String> {
    let wider = presets(analysis, GPTQ).find(|other| (&other.model, other.bits) == (&run.model, run.bits + 1))?;
    let value = number::perplexity(wider.perplexity_like(perplexity)?.value);
    Some(format!(" ({}: {value})", wider.title()))
}

fn spqr_needs_outliers(analysis: &Analysis<'_>, untested: &str) -> Judgement {
    let mut cases = Vec::new();
    let runs = &analysis.study.runs;
    for changed in runs.iter().filter(|run| run.method == SPQR && run.purpose == Purpose::Ablation) {
        let same = |run: &&RunResult| (&run.model, run.bits) == (&changed.model, changed.bits);
        let Some(preset) = presets(analysis, SPQR).find(same) else { continue };
        cases.extend(changed.perplexities.iter().filter_map(|perplexity| {
            let ratio = perplexity.value / preset.perplexity_like(perplexity)?.value;
            let times = number::fixed(ratio, 2);
            let text = format!("{} on {}: × {times}", changed.full_title(), perplexity.text);
            Some((ratio.is_nan() || ratio >= 1.1, text))
        }));
    }
    judge_every(cases.into_iter(), "", untested)
}

fn outliers_grow(analysis: &Analysis<'_>, untested: &str) -> Judgement {
    let case = |model: &str| {
        let runs = presets(analysis, SPQR).filter(|run| run.model == model);
        let mut shares: Vec<(u32, f64)> =
            runs.filter_map(|run| Some((run.bits, run.outliers.as_ref()?.share))).collect();
        shares.sort_by_key(|(bits, _)| std::cmp::Reverse(*bits));
        let list: Vec<String> = shares.iter().map(|(b, s)| format!("{} at {b} bit", number::percent(*s))).collect();
        let rising = shares.windows(2).all(|pair| pair[0].1 < pair[1].1);
        (shares.len() >= 2).then(|| (rising, format!("{model}: {}", list.join(", "))))
    };
    judge_every(analysis.study.models().into_iter().filter_map(case), "", untested)
}

fn true_bits(analysis: &Analysis<'_>, untested: &str) -> Judgement {
    let case = |run: &RunResult| {
        let bits = run.true_bits?;
        Some((bits >= 4.0, format!("{}: {}", run.full_title(), number::fixed(bits, 2))))
    };
    judge_every(presets(analysis, SPQR).filter(|run| run.bits == 2).filter_map(case), "", untested)
}

fn slower(analysis: &Analysis<'_>, untested: &str) -> Judgement {
    let decoding = analysis.study.decoding(RunResult::is_quantized_preset);
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

fn saves_nothing(analysis: &Analysis<'_>, untested: &str) -> Judgement {
    let shares: Vec<f64> = presets(analysis, SPQR).filter_map(|run| analysis.study.weight_share(run)).collect();
    judge(count(&shares, |share| *share >= 0.95), every, untested, || {
        let (least, most) = extent(shares.iter().copied()).unwrap_or((1.0, 1.0));
        format!("From {} to {} of the 16-bit bytes.", number::percent(least), number::percent(most))
    })
}

/// Largest loss of a comparable score, in points.
const COMPARABLE: f64 = 2.0;

/// Conclusion from a comparison about a loss of 2 points, the margin of the claims.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LossVerdict {
    /// The 16-bit score is not above guessing and has nothing to lose.
    Guessing,
    /// The whole interval is within the margin, significant or not.
    Comparable,
    /// Significantly worse after Holm's correction.
    Worse,
    /// The whole interval is beyond the margin, but the loss is not significant after Holm's correction.
    Beyond,
    /// The interval has both.
    Open,
}

impl Change<'_> {
    fn loss_verdict(&self) -> LossVerdict {
        if !self.before.above_guessing() {
            return LossVerdict::Guessing;
        }
        let losses = self.interval.map(|(low, high)| match self.score.higher_is_better {
            true => (-high, -low),
            false => (low, high),
        });
        match losses {
            Some((_, most)) if most <= COMPARABLE => LossVerdict::Comparable,
            _ if self.verdict() == ChangeVerdict::Worse => LossVerdict::Worse,
            Some((least, _)) if least > COMPARABLE => LossVerdict::Beyond,
            _ => LossVerdict::Open,
        }
    }
}

/// LossVerdicts of the presets' main scores at some widths.
pub struct LossVerdicts(Vec<LossVerdict>);

impl LossVerdicts {
    /// Judges the scores of presets at these bits.
    pub fn new(analysis: &Analysis<'_>, bits: &[u32]) -> LossVerdicts {
        let wanted = |change: &&Change<'_>| {
            change.score.is_main() && change.run.is_quantized_preset() && bits.contains(&change.run.bits)
        };
        LossVerdicts(analysis.changes.iter().filter(wanted).map(Change::loss_verdict).collect())
    }

    /// Counts the scores with one of these verdicts.
    pub fn count(&self, verdicts: &[LossVerdict]) -> usize {
        self.0.iter().filter(|one| verdicts.contains(one)).count()
    }

    /// Judges a claim: it held if more than half of the scores support it, and fell if at least half contradict it.
    fn judge(&self, support: &[LossVerdict], contradict: &[LossVerdict]) -> Judgement {
        let [worse, skipped] = [LossVerdict::Worse, LossVerdict::Guessing].map(|verdict| self.count(&[verdict]));
        let all = self.0.len() - skipped;
        let outcome = match self.count(contradict) {
            _ if most(self.count(support), all) => ClaimOutcome::Held,
            fell if all > 0 && 2 * fell >= all => ClaimOutcome::Fell,
            _ => ClaimOutcome::Untested,
        };
        let text = format!(
            "Of {all} scores {} are shown comparable, {} shown worse ({worse} of them significantly), {} open; {skipped} \
             skipped as not above guessing in 16 bits.",
            self.count(&[LossVerdict::Comparable]),
            self.count(&[LossVerdict::Worse, LossVerdict::Beyond]),
            self.count(&[LossVerdict::Open]),
        );
        (outcome, text)
    }
}
