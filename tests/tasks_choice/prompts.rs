//! Prompts.

use qwgpu::tasks::prompt::{Message, Turns, compose, messages};
use qwgpu::tasks::{Ask, Prompt};
use serde_json::{Value, json};

use super::*;

#[test]
fn prompts_equal_the_harness() {
    let data = data();
    for (name, golden) in json(&fixture("prompts.json")).as_object().unwrap() {
        let (task, profile) = named(name);
        let set = set(task, data.path());
        let asked = asked(&set, profile, golden["shots"].as_u64().unwrap() as usize);
        let records = golden["documents"].as_array().unwrap();
        assert_eq!(records.len(), asked.len(), "{name}");
        for ((document, (prompt, shots)), golden) in set.documents.iter().zip(&asked).zip(records) {
            let (context, continuations) = compose(prompt, shots);
            assert_eq!(context, golden["context"], "{name}");
            assert_eq!(sha256(&context), golden["context_hash"], "{name}");
            assert_eq!(document_hash(document), golden["document_hash"], "{name}: {document:#}");
            let target = prompt.logged_target.clone().unwrap_or_else(|| prompt.target.clone().into());
            assert_eq!(target.as_str().map_or_else(|| target.to_string(), str::to_owned), golden["target"], "{name}");
            match &prompt.ask {
                Ask::Choices(_) => assert_eq!(continuations, strings(&golden["continuations"]), "{name}"),
                Ask::Reply { until, tokens } => {
                    assert_eq!(*until, strings(&golden["until"]), "{name}");
                    assert_eq!(*tokens, 256, "{name}");
                }
            }
            for (turns, golden) in [(Turns::One, &golden["one_message"]), (Turns::Each, &golden["turns"])] {
                assert_eq!(shown(&messages(prompt, shots, turns).0), *golden, "{name}");
            }
        }
    }
}

fn shown(messages: &[Message]) -> Value {
    messages.iter().map(|message| json!({ "role": message.role, "content": message.content })).collect()
}

#[test]
fn prompts_equal_the_templates() {
    let data = data();
    for (name, golden) in json(&fixture("written_out.json")).as_object().unwrap() {
        let (task, profile) = named(name);
        assert_eq!(name.split(' ').nth(1), Some(profile.name));
        let asked = asked(&set(task, data.path()), profile, golden["shots"].as_u64().unwrap() as usize);
        let contexts = strings(&golden["contexts"]);
        assert_eq!(contexts.len(), asked.len());
        for ((prompt, shots), context) in asked.iter().zip(contexts) {
            let composed = compose(prompt, shots);
            assert_eq!(sha256(&composed.0), sha256(context), "{name}: {}", composed.0);
            assert_eq!(composed.1, strings(&golden["continuations"]), "{name}");
            let expected = json!([{ "role": "user", "content": context }]);
            if profile.chat {
                assert_eq!(shown(&messages(prompt, shots, Turns::One).0), expected, "{name}");
            }
        }
    }
}

/// A continuation of a conversation has no delimiter; a shot in its one message has.
#[test]
fn continuations_of_conversations_have_no_space() {
    let prompt = |text: &str, target: &str| Prompt {
        description: "Be brief.".to_owned(),
        text: text.to_owned(),
        delimiter: " ",
        target: target.to_owned(),
        logged_target: None,
        ask: Ask::Choices(vec!["yes".to_owned(), "no".to_owned()]),
    };
    let (messages, continuations) = messages(&prompt("Two?", "no"), &[prompt("One?", "yes")], Turns::One);
    assert_eq!(continuations, ["yes", "no"]);
    let expected = json!([
        { "role": "system", "content": "Be brief." },
        { "role": "user", "content": "One? yes\n\nTwo?" },
    ]);
    assert_eq!(shown(&messages), expected);
}

#[test]
fn subjects_are_those_of_the_harness() {
    let data = data();
    let subjects = json(&fixture("subjects.json"));
    for name in ["mmlu", "ceval"] {
        let (task, profile) = named(name);
        let sets = (task.read)(data.path()).unwrap();
        let subjects = subjects[name].as_object().unwrap();
        assert_eq!(sets.len(), subjects.len(), "{name}");
        for set in &sets {
            let subject = &subjects[set.name.strip_prefix(&format!("{name}_")).unwrap()];
            if name == "mmlu" {
                assert_eq!(set.groups, [subject.as_str().unwrap()], "{}", set.name);
            } else {
                assert_eq!((profile.prompt)(set, &set.documents[0]).description, *subject, "{}", set.name);
            }
        }
    }
}

#[test]
fn shots_from_the_tested_documents_leave_the_document_out() {
    let documents: Vec<Value> = (0..4).map(|number| json!({ "number": number })).collect();
    let name = "made_up".to_owned();
    let set = Set { name, documents, ..Set::default() };
    for draw in [qwgpu::tasks::Draw::FirstN, qwgpu::tasks::Draw::Sampled] {
        let mut shots = Shots::new(&set, draw, 3).unwrap();
        for document in &set.documents {
            let shots = shots.next(document).unwrap();
            assert!(shots.len() == 3 && !shots.contains(&document), "{draw:?}: {shots:?}");
        }
        let error = Shots::new(&set, draw, 4).err().unwrap().to_string();
        assert!(error.contains("shots of made_up: expected at most 3") && error.contains("found 4"), "{error}");
    }
}
