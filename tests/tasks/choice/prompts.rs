//! Prompts.

use qwgpu::eval::EvalSettings;
use qwgpu::eval::requests::{Tokens, prepare};
use qwgpu::tasks::prompt::{compose, messages};
use qwgpu::tasks::shots::Shots;
use qwgpu::tasks::{OutputType, Prompt};
use qwgpu::text::{ChatTemplate, Tokenizer};
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
            match &prompt.output {
                OutputType::Choices(_) => assert_eq!(continuations, strings(&golden["continuations"]), "{name}"),
                OutputType::Reply { until, max_new_tokens } => {
                    assert_eq!(*until, strings(&golden["until"]), "{name}");
                    assert_eq!(*max_new_tokens, 256, "{name}");
                }
            }
            for (multiturn, golden) in [(false, &golden["one_message"]), (true, &golden["turns"])] {
                assert_eq!(shown(&messages(prompt, shots, multiturn).0), *golden, "{name}");
            }
        }
    }
}

fn shown(messages: &[(&str, String)]) -> Value {
    messages.iter().map(|(role, content)| json!({ "role": role, "content": content })).collect()
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
                assert_eq!(shown(&messages(prompt, shots, false).0), expected, "{name}");
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
        output: OutputType::Choices(vec!["yes".to_owned(), "no".to_owned()]),
    };
    let (messages, continuations) = messages(&prompt("Two?", "no"), &[prompt("One?", "yes")], false);
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
    let set = Subset { name, documents, ..Subset::default() };
    for draw in [qwgpu::tasks::FewShot::FirstN, qwgpu::tasks::FewShot::Sampled] {
        let mut shots = Shots::new(&set, draw, 3).unwrap();
        for document in &set.documents {
            let shots = shots.next(document).unwrap();
            assert!(shots.len() == 3 && !shots.contains(&document), "{draw:?}: {shots:?}");
        }
        let error = Shots::new(&set, draw, 4).err().unwrap().to_string();
        assert!(error.contains("shots of made_up: expected at most 3") && error.contains("found 4"), "{error}");
    }
    let mut shots = Shots::new(&set, qwgpu::tasks::FewShot::SampledOfAll, 4).unwrap();
    assert!(shots.next(&set.documents[0]).unwrap().contains(&&set.documents[0]), "this draw leaves none out");
}

/// Contexts behind a chat template and the choices that follow them, as `--apply_chat_template` makes them.
#[test]
fn chats_equal_the_harness() {
    let (data, golden) = (data(), json(&fixture("chat.json")));
    let template = ChatTemplate::new(golden["template"].as_str().unwrap(), None, None).unwrap();
    for (name, golden) in golden["prompts"].as_object().unwrap() {
        let (task, profile) = named(name);
        assert_eq!(name.split(' ').nth(1), Some(profile.name));
        assert!(profile.chat, "{name}");
        let asked = asked(&set(task, data.path()), profile, golden["shots"].as_u64().unwrap() as usize);
        let records = golden["documents"].as_array().unwrap();
        assert_eq!(records.len(), asked.len(), "{name}");
        for ((prompt, shots), golden) in asked.iter().zip(records) {
            let (messages, continuations) = messages(prompt, shots, false);
            let messages: Vec<_> = messages.iter().map(|(role, text)| qwgpu::text::Message::new(role, text)).collect();
            assert_eq!(template.render(&messages, true).unwrap(), golden["context"], "{name}");
            assert_eq!(continuations, strings(&golden["continuations"]), "{name}");
        }
    }
}

/// As the README of C-Eval writes its prompt with a chain of thought.
#[test]
fn chains_of_thought_are_asked_for() {
    let (task, profile) = named("ceval official_cot");
    let mut set = set(task, data().path());
    set.pool[0]["explanation"] = "1. 一年有十二个月。".into();
    set.documents[0] = set.pool[2].clone();
    let context = "以下是中国关于法学考试的单项选择题，请选出其中的正确答案。\n\n\
                   一年有____个月。\nA. 10\nB. 11\nC. 12\nD. 13\n\
                   答案：让我们一步一步思考，\n1. 一年有十二个月。\n所以答案是C。\n\n\
                   水的化学式是____。\nA. H2O\nB. CO2\nC. O2\nD. N2\n答案：让我们一步一步思考，\n1.";
    let (prompt, shots) = asked(&set, profile, 1).swap_remove(0);
    assert_eq!(compose(&prompt, &shots).0, context);
    assert_eq!(prompt.output, OutputType::Reply { until: vec!["\n\n".to_owned()], max_new_tokens: 512 });
    assert_eq!(profile.shots, 5);
}

/// The `qwen` profile keeps what Qwen's script keeps of a long prompt, the last 2,047 tokens; `lmh` keeps all.
#[test]
fn a_profile_may_allow_fewer_tokens() {
    let (data, path) = (data(), fixture("../../tiny-qwen/tokenizer.json"));
    let file = data.path().join("mmlu/test/anatomy_test.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{},1,2,3,4,A\n{text}", "Why not? ".repeat(3000).trim_end())).unwrap();
    let tokenizer = Tokenizer::from_json(&std::fs::read(&path).unwrap(), &path).unwrap();
    let chat = ChatTemplate::new("", None, None).unwrap();
    let ids = |profile: &str, context| {
        let (tasks, profile) = (vec!["mmlu:anatomy".to_owned()], Some(profile.to_owned()));
        let data = data.path().to_owned();
        let settings = EvalSettings { tasks, data, profile, shots: Some(0), context, ..EvalSettings::default() };
        let mut tasks = prepare(&settings, &tokenizer, &chat).unwrap();
        let asked = tasks[0].sets[0].requests.swap_remove(0);
        let Tokens::Choices { questions, .. } = asked.tokens else { panic!("no choices") };
        (tokenizer.encode(&asked.context).unwrap(), questions[0].ids.clone(), asked.truncated)
    };
    let (whole, kept, truncated) = ids("lmh", 100_000);
    assert!(whole.len() > 3000 && kept == whole && !truncated);
    let (whole, kept, truncated) = ids("qwen", 100_000);
    assert!(kept == whole[whole.len() - 2047..] && truncated, "{} of {}", kept.len(), whole.len());
    let (whole, kept, _) = ids("qwen", 1000);
    assert!(kept == whole[whole.len() - 999..], "{} of {}", kept.len(), whole.len());
    assert_eq!(named("mmlu qwen").1.version, 2);
}
