//! Tasks that ask for a reply: their prompts and scores equal those of the Python originals
//! (scripts/make_reply_prompts.py).

mod bad_files;
mod pieces;

use std::path::{Path, PathBuf};

use qwgpu::Result;
use qwgpu::tasks::{Aggregation, FilterResult, Item, Metric, Profile, Subset, Task, named};
use serde_json::Value;

use crate::files::fixture;
use crate::prompts::{document_hash, number, reply_prompts, score_reply, sha256};

fn fixtures() -> PathBuf {
    fixture("tasks/reply")
}

fn golden(name: &str) -> Vec<Value> {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join(name)).unwrap()).unwrap()
}

fn open(name: &str, data: &Path) -> Result<(&'static Task, Vec<Subset>)> {
    named::open(name, data)
}

fn profile<'a>(task: &'a Task, name: &str) -> &'a Profile {
    task.profiles.iter().find(|profile| profile.name == name).unwrap()
}

fn score(profile: &Profile, set: &Subset, document: usize, reply: &str) -> Vec<FilterResult> {
    score_reply(profile, set, &set.documents[document], reply)
}

#[test]
fn prompts_equal_the_originals() {
    let cases = golden("prompts.json");
    let text = |case: &Value, field: &str| case[field].as_str().unwrap().to_owned();
    for case in &cases {
        let (task, set) = (text(case, "task"), text(case, "set"));
        let name = set.strip_prefix("flores_").map_or(task.clone(), |pair| format!("flores:{pair}"));
        let (task, sets) = open(&name, &fixtures().join("data")).unwrap();
        let profile = profile(task, &text(case, "profile"));
        let [set] = &sets[..] else { panic!("{name}: {} sets", sets.len()) };
        let id = case["doc_id"].as_u64().unwrap() as usize;
        let shots = case["shots"].as_u64().map_or(profile.shots, |shots| shots as usize);
        let (context, target, until) = reply_prompts(set, profile, shots).swap_remove(id);
        assert_eq!(context, text(case, "prompt"), "{name} {} {id}", profile.name);
        assert_eq!(target, text(case, "target"));
        assert_eq!(serde_json::to_value(until).unwrap(), case["until"]);
        assert_eq!(sha256(&context), text(case, "prompt_hash"));
        assert_eq!(sha256(&target), text(case, "target_hash"));
        assert_eq!(document_hash(&set.documents[id]), text(case, "doc_hash"));
    }
    assert_eq!(cases.len(), 33);
}

#[test]
fn numbers_are_found_as_by_the_originals() {
    let (task, sets) = open("gsm8k", &fixtures().join("data")).unwrap();
    for case in golden("gsm8k.json") {
        let document = case["doc_id"].as_u64().unwrap() as usize;
        for found in case["found"].as_array().unwrap() {
            let [name, filter] = [0, 1].map(|index| found[index].as_str().unwrap());
            let outcomes = score(profile(task, name), &sets[0], document, case["reply"].as_str().unwrap());
            let metric = if filter == "last-number" { "acc" } else { "exact_match" };
            let right = number(&outcomes, filter, metric) == 1.0;
            assert_eq!(right, found[3].as_bool().unwrap(), "{name} {filter}: {case}");
            let outcome = outcomes.iter().find(|outcome| outcome.filter == filter).unwrap();
            if let Some(expected) = found[2].as_str() {
                assert_eq!(outcome.filtered.as_deref(), Some(&[expected.to_owned()][..]), "{name} {filter}: {case}");
            }
        }
    }
}

#[test]
fn summaries_score_as_by_the_original() {
    let (task, sets) = open("cnn_dailymail", &fixtures().join("data")).unwrap();
    let cases = golden("rouge.json");
    for case in &cases {
        let document = case["doc_id"].as_u64().unwrap() as usize;
        let outcomes = score(profile(task, "lmh"), &sets[0], document, case["reply"].as_str().unwrap());
        for metric in ["rouge1", "rouge2", "rougeL", "rougeLsum"] {
            let (ours, expected) = (number(&outcomes, "none", metric), case[metric].as_f64().unwrap());
            assert!((ours - expected).abs() < 1e-12, "{metric}: {ours}: {case}");
        }
    }
    let by_sentence = |case: &Value| case["rougeLsum"].as_f64() > case["rougeL"].as_f64();
    assert!(cases.iter().any(by_sentence), "some case must tell the two apart");
}

