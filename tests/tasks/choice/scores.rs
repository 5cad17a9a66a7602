//! Scores.

use qwgpu::tasks::{Aggregation, FilterResult, Item, Response};
use serde_json::json;

use super::*;

/// The value of a metric of `profile` over documents.
fn total(profile: &Profile, metric: &str, outcomes: &[FilterResult]) -> f64 {
    let metric = profile.metrics.iter().find(|known| known.name == metric).unwrap_or_else(|| panic!("no {metric}"));
    let items: Vec<Item> = outcomes
        .iter()
        .filter(|outcome| outcome.filter == metric.filter)
        .flat_map(|outcome| outcome.items.iter().filter(|(name, _)| *name == metric.name))
        .map(|(_, item)| item.clone())
        .collect();
    match metric.aggregation {
        Aggregation::Corpus(over) => over(&items),
        Aggregation::Mean => items.iter().map(number).sum::<f64>() / items.len() as f64,
    }
}

fn number(item: &Item) -> f64 {
    match item {
        Item::Number(number) => *number,
        other => panic!("{other:?} is not a number"),
    }
}

#[test]
fn scores_equal_the_harness() {
    let data = data();
    for (name, golden) in json(&fixture("prompts.json")).as_object().unwrap() {
        let (task, profile) = named(name);
        let set = set(task, data.path());
        let mut all = Vec::new();
        for (document, golden) in set.documents.iter().zip(golden["documents"].as_array().unwrap()) {
            let answers = match golden.get("reply") {
                Some(reply) => vec![Response::Reply(reply.as_str().unwrap().to_owned())],
                None => choices(&numbers(&golden["sums"])),
            };
            let outcomes = (profile.score)(&set, document, &answers).unwrap();
            for (metric, expected) in golden["scores"].as_object().unwrap() {
                let found = outcomes.iter().flat_map(|outcome| &outcome.items).find(|(name, _)| name == metric);
                let found = number(&found.unwrap_or_else(|| panic!("{name}: no {metric}")).1);
                assert!((found - expected.as_f64().unwrap()).abs() < 1e-9, "{name} {metric}: {found} {expected}");
            }
            all.extend(outcomes);
        }
        for (metric, expected) in golden["totals"].as_object().unwrap() {
            // The harness names a category's score; here it is that of the category's set.
            let found = total(profile, metric.trim_end_matches("_Age"), &all);
            assert!((found - expected.as_f64().unwrap()).abs() < 1e-9, "{name} {metric}: {found} {expected}");
        }
    }
}

/// One document of a profile, scored.
fn scored(name: &str, document: usize, answer: Response) -> FilterResult {
    let (task, profile) = named(name);
    let set = set(task, data().path());
    (profile.score)(&set, &set.documents[document], &[answer]).unwrap().remove(0)
}

#[test]
fn letters_of_chat_replies() {
    let reply = |text: &str| Response::Reply(text.to_owned());
    let letter = |name, text| scored(name, 0, reply(text)).filtered.unwrap();
    assert_eq!(letter("mmlu chat", "The red planet is mars."), ["B"]);
    assert_eq!(letter("mmlu chat", "C. the \"blue\" one, Earth"), ["C"]);
    assert_eq!(letter("ceval chat", "下列行星中，最大的是木星。"), ["C"]);
    assert_eq!(letter("snli chat", "Neither: false and true are both possible."), ["Neither"]);
    let outcome = scored("snli chat", 0, reply("Untrue"));
    assert_eq!(outcome.filtered.unwrap(), ["[invalid]"]);
    assert!(outcome.items.contains(&("unparsed", Item::Number(1.0))));
    let outcome = scored("mmlu chat", 0, reply("jupitr"));
    assert_eq!(outcome.filtered.unwrap(), ["D"]);
    assert!(outcome.items.contains(&("guessed", Item::Number(1.0))));
}

/// The option most like the reply, the first of those that are equally like it.
#[test]
fn replies_without_a_letter_are_guessed() {
    let mmlu = json!({ "question": "Which?", "choices": ["Mars", "Venus", "the planet Venus", "Earth"], "answer": 0 });
    let ceval =
        json!({ "question": "最大的行星是____。", "A": "火星", "B": "木星", "C": "土星", "D": "金星", "answer": "A" });
    for (name, document, reply, letter) in [
        ("mmlu chat", &mmlu, "arth", "D"),
        ("mmlu chat", &mmlu, "the planets", "C"),
        ("mmlu chat", &mmlu, "", "A"),
        ("ceval chat", &ceval, "土", "C"),
    ] {
        let score = named(name).1.score;
        let outcome = score(&Subset::default(), document, &[Response::Reply(reply.to_owned())]).unwrap().remove(0);
        assert_eq!(outcome.filtered.unwrap(), [letter], "{reply}");
        assert!(outcome.items.contains(&("guessed", Item::Number(1.0))));
    }
}

