//! Every derived number against its Python original, or by hand.

use qwgpu::report::Findings;
use qwgpu::report::claims::{Outcome, claims};
use qwgpu::report::compare::{Test, Verdict};
use qwgpu::report::correlate::mean_absolute;
use qwgpu::report::data::{Method, Purpose, Study};
use qwgpu::report::run::Spread;
use serde_json::Value;

use super::{fixture, study};

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(fixture("expected.json")).unwrap()).unwrap()
}

#[track_caller]
fn near(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1e-3), "{what}: {found}, expected {expected}");
}

#[test]
fn comparisons_equal_the_originals() {
    let (study, expected) = (study(), expected());
    let findings = Findings::new(&study).unwrap();
    let model = study.models()[0];
    let found: Vec<_> = findings.changes.iter().filter(|change| change.run.model == model).collect();
    let all = expected["changes"].as_array().unwrap();
    assert_eq!(found.len(), all.len());
    for (change, expected) in found.iter().zip(all) {
        let what = format!("{} {}", change.run.title(), change.score.task);
        assert_eq!(change.score.task, expected["task"].as_str().unwrap(), "{what}");
        assert_eq!(change.test.title(), expected["test"].as_str().unwrap(), "{what}");
        assert_eq!(change.pairs as u64, expected["pairs"].as_u64().unwrap(), "{what}");
        near(change.difference, &expected["difference"], &what);
        let (low, high) = change.interval.unwrap();
        assert!(low <= change.difference && change.difference <= high, "{what}");
        if change.test == Test::Bootstrap {
            assert!(high - low < 10.0, "{what}");
        } else {
            near(low, &expected["low"], &what);
            near(high, &expected["high"], &what);
            near(change.p.unwrap(), &expected["p"], &what);
        }
        match change.equivalence {
            Some(p) => near(p, &expected["equivalence"], &what),
            None => assert!(expected["equivalence"].is_null(), "{what}"),
        }
    }
}

#[test]
fn correction_is_over_the_whole_table_of_a_model() {
    let study = study();
    let findings = Findings::new(&study).unwrap();
    let of_model: Vec<_> = findings.changes.iter().filter(|c| c.run.model == study.models()[0]).collect();
    let least = of_model.iter().min_by(|a, b| a.p.unwrap().total_cmp(&b.p.unwrap())).unwrap();
    assert_eq!(least.corrected.unwrap(), (least.p.unwrap() * of_model.len() as f64).min(1.0));
    assert!(of_model.iter().all(|change| change.corrected.unwrap() >= change.p.unwrap()));
}

#[test]
fn correlations_equal_the_originals() {
    let (study, expected) = (study(), expected());
    let findings = Findings::new(&study).unwrap();
    let model = study.models()[0];
    for expected in expected["relations"].as_array().unwrap() {
        let (text, task) = (expected["text"].as_str().unwrap(), expected["task"].as_str().unwrap());
        let mut all = findings.related.iter();
        let found = all.find(|r| r.model == model && r.text.text == text && r.score.task == task).unwrap();
        assert_eq!(found.points.len() as u64, expected["n"].as_u64().unwrap(), "{text} {task}");
        let sound = (found.points.len() - found.collapsed) as u64;
        assert_eq!(sound, expected["sound_n"].as_u64().unwrap(), "{text} {task}");
        assert_eq!(found.left_out, usize::from(text == "C4"), "{text} {task}");
        for (name, coefficients) in [("all", found.all), ("sound", found.sound)] {
            let named =
                [("plain", coefficients.plain), ("logarithm", coefficients.logarithm), ("rank", coefficients.rank)];
            for (kind, found) in named {
                let (found, expected) = (found.unwrap(), &expected[format!("{name}_{kind}")]);
                near(found.r, &expected[0], &format!("{text} {task} {name} {kind}"));
                // A rank correlation of 1 has p 0 here; scipy's rounding leaves a trace.
                if found.r.abs() < 1.0 - 1e-12 {
                    near(found.p, &expected[1], &format!("{text} {task} {name} {kind} p"));
                }
            }
        }
    }
    let (mean, count) = mean_absolute(findings.related.iter().map(|related| &related.all)).unwrap();
    let by_hand: Vec<f64> = findings.related.iter().filter_map(|r| r.all.plain).map(|c| c.r.abs()).collect();
    assert_eq!(count, by_hand.len());
    assert!((mean - by_hand.iter().sum::<f64>() / count as f64).abs() < 1e-12);
}

#[test]
fn repeats_equal_numpy() {
    let (study, expected) = (study(), expected());
    let spread = Spread::new(&study.runs[1].speeds[0].decode).unwrap();
    near(spread.median, &expected["decode"]["median"], "median");
    near(spread.variation.unwrap(), &expected["decode"]["variation"], "variation");
}

#[test]
fn what_varies_or_was_run_once_is_not_compared() {
    let steady = Spread::new(&[10.0, 10.1, 9.9]).unwrap();
    assert_eq!(steady.over(&Spread::new(&[20.0, 20.2, 19.8]).unwrap()), Ok(0.5));
    let shaky = Spread::new(&[10.0, 12.0, 8.0]).unwrap();
    assert_eq!(shaky.over(&steady), Err("not compared: varies by 20.0 %".to_owned()));
    assert_eq!(steady.over(&shaky), Err("not compared: varies by 20.0 %".to_owned()));
    assert_eq!(Spread::new(&[10.0]).unwrap().over(&steady), Err("not compared: one repeat only".to_owned()));
    assert_eq!(Spread::new(&[]), None);
}