/// sacreBLEU's signature of a metric of translations: goldens of other settings would be of another measure.
fn signature(metric: &Metric) -> String {
    let bleu = |tokenizer: &str| format!("nrefs:1|case:mixed|eff:no|tok:{tokenizer}|smooth:exp|version:2.6.0");
    let chrf = |words: usize| format!("nrefs:1|case:mixed|eff:yes|nc:6|nw:{words}|space:no|version:2.6.0");
    match metric.name {
        "bleu" => bleu(metric.filter),
        "bleu_lmh" => bleu("13a"),
        "spbleu" => bleu("flores200"),
        "chrf" => chrf(0),
        "chrf++" => chrf(2),
        other => panic!("{other}"),
    }
}

#[test]
fn translations_score_as_by_sacrebleu() {
    for case in golden("translation.json") {
        let name = format!("flores:{}", case["pair"].as_str().unwrap());
        let (task, sets) = open(&name, &fixtures().join("data")).unwrap();
        let profile = profile(task, "lmh");
        let replies = case["replies"].as_array().unwrap().iter().enumerate();
        let outcomes: Vec<FilterResult> =
            replies.flat_map(|(id, reply)| score(profile, &sets[0], id, reply.as_str().unwrap())).collect();
        let mut seen = 0;
        for metric in profile.metrics {
            let of_filter = outcomes.iter().filter(|outcome| outcome.filter == metric.filter);
            let items: Vec<Item> = of_filter
                .flat_map(|outcome| outcome.items.iter().filter(|(name, _)| *name == metric.name))
                .map(|(_, item)| item.clone())
                .collect();
            let expected = &case["scores"][format!("{},{}", metric.name, metric.filter)];
            assert_eq!(items.len(), if expected.is_null() { 0 } else { 3 }, "{}", metric.filter);
            let Aggregation::Corpus(measure) = metric.aggregation else { panic!("{}: a mean", metric.name) };
            if let Some(score) = expected[0].as_f64() {
                assert!((measure(&items) - score).abs() < 1e-9, "{} {}: {}", metric.name, name, measure(&items));
                assert_eq!(expected[1], signature(metric));
                seen += 1;
            }
        }
        assert_eq!(seen, 4, "{name}");
    }
}

#[test]
fn tasks_are_opened_by_name() {
    let data = fixtures().join("data");
    let names = |name: &str| -> Vec<String> { open(name, &data).unwrap().1.into_iter().map(|set| set.name).collect() };
    assert_eq!(names("flores"), ["flores_eng_Latn-zho_Hans", "flores_zho_Hans-eng_Latn"]);
    assert_eq!(names("flores:deu_Latn-eng_Latn, eng_Latn-deu_Latn").len(), 2);
    assert_eq!(names("gsm8k:gsm8k"), ["gsm8k"]);
    let refused = |name: &str| open(name, &data).err().unwrap().to_string();
    assert!(refused("gsm8").contains("expected one of mmlu, ceval"), "{}", refused("gsm8"));
    assert!(refused("gsm8k:algebra").contains("part of gsm8k"), "{}", refused("gsm8k:algebra"));
    for pair in ["deu_Latn", "deu_Latn-deu_Latn", "deu_Latn-../../etc", "", "eng-zho"] {
        let error = refused(&format!("flores:{pair}"));
        assert!(error.contains("two different languages"), "{error}");
    }
}

#[test]
fn what_neural_metrics_read() {
    let data = fixture("tiny-data");
    for (name, fields) in [
        ("flores:zho_Hans-eng_Latn", ["src", "mt", "ref"]),
        ("truthfulqa_gen", ["candidate", "correct_references", "incorrect_references"]),
    ] {
        let (task, sets) = open(name, &data).unwrap();
        let document = &sets[0].documents[0];
        let line = task.export.unwrap()(document, "A reply.");
        assert_eq!(line.as_object().unwrap().keys().collect::<Vec<_>>(), fields);
        assert!(line.as_object().unwrap().values().any(|value| value == "A reply."));
    }
    let (flores, sets) = open("flores:zho_Hans-eng_Latn", &data).unwrap();
    let line = flores.export.unwrap()(&sets[0].documents[0], "");
    let document = &sets[0].documents[0];
    assert_eq!((&line["src"], &line["ref"]), (&document["sentence_zho_Hans"], &document["sentence_eng_Latn"]));
}

#[test]
fn limits_and_chat() {
    let data = fixtures().join("data");
    for (name, limit) in [("gsm8k", None), ("flores", None), ("cnn_dailymail", Some(1000)), ("xsum", Some(1000))] {
        let (task, _) = open(name, &data).unwrap();
        assert!(task.profiles.iter().any(|profile| profile.chat), "{name}");
        for profile in task.profiles {
            assert_eq!(profile.limit, limit);
        }
    }
}
