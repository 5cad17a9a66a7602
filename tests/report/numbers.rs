//! Every derived number against its Python original, or by hand.

use qwgpu::metrics::statistics::Summary;
use qwgpu::report::Analysis;
use qwgpu::report::compare::{ChangeVerdict, Test};
use qwgpu::report::correlate::{LEAST_RUNS, mean};
use qwgpu::report::data::StudyResult;
use qwgpu::report::number::{bytes, fixed, percent, perplexity, probability, signed};
use qwgpu::report::run::speed_ratio;
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
    let analysis = Analysis::new(&study).unwrap();
    let model = study.models()[0];
    let found: Vec<_> = analysis.changes.iter().filter(|change| change.run.model == model).collect();
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
    let analysis = Analysis::new(&study).unwrap();
    let of_model: Vec<_> = analysis.changes.iter().filter(|c| c.run.model == study.models()[0]).collect();
    let least = of_model.iter().min_by(|a, b| a.p.unwrap().total_cmp(&b.p.unwrap())).unwrap();
    assert_eq!(least.corrected.unwrap(), (least.p.unwrap() * of_model.len() as f64).min(1.0));
    assert!(of_model.iter().all(|change| change.corrected.unwrap() >= change.p.unwrap()));
}

#[test]
fn correlations_equal_the_originals() {
    let (study, expected) = (study(), expected());
    let analysis = Analysis::new(&study).unwrap();
    let model = study.models()[0];
    for expected in expected["relations"].as_array().unwrap() {
        let (text, task) = (expected["text"].as_str().unwrap(), expected["task"].as_str().unwrap());
        let mut all = analysis.relations.iter();
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
                near(found.p, &expected[1], &format!("{text} {task} {name} {kind} p"));
            }
        }
    }
    let found = mean(&analysis.relations, false, LEAST_RUNS).unwrap();
    let all = analysis.relations.iter().filter_map(|r| r.all.plain).filter(|r| r.pairs >= 4);
    let by_hand: Vec<f64> = all.map(|r| -r.r).collect();
    assert_eq!(found.count, by_hand.len());
    assert!((found.signed - by_hand.iter().sum::<f64>() / found.count as f64).abs() < 1e-12);
    assert!((found.absolute - by_hand.iter().map(|r| r.abs()).sum::<f64>() / found.count as f64).abs() < 1e-12);
}

#[test]
fn repeats_equal_numpy() {
    let (study, expected) = (study(), expected());
    let rates = Summary::new(&study.runs[1].speeds[0].decode).unwrap();
    near(rates.median, &expected["decode"]["median"], "median");
    near(rates.cv.unwrap(), &expected["decode"]["variation"], "variation");
}

#[test]
fn summaries_have_no_variation_of_one_value() {
    let s = Summary::new(&[4.0, 1.0, 2.0, 5.0]).unwrap();
    assert_eq!((s.median, s.min, s.max), (3.0, 1.0, 5.0));
    // Deviations -2, -1, 1, 2 around 3: variance 10 / 3.
    assert!((s.cv.unwrap() - (10.0f64 / 3.0).sqrt() / 3.0).abs() < 1e-12);
    assert_eq!(Summary::new(&[7.0]).unwrap().cv, None);
    assert_eq!((Summary::new(&[]), Summary::new(&[1.0, f64::NAN])), (None, None));
}