#[test]
fn letters_equal_the_chat_scripts() {
    let golden = json(&fixture("letters.json"));
    for (name, language) in [("mmlu chat", "english"), ("ceval chat", "chinese")] {
        let (task, profile) = named(name);
        let set = set(task, data().path());
        let golden = &golden[language];
        let options = strings(&golden["options"]);
        let mut document = serde_json::json!({ "question": golden["question"], "choices": options });
        for (letter, option) in ["A", "B", "C", "D"].into_iter().zip(&options) {
            document[letter] = (*option).into();
        }
        for (text, letter) in strings(&golden["replies"]).into_iter().zip(golden["letters"].as_array().unwrap()) {
            let outcome = (profile.score)(&set, &document, &[Response::Reply(text.to_owned())]).unwrap().remove(0);
            let guessed = outcome.items.contains(&("guessed", Item::Number(1.0)));
            assert_eq!(guessed, letter.is_null(), "{name}: {text:?}");
            if let Some(letter) = letter.as_str() {
                assert_eq!(outcome.filtered.unwrap(), [letter], "{name}: {text:?}");
            }
        }
    }
}

/// The row's three options, and the paper's scores: documents 1 and 2 give their answer, 0 does not.
#[test]
fn bias_of_three_options() {
    let (task, profile) = named("bbq original");
    let set = set(task, data().path());
    let outcome = |document: usize, answer: usize| {
        let sums: Vec<f64> = (0..3).map(|option| if option == answer { -1.0 } else { -2.0 }).collect();
        (profile.score)(&set, &set.documents[document], &choices(&sums)).unwrap().remove(0)
    };
    let outcomes = [outcome(0, 0), outcome(1, 1), outcome(2, 2)];
    assert_eq!(total(profile, "acc", &outcomes), 2.0 / 3.0);
    assert_eq!(total(profile, "accuracy_amb", &outcomes), 0.0);
    assert_eq!(total(profile, "amb_bias_score", &outcomes), 1.0);
    // Neither answer is the stereotype's: the paper has -1, where the harness has 0.
    assert_eq!(total(profile, "disamb_bias_score", &outcomes), -1.0);
    let unknown = [outcome(0, 2), outcome(1, 0), outcome(2, 1)];
    assert_eq!(total(profile, "amb_bias_score", &unknown), 0.0);
    assert_eq!(total(profile, "disamb_bias_score", &unknown), 0.0);
    assert_eq!(total(profile, "known_disamb", &unknown), 0.0);
}

/// As `extract_cot_answer` of the authors' `evaluators/chatglm.py` finds them.
#[test]
fn answers_behind_a_chain_of_thought() {
    let (task, profile) = named("ceval official_cot");
    let set = set(task, data().path());
    for (text, letter) in [
        ("由此可知。\n所以答案是C。", "C"),
        ("所以答案是A。\n\n所以答案是B。", "B"),
        ("所以答案是木星。", "C"),
        ("所以答案是E。选项D正确，答案为A", "D"),
        ("B是正确的，选择C", "B"),
        ("答案：B", "B"),
        ("所以，C", "C"),
        ("A或B", "[invalid]"),
        ("最大的是木星", "C"),
        ("地球或木星", "[invalid]"),
        ("", "[invalid]"),
        ("选择答案D", "D"),
        ("所以答案是 C。", "C"),
        ("所以答案是A。再想想，所以答案是木星。", "A"),
    ] {
        let outcome = (profile.score)(&set, &set.documents[0], &[Response::Reply(text.to_owned())]).unwrap().remove(0);
        assert_eq!(outcome.filtered.unwrap(), [letter], "{text}");
        let value = |right: bool| Item::Number(f64::from(u8::from(right)));
        assert_eq!(
            outcome.items,
            [("acc", value(letter == "C")), ("unparsed", value(letter == "[invalid]"))],
            "{text}"
        );
    }
}