#[test]
fn share_of_copy_is_bytes_read_over_bytes_copied() {
    let mut speed = study().runs[0].speeds[0].clone();
    (speed.bytes_per_token, speed.copy_bandwidth) = (Some(2_000_000_000), Some(1e11));
    speed.decode = vec![40.0, 41.0, 39.0];
    assert_eq!(speed.share_of_copy(), Some(0.8));
    speed.copy_bandwidth = None;
    assert_eq!(speed.share_of_copy(), None);
}

#[test]
fn perplexities_against_the_baseline() {
    let study = study();
    let findings = Findings::new(&study).unwrap();
    for rise in &findings.rises {
        let collapsed = rise.run.method == Method::Gptq && rise.run.bits == 2;
        assert_eq!(rise.collapsed, collapsed, "{} {}", rise.run.full_title(), rise.perplexity.text);
        assert_eq!(rise.interval.is_some(), rise.perplexity.value.is_finite());
        if let Some((low, high)) = rise.interval {
            // Not the mean ratio of the windows, but of their product: that of the perplexities.
            assert!(low <= rise.ratio + 1e-5 && rise.ratio - 1e-5 <= high, "{low} {} {high}", rise.ratio);
        }
    }
}

#[test]
fn no_significant_difference_is_not_equality() {
    let mut study = study();
    study.runs.truncate(2);
    study.runs.iter_mut().for_each(|run| run.scores.truncate(1));
    let items = |wrong: usize| (0..100).map(|i| Some(f64::from(i >= wrong))).collect::<Vec<_>>();
    for (index, wrong) in [(0, 50), (1, 53)] {
        let score = &mut study.runs[index].scores[0];
        (score.items, score.documents, score.value) = (items(wrong), 100, 1.0 - wrong as f64 / 100.0);
    }
    let verdict = |study: &Study| Findings::new(study).unwrap().changes[0].verdict();
    assert_eq!(verdict(&study), Verdict::Open);
    study.runs[1].scores[0].items = items(50);
    assert_eq!(verdict(&study), Verdict::Equivalent);
    study.runs[1].scores[0].items = items(70);
    assert_eq!(verdict(&study), Verdict::Worse);
    study.runs.iter_mut().for_each(|run| run.scores[0].higher_is_better = false);
    assert_eq!(verdict(&study), Verdict::Better);
}

#[test]
fn documents_that_differ_or_failed_are_not_paired() {
    let mut study = study();
    study.runs[1].scores[0].digest = "other".to_owned();
    study.runs[1].scores[1].items[3] = None;
    study.runs[2].scores[0].items.clear();
    study.runs[2].scores[0].stderr = None;
    let findings = Findings::new(&study).unwrap();
    let of = |run: usize, score: usize| {
        let wanted = &study.runs[run].scores[score];
        findings.changes.iter().find(|change| std::ptr::eq(change.score, wanted)).unwrap()
    };
    assert_eq!((of(1, 0).test, of(1, 0).pairs), (Test::Unpaired, 0));
    assert_eq!((of(1, 1).test, of(1, 1).pairs), (Test::McNemar, 118));
    assert_eq!((of(2, 0).test, of(2, 0).p, of(2, 0).verdict()), (Test::Untested, None, Verdict::Open));
}

fn outcomes(study: &Study) -> Vec<Outcome> {
    claims(&Findings::new(study).unwrap()).iter().map(|claim| claim.outcome).collect()
}

#[test]
fn claims_follow_their_rules() {
    use Outcome::{Fell, Held, Untested};
    let mut study = study();
    let found = outcomes(&study);
    // Four bits, three bits, perplexity, larger, GPTQ, SpQR, its outliers, their growth, true bits, equal, slower, memory.
    assert_eq!(found[3..], [Held, Held, Held, Held, Untested, Held, Held, Fell, Fell]);
    let spqr = |run: &&mut qwgpu::report::data::Run| run.method == Method::Spqr && run.purpose == Purpose::Preset;
    study.runs.iter_mut().filter(spqr).for_each(|run| run.perplexities[0].value = f64::NAN);
    study.runs.iter_mut().filter(spqr).for_each(|run| run.true_bits = Some(2.9));
    let changed = outcomes(&study);
    assert_eq!((changed[5], changed[8]), (Fell, Fell));
    let gptq = study.runs.iter_mut().find(|run| run.method == Method::Gptq && run.bits == 2).unwrap();
    gptq.perplexities.iter_mut().for_each(|p| p.value = 30.0);
    assert_eq!(outcomes(&study)[4], Fell);
    study.runs.truncate(1);
    assert!(outcomes(&study).iter().all(|outcome| *outcome == Untested));
}

#[test]
fn outliers_grow_only_where_every_width_does() {
    let mut study = study();
    study.runs.truncate(6);
    study.runs[5].purpose = Purpose::Preset;
    study.runs[5].bits = 4;
    assert_eq!(outcomes(&study)[7], Outcome::Held);
    study.runs[5].bits = 1;
    assert_eq!(outcomes(&study)[7], Outcome::Fell);
}