#[test]
fn what_varies_or_was_run_once_is_not_compared() {
    let summary = |rates: &[f64]| Summary::new(rates).unwrap();
    let (steady, shaky) = (summary(&[10.0, 10.1, 9.9]), summary(&[10.0, 12.0, 8.0]));
    assert_eq!(speed_ratio(&steady, &summary(&[20.0, 20.2, 19.8])), Ok(0.5));
    assert_eq!(speed_ratio(&shaky, &steady), Err("not compared: varies by 20.0 %".to_owned()));
    assert_eq!(speed_ratio(&steady, &shaky), Err("not compared: varies by 20.0 %".to_owned()));
    assert_eq!(speed_ratio(&summary(&[10.0]), &steady), Err("not compared: one repeat only".to_owned()));
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
    let analysis = Analysis::new(&study).unwrap();
    for rise in &analysis.rises {
        let collapsed = rise.run.method == "gptq" && rise.run.bits == 2;
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
    let ask = |study: &mut StudyResult, run: usize, wrong: usize, all: usize| {
        let score = &mut study.runs[run].scores[0];
        score.items = (0..all).map(|i| Some(f64::from(i >= wrong))).collect();
        (score.documents, score.value) = (all as u64, 1.0 - wrong as f64 / all as f64);
    };
    let verdict = |study: &StudyResult| Analysis::new(study).unwrap().changes[0].verdict();
    ask(&mut study, 0, 50, 100);
    ask(&mut study, 1, 53, 100);
    assert_eq!(verdict(&study), ChangeVerdict::Open);
    // Few documents without a difference show little: 0.99 to the 299th is the first power below 0.05.
    for (all, expected) in [(2, ChangeVerdict::Open), (298, ChangeVerdict::Open), (299, ChangeVerdict::Equivalent)] {
        ask(&mut study, 0, all / 2, all);
        ask(&mut study, 1, all / 2, all);
        assert_eq!(verdict(&study), expected, "{all}");
        let p = Analysis::new(&study).unwrap().changes[0].equivalence.unwrap();
        assert!((p - 0.99f64.powi(all as i32)).abs() < 1e-12, "{all}: {p}");
    }
    ask(&mut study, 0, 50, 100);
    ask(&mut study, 1, 50, 100);
    // By hand: (0 + 1)/102 on both sides, so 0 ± 1.96·√(2/102/102).
    let (low, high) = Analysis::new(&study).unwrap().changes[0].interval.unwrap();
    assert!((low + 2.7174584791).abs() < 1e-9 && (high - 2.7174584791).abs() < 1e-9, "{low} to {high}");
    ask(&mut study, 1, 70, 100);
    assert_eq!(verdict(&study), ChangeVerdict::Worse);
    study.runs.iter_mut().for_each(|run| run.scores[0].higher_is_better = false);
    assert_eq!(verdict(&study), ChangeVerdict::Better);
}

#[test]
fn documents_that_differ_or_failed_are_not_paired() {
    let mut study = study();
    study.runs[1].scores[0].digest = "other".to_owned();
    study.runs[1].scores[1].items[3] = None;
    study.runs[2].scores[0].items.clear();
    study.runs[2].scores[0].stderr = None;
    let analysis = Analysis::new(&study).unwrap();
    let of = |run: usize, score: usize| {
        let wanted = &study.runs[run].scores[score];
        analysis.changes.iter().find(|change| std::ptr::eq(change.score, wanted)).unwrap()
    };
    assert_eq!((of(1, 0).test, of(1, 0).pairs), (Test::Unpaired, 0));
    assert_eq!((of(1, 1).test, of(1, 1).pairs), (Test::McNemar, 118));
    assert_eq!((of(2, 0).test, of(2, 0).p, of(2, 0).verdict()), (Test::Untested, None, ChangeVerdict::Open));
}

#[test]
fn a_bootstrap_wants_ten_pairs() {
    let mut study = study();
    for run in &mut study.runs {
        let score = run.scores.iter_mut().find(|score| score.metric == "rougeL").unwrap();
        score.items.truncate(9);
        score.documents = 9;
        run.perplexities.iter_mut().for_each(|perplexity| perplexity.windows.truncate(9));
        run.perplexities[0].windows.push(3.0);
    }
    let analysis = Analysis::new(&study).unwrap();
    for change in analysis.changes.iter().filter(|change| change.score.metric == "rougeL") {
        assert_eq!((change.test, change.pairs, change.p, change.interval), (Test::Untested, 9, None, None));
        assert_eq!((change.equivalence, change.verdict()), (None, ChangeVerdict::Open));
    }
    for rise in analysis.rises.iter().filter(|rise| rise.perplexity.value.is_finite()) {
        let enough = rise.perplexity.windows.len() == 10;
        assert_eq!((rise.p.is_some(), rise.interval.is_some()), (enough, enough), "{}", rise.perplexity.text);
    }
}

#[test]
fn numbers_read_well() {
    assert_eq!(fixed(-1_234_567.891, 1), "−1,234,567.9");
    assert_eq!((fixed(999.95, 1), fixed(-0.04, 1)), ("1,000.0".to_owned(), "0.0".to_owned()));
    assert_eq!((signed(0.25, 1), signed(-2.0, 1)), ("+0.2".to_owned(), "−2.0".to_owned()));
    assert_eq!((perplexity(8.1234), perplexity(38214.3)), ("8.123".to_owned(), "38,214".to_owned()));
    assert_eq!((perplexity(f64::INFINITY), fixed(f64::NAN, 2)), ("∞".to_owned(), "NaN".to_owned()));
    assert_eq!((percent(0.11336), percent(0.00003)), ("11.3 %".to_owned(), "0.0030 %".to_owned()));
    assert_eq!((bytes(988_097_824), bytes(999)), ("988.10 MB".to_owned(), "999 B".to_owned()));
    assert_eq!((probability(0.0004), probability(0.0768)), ("< 0.001".to_owned(), "0.077".to_owned()));
}
