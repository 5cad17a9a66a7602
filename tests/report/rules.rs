//! The claims' rules, each with a case on either side.

use qwgpu::report::Analysis;
use qwgpu::report::claims::{Claim, ClaimOutcome, LossVerdict, LossVerdicts, claims};
use qwgpu::report::data::{Purpose, RunResult, StudyResult};

use super::study;

fn claim(study: &StudyResult, name: &str) -> Claim {
    claims(&Analysis::new(study).unwrap()).into_iter().find(|claim| claim.name == name).unwrap()
}

fn outcome(study: &StudyResult, name: &str) -> ClaimOutcome {
    claim(study, name).outcome
}

/// Returns the first model's 16-bit run and one with `bits`, with one score each: 3 of 4 right, and `lost` fewer.
fn lost(bits: u32, documents: usize, lost: usize) -> StudyResult {
    let mut study = study();
    study.runs.truncate(3);
    study.runs.remove(1);
    study.runs[1].bits = bits;
    for (run, lost) in study.runs.iter_mut().zip([0, lost]) {
        run.scores.truncate(1);
        let (score, right) = (&mut run.scores[0], documents * 3 / 4 - lost);
        score.items = (0..documents).map(|index| Some(f64::from(index < right))).collect();
        (score.documents, score.value) = (documents as u64, right as f64 / documents as f64);
        (score.stderr, score.chance) = (Some((0.1875 / documents as f64).sqrt()), Some(0.25));
    }
    study
}

#[test]
fn claims_follow_their_rules() {
    use ClaimOutcome::{Fell, Held, Untested};
    let mut study = study();
    for (name, expected) in [
        ("larger_beats_smaller", Held),
        ("gptq_fails", Held),
        ("spqr_works", Held),
        ("spqr_needs_outliers", Held),
        ("outliers_grow", Untested),
        ("true_bits", Held),
        ("equal_bits", Held),
        ("slower", Fell),
        ("saves_nothing", Fell),
    ] {
        assert_eq!(outcome(&study, name), expected, "{name}");
    }
    let spqr = |run: &&mut RunResult| run.method == "spqr" && run.purpose == Purpose::Preset;
    study.runs.iter_mut().filter(spqr).for_each(|run| run.perplexities[0].value = f64::NAN);
    study.runs.iter_mut().filter(spqr).for_each(|run| run.true_bits = Some(2.9));
    assert_eq!((outcome(&study, "spqr_works"), outcome(&study, "true_bits")), (Fell, Fell));
    let gptq = study.runs.iter_mut().find(|run| run.method == "gptq" && run.bits == 2).unwrap();
    gptq.perplexities.iter_mut().for_each(|p| p.value = 30.0);
    assert_eq!(outcome(&study, "gptq_fails"), Fell);
    study.runs.truncate(1);
    assert!(claims(&Analysis::new(&study).unwrap()).iter().all(|claim| claim.outcome == Untested));
}

#[test]
fn outliers_grow_only_where_every_width_does() {
    let mut study = study();
    study.runs.truncate(6);
    study.runs[5].purpose = Purpose::Preset;
    study.runs[5].bits = 4;
    assert_eq!(outcome(&study, "outliers_grow"), ClaimOutcome::Held);
    study.runs[5].bits = 1;
    assert_eq!(outcome(&study, "outliers_grow"), ClaimOutcome::Fell);
}

#[test]
fn widths_are_judged_by_intervals_not_by_noise() {
    use ClaimOutcome::{Fell, Held, Untested};
    // Documents, and how many of them are lost; what becomes of 4 bits, and of 3.
    let cases = [
        // Nothing lost, but on so few documents that 4.5 points could be.
        (60, 0, Untested, Untested),
        (400, 0, Held, Fell),
        // Significantly worse, and surely by at most 2 points.
        (4000, 40, Held, Fell),
        (400, 40, Fell, Held),
        // Worse by p, but not surely by more than 2 points.
        (400, 10, Fell, Held),
        // A point and a quarter lost, and neither is shown.
        (400, 5, Untested, Untested),
    ];
    for (documents, less, four, three) in cases {
        assert_eq!(outcome(&lost(4, documents, less), "four_bits"), four, "{less} of {documents}");
        assert_eq!(outcome(&lost(3, documents, less), "three_bits"), three, "{less} of {documents}");
    }
    let evidence = claim(&lost(4, 400, 40), "four_bits").evidence;
    assert!(evidence.starts_with("Of 1 scores 0 are shown comparable, 1 shown worse (1 of them"), "{evidence}");
}

#[test]
fn what_is_not_above_guessing_has_nothing_to_lose() {
    let mut study = lost(4, 400, 0);
    let guessing =
        |study: &StudyResult| LossVerdicts::new(&Analysis::new(study).unwrap(), &[4]).count(&[LossVerdict::Guessing]);
    // 0.75 less 1.96 · 0.02165 is 0.7076.
    for (chance, higher, skipped) in
        [(0.7, true, 0), (0.71, true, 1), (0.8, true, 1), (0.8, false, 0), (0.79, false, 1)]
    {
        for score in study.runs.iter_mut().map(|run| &mut run.scores[0]) {
            (score.chance, score.higher_is_better) = (Some(chance), higher);
        }
        assert_eq!(guessing(&study), skipped, "{chance} {higher}");
    }
    let found = claim(&study, "four_bits");
    assert_eq!(found.outcome, ClaimOutcome::Untested);
    assert!(found.evidence.contains("1 skipped as not above guessing"), "{}", found.evidence);
    // A score without a standard error has that of its documents.
    study.runs.iter_mut().for_each(|run| run.scores[0].stderr = None);
    assert_eq!(guessing(&study), 1);
}

