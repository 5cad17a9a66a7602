//! FollowBench: rules, judge prompts and verdicts equal those of the authors' scripts (scripts/make_followbench_goldens.py).

mod bad_files;

use std::path::Path;

use qwgpu::tasks::followbench::{TASK, TASK_ZH};
use qwgpu::tasks::{Aggregation, FilterResult, Item, Metric, OutputType, Response, Subset, Task};
use serde_json::{Value, json};

use crate::files::fixture;

fn golden(name: &str) -> Vec<Value> {
    let file = fixture("tasks/followbench").join(name);
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn set() -> Subset {
    Subset { name: "followbench_any".into(), ..Subset::default() }
}

fn score(document: &Value, answers: &[&str]) -> Vec<FilterResult> {
    let answers: Vec<Response> = answers.iter().map(|text| Response::Reply((*text).to_owned())).collect();
    (TASK.profiles[0].score)(&set(), document, &answers).unwrap()
}

/// A document whose instruction does not matter.
fn document(language: &str, kind: &str, source: &str, example_id: u64, level: u64, target: &str) -> Value {
    json!({
        "example_id": example_id, "category": kind, "source": source, "level": level, "instruction": "Do it.",
        "target": target, "kind": kind, "language": language,
    })
}

fn record(outcomes: &[FilterResult], filter: &str) -> Value {
    let outcome = outcomes.iter().find(|outcome| outcome.filter == filter).unwrap();
    match &outcome.items[0].1 {
        Item::Record(record) => record.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_decide_as_the_originals() {
    let cases = golden("rules.json");
    for case in &cases {
        let source = case["source"].as_str().unwrap();
        let kind = source.split(' ').next().filter(|kind| ["format", "example"].contains(kind)).unwrap_or("mixed");
        for (level, met) in (1..).zip(case["met"].as_array().unwrap()) {
            let (language, target) = (case["language"].as_str().unwrap(), case["target"].as_str().unwrap());
            let document = document(language, kind, source, case["example_id"].as_u64().unwrap(), level, target);
            let outcomes = score(&document, &[case["reply"].as_str().unwrap()]);
            let expected = if met.as_bool().unwrap() { 1.0 } else { 0.0 };
            assert_eq!(record(&outcomes, "rule")["hard"], json!(expected), "level {level} of {case}");
            assert_eq!(record(&outcomes, "all")["soft"], json!(expected), "level {level} of {case}");
        }
    }
    assert_eq!(cases.len(), 226);
}

#[test]
fn judges_are_asked_as_by_the_originals() {
    for case in golden("requests.json") {
        let level = case["path"].as_array().unwrap().len() as u64 - 1;
        let kind = case["kind"].as_str().unwrap();
        let mut document = document(case["language"].as_str().unwrap(), kind, "quora", 2, level, "");
        document["path"] = case["path"].clone();
        let outcomes = score(&document, &[case["reply"].as_str().unwrap()]);
        assert_eq!(outcomes.len(), 1, "no rule");
        assert_eq!(outcomes[0].filter, "all");
        assert!(
            outcomes[0].items.iter().all(|(_, item)| item == &Item::Request(case["prompt"].as_str().unwrap().into()))
        );
    }
}

/// What the originals leave to be corrected by hand, and is read here.
const READ_HERE: &[(&str, &str)] =
    &[("en", "[YES, NO]"), ("en", "['YES', 'PARTIALLY']"), ("en", "[“YES”, “NO”]"), ("zh", "['YES', 'N/A']")];

#[test]
fn verdicts_are_read_as_by_the_originals() {
    let mut read_here = Vec::new();
    for case in golden("verdicts.json") {
        let (language, text) = (case["language"].as_str().unwrap(), case["text"].as_str().unwrap());
        let document = document(language, "style", "quora", 2, case["level"].as_u64().unwrap(), "");
        let record = record(&score(&document, &["a reply", text]), "all");
        if case["hard"] == -1 {
            if !record["hard"].is_null() {
                read_here.push((language.to_owned(), text.to_owned()));
            }
            continue;
        }
        assert_eq!(record["hard"].as_f64(), case["hard"].as_f64(), "{case}");
        assert_eq!(record["soft"].as_f64(), case["soft"].as_f64(), "{case}");
    }
    let expected: Vec<_> = READ_HERE.iter().map(|&(language, text)| (language.to_owned(), text.to_owned())).collect();
    assert_eq!(read_here, expected);
}

fn value(metric: &Metric, items: &[Item]) -> f64 {
    match metric.aggregation {
        Aggregation::Corpus(measure) => measure(items),
        Aggregation::Mean => panic!("{}: not over a corpus", metric.name),
    }
}

fn measure(name: &str, items: &[Item]) -> f64 {
    value(TASK.profiles[0].metrics.iter().find(|metric| metric.name == name && metric.filter == "all").unwrap(), items)
}

fn items(group: &str, hard: [Option<f64>; 5]) -> Vec<Item> {
    let soft = |hard: Option<f64>| hard.map(|hard| 0.5 + hard / 2.0);
    let records = (1..).zip(hard);
    records
        .map(|(level, hard)| Item::Record(json!({"group": group, "level": level, "hard": hard, "soft": soft(hard)})))
        .collect()
}

#[test]
fn rates_and_levels_in_a_row() {
    let (yes, no) = (Some(1.0), Some(0.0));
    let mut all = items("a/1", [yes, yes, no, yes, yes]);
    assert_eq!(measure("csl", &all), 2.0, "levels after the first failure do not count");
    all.extend(items("a/2", [yes, yes, yes, yes, yes]));
    all.extend(items("b/1", [no, None, yes, no, no]));
    assert_eq!(measure("csl", &all), 7.0 / 3.0, "an unreadable verdict behind a failure decides nothing");
    assert_eq!(measure("hsr_2", &all), 1.0, "unreadable verdicts are left out");
    assert_eq!(measure("hsr_1", &all), 2.0 / 3.0);
    assert_eq!(measure("ssr_1", &all), 2.5 / 3.0);
    let rates = [2.0 / 3.0, 1.0, 2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0];
    assert!((measure("hsr", &all) - rates.iter().sum::<f64>() / 5.0).abs() < 1e-12);
    assert_eq!(measure("unparsed", &all), 1.0 / 15.0);
    all.extend(items("b/2", [yes, None, yes, yes, yes]));
    assert_eq!(measure("csl", &all), 7.0 / 3.0, "a group that no one can count is left out");
    assert!(measure("csl", &[]).is_nan() && measure("hsr_3", &[]).is_nan());
}

/// A bootstrap draws groups with replacement.
#[test]
fn a_group_drawn_twice_counts_twice() {
    let (yes, no) = (Some(1.0), Some(0.0));
    let (low, high) = (items("a/1", [no; 5]), items("a/2", [yes; 5]));
    assert_eq!(measure("csl", &[&low[..], &high, &high].concat()), 10.0 / 3.0);
    assert_eq!(measure("csl", &[&high[..], &low, &low, &low].concat()), 5.0 / 4.0);
    let unreadable = items("b/1", [None; 5]);
    assert_eq!(measure("csl", &[&unreadable[..], &unreadable, &high].concat()), 5.0);
}

/// A limit may end within a group, which then would count only if it failed early.
#[test]
fn a_group_with_an_absent_level_is_left_out() {
    let (yes, no) = (Some(1.0), Some(0.0));
    let whole = items("a/1", [yes, yes, no, no, no]);
    let cut = items("a/2", [no; 5]);
    for kept in 1..5 {
        assert_eq!(measure("csl", &[&whole[..], &cut[..kept]].concat()), 2.0, "{kept}");
    }
    assert_eq!(measure("csl", &[&whole[..], &cut[..]].concat()), 1.0);
    assert!(measure("csl", &cut[..3]).is_nan());
}

#[test]
fn prompts_are_the_instruction_alone() {
    let document = document("en", "style", "quora", 2, 1, "");
    let prompt = (TASK.profiles[0].prompt)(&set(), &document);
    assert_eq!((prompt.description.as_str(), prompt.text.as_str()), ("", "Do it."));
    assert_eq!(prompt.output, OutputType::Reply { until: vec![], max_new_tokens: 2048 });
    assert!(TASK.profiles[0].chat && TASK.profiles[0].shots == 0);
}

fn read(task: &Task, data: &Path) -> qwgpu::Result<Vec<Subset>> {
    (task.read)(data)
}
