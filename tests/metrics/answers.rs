//! Choices, exact match and its filters, BBQ's scores.

use qwgpu::metrics::bias::Tally;
use qwgpu::metrics::choice::{best, best_normalized, mc2};
use qwgpu::metrics::exact_match::{ExactMatch, RegexFilter};
use serde_json::Value;

use super::{array, close, float, floats, golden, refused, text, texts};

#[test]
fn choices_are_those_of_the_harness() {
    for case in array(&golden("choices")) {
        let sums = floats(&case["sums"]);
        let lengths: Vec<usize> = floats(&case["lengths"]).iter().map(|length| *length as usize).collect();
        assert_eq!(best(&sums).unwrap() as u64, case["best"].as_u64().unwrap(), "{case}");
        let normalized = best_normalized(&sums, &lengths).unwrap();
        assert_eq!(normalized as u64, case["best_normalized"].as_u64().unwrap(), "{case}");
        let labels: Vec<bool> = floats(&case["labels"]).iter().map(|label| *label == 1.0).collect();
        // Far below 0, the probabilities themselves have few digits.
        assert!((mc2(&sums, &labels).unwrap() - float(&case["mc2"])).abs() < 1e-12, "{case}");
    }
}

#[test]
fn scores_that_are_no_numbers_are_refused() {
    let lengths = [1; 3];
    for wrong in [f64::NAN, f64::INFINITY] {
        for sums in [[wrong, -1.0, -2.0], [-1.0, wrong, -2.0], [wrong; 3]] {
            refused(best(&sums), "score of choice");
            refused(best_normalized(&sums, &lengths), "score of choice");
            refused(mc2(&sums, &[true, false, false]), "score of choice");
        }
    }
    let never = f64::NEG_INFINITY;
    assert_eq!(best(&[never, -9.0, never]).unwrap(), 1);
    assert_eq!(best(&[never; 3]).unwrap(), 0);
    assert_eq!(mc2(&[never, -9.0], &[true, false]).unwrap(), 0.0);
    refused(mc2(&[never; 2], &[true, false]), "one above -inf");
    refused(mc2(&[-1.0; 2], &[true]), "labels");
    refused(best(&[]), "choices: expected at least one");
    refused(best_normalized(&[-1.0], &[0]), "choice 0");
}

#[test]
fn filters_are_those_of_the_harness() {
    let golden = golden("replies");
    for (filter, expected) in array(&golden["filters"]).iter().zip(array(&golden["filtered"])) {
        let filter = (text(&filter[0]), filter[1].as_i64().unwrap() as isize);
        let regex = RegexFilter::new(filter.0, filter.1, "[invalid]").unwrap();
        for (reply, expected) in texts(&golden["texts"]).into_iter().zip(texts(expected)) {
            assert_eq!(regex.apply(reply).unwrap(), expected, "{reply:?}, {filter:?}");
        }
    }
}

#[test]
fn a_match_that_is_not_there_is_the_fallback() {
    for select in [3, -4, isize::MAX, isize::MIN] {
        assert_eq!(RegexFilter::new("[0-9]", select, "none").unwrap().apply("1 2 3").unwrap(), "none");
    }
}

#[test]
fn exact_match_is_that_of_the_harness() {
    let golden = golden("replies");
    for (settings, expected) in array(&golden["settings"]).iter().zip(array(&golden["equal"])) {
        let ignore = settings["regexes_to_ignore"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ignore: Vec<&str> = ignore.iter().map(text).collect();
        let set = |name: &str| settings[name] == Value::Bool(true);
        let exact = ExactMatch::new(&ignore, set("ignore_case"), set("ignore_punctuation")).unwrap();
        for (answer, row) in texts(&golden["answers"]).into_iter().zip(array(expected)) {
            for (gold, equal) in texts(&golden["golds"]).into_iter().zip(array(row)) {
                assert_eq!(exact.matches(answer, gold).unwrap(), *equal == 1, "{answer:?}, {gold:?}, {settings}");
            }
        }
    }
}

#[test]
fn wrong_patterns_are_refused() {
    refused(RegexFilter::new("([0-9]", 0, "").map(|_| ()), "pattern \"([0-9]\"");
    refused(ExactMatch::new(&["*"], false, false).map(|_| ()), "pattern \"*\"");
    // Backtracking without end.
    let slow = RegexFilter::new(r"(?=(a+)+b)\1", 0, "").unwrap();
    refused(slow.apply(&"a".repeat(5000)), "search in a reply");
}

#[test]
fn bias_scores_are_those_of_the_harness() {
    for set in array(&golden("bias")) {
        let tally = |clear: char| -> Tally {
            let rows = text(&set["rows"]).split(' ').filter(|row| row.ends_with(clear));
            rows.map(|row| row.bytes().map(|digit| digit == b'1').collect::<Vec<_>>())
                .map(|row| Tally::of(row[0], row[2], row[1]))
                .sum()
        };
        let (ambiguous, clear) = (tally('0'), tally('1'));
        let found = [ambiguous.accuracy(), clear.accuracy(), ambiguous.ambiguous_bias_lmh(), clear.bias_lmh()];
        for (found, expected) in found.iter().zip(array(&set["scores"])) {
            assert_eq!(found.is_some(), expected.is_number(), "{set}");
            close(found.unwrap_or(0.0), expected.as_f64().unwrap_or(0.0), "bias");
        }
    }
}

#[test]
fn bias_scores_are_those_of_the_paper() {
    let none_biased = Tally { questions: 10, right: 6, known: 8, biased: 0 };
    assert_eq!((none_biased.bias(), none_biased.bias_lmh()), (Some(-1.0), Some(0.0)));
    assert_eq!(none_biased.ambiguous_bias(), Some(-0.4));
    let biased = Tally { questions: 10, right: 4, known: 8, biased: 6 };
    assert_eq!((biased.bias(), biased.ambiguous_bias()), (Some(0.5), Some(0.3)));
    let unknown = Tally { questions: 5, right: 5, known: 0, biased: 0 };
    assert_eq!((unknown.bias(), unknown.ambiguous_bias(), unknown.bias_lmh()), (None, None, Some(0.0)));
    assert_eq!(Tally::default().bias_lmh(), None);
}