/// Returns runs of one model with a perplexity and a score each.
fn predicted(points: &[(f64, f64)]) -> StudyResult {
    let mut study = study();
    let template = study.runs[0].clone();
    study.runs = points
        .iter()
        .enumerate()
        .map(|(index, (perplexity, score))| {
            let mut run = template.clone();
            if index > 0 {
                (run.method, run.bits, run.purpose) = ("rtn".to_owned(), index as u32, Purpose::Preset);
            }
            run.perplexities.truncate(1);
            run.scores.truncate(1);
            run.perplexities[0].value = *perplexity;
            run.scores[0].value = *score;
            run
        })
        .collect();
    study
}

#[test]
fn perplexity_predicts_only_with_the_right_sign() {
    let right = [(8.0, 0.6), (9.0, 0.55), (10.0, 0.5), (12.0, 0.42), (14.0, 0.3)];
    assert_eq!(claim(&predicted(&right), "perplexity_predicts").outcome, ClaimOutcome::Held);
    let wrong = right.map(|(perplexity, score)| (perplexity, -score));
    let found = claim(&predicted(&wrong), "perplexity_predicts");
    assert_eq!(found.outcome, ClaimOutcome::Fell);
    assert!(found.evidence.contains("over 1, 1 of the wrong sign"), "{}", found.evidence);
    assert!(found.evidence.contains("the mean of |r| over all runs: 0.9"), "{}", found.evidence);
    // The same with a score of which less is better.
    let mut less = predicted(&wrong);
    less.runs.iter_mut().for_each(|run| run.scores[0].higher_is_better = false);
    assert_eq!(claim(&less, "perplexity_predicts").outcome, ClaimOutcome::Held);
    // Five runs, one of which collapsed, are four.
    let mut collapsed = right;
    collapsed[4].0 = 8000.0;
    let found = claim(&predicted(&collapsed), "perplexity_predicts");
    assert_eq!(found.outcome, ClaimOutcome::Untested);
    assert!(found.evidence.contains("at least 5 runs that have not collapsed"), "{}", found.evidence);
}

#[test]
fn means_leave_out_coefficients_of_three_runs() {
    use qwgpu::report::correlate::{LEAST_RUNS, mean};
    let study = predicted(&[(8.0, 0.6), (9.0, 0.55), (10.0, 0.5)]);
    let analysis = Analysis::new(&study).unwrap();
    assert!(analysis.relations[0].all.plain.is_some());
    assert_eq!(mean(&analysis.relations, false, LEAST_RUNS), None);
}

#[test]
fn speeds_that_vary_are_counted_and_a_minority_proves_nothing() {
    let mut study = study();
    let presets = study.runs.iter().filter(|run| run.is_quantized_preset() && !run.speeds.is_empty()).count();
    let vary = |run: &mut RunResult| run.speeds[0].decode = vec![10.0, 20.0, 30.0];
    let found = claim(&study, "slower");
    assert!(found.evidence.contains(&format!("{} of {presets} quantized runs", presets - 1)), "{}", found.evidence);
    assert!(found.evidence.contains("1 left out"), "{}", found.evidence);
    study.runs.iter_mut().filter(|run| run.is_quantized_preset() && run.method != "int8").for_each(vary);
    let found = claim(&study, "slower");
    assert_eq!(found.outcome, ClaimOutcome::Untested);
    assert!(found.evidence.contains("1 of 7 quantized runs with a speed are steady, 6 left out"), "{}", found.evidence);
    assert!(found.evidence.ends_with("These are too few."), "{}", found.evidence);
}

#[test]
fn each_claim_has_its_own_reason_and_names_the_worst_text() {
    let mut study = study();
    let equal = claim(&study, "equal_bits").evidence;
    let (first, second) = equal.split_once("; ").unwrap();
    // The second model alone has GPTQ one bit wider.
    assert!(first.starts_with("At worst: ") && !first.contains("GPTQ") && second.contains("(GPTQ 3 bit: "), "{equal}");
    study.runs.iter_mut().filter(|run| run.method == "gptq" && run.bits == 4).for_each(|run| run.bits = 3);
    let spqr = study.runs.iter_mut().find(|run| run.purpose == Purpose::EqualBits).unwrap();
    spqr.perplexities[1].value = 100.0;
    let text = spqr.perplexities[1].text.clone();
    let equal = claim(&study, "equal_bits").evidence;
    assert!(equal.contains(&format!("100.0 on {text} (GPTQ 3 bit: ")), "{equal}");
    assert!(claim(&study, "gptq_fails").evidence.contains("∞ on C4"), "no number is worse than any");
    study.runs.truncate(1);
    let all = claims(&Analysis::new(&study).unwrap());
    assert!(all.iter().all(|claim| !claim.claim.is_empty() && !claim.rule.is_empty()));
    let mut reasons: Vec<String> = all.into_iter().map(|claim| claim.evidence).collect();
    assert!(reasons.iter().all(|reason| !reason.is_empty() && reason != "No runs for it."));
    // Those on widths give their counts, which are alike here.
    reasons.sort();
    reasons.dedup();
    assert_eq!(reasons.len(), 11);
}
