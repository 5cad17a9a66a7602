//! C-Eval (Huang et al., arXiv:2305.08322): four options in Chinese, 52 subjects.

mod cot;
mod subjects;

use std::path::Path;

use serde_json::{Value, json};

use self::subjects::{HARD, SUBJECTS};
use super::choice::{LETTERS, accuracies, index_of, lettered, owned, reply, right, text};
use super::data::{self, Record};
use super::prompt::strip;
use super::reply::chinese;
use super::{Answer, Ask, Dimension, Draw, Metric, Outcome, Profile, Prompt, Set, Task};
use crate::error::Result;

pub static TASK: Task = Task {
    name: "ceval",
    title: "C-Eval",
    about: "school and professional knowledge in Chinese, four options",
    dimension: Dimension::Knowledge,
    read,
    profiles: &[
        BASE,
        Profile { name: "official", prompt: official, ..BASE },
        Profile { name: "official_cot", prompt: cot::prompt, score: cot::score, metrics: cot::METRICS, ..BASE },
        Profile { name: "qwen", prompt: qwen, ..BASE },
        Profile { name: "lmh_chat", chat: true, ..BASE },
        Profile { name: "chat", shots: 0, chat: true, prompt: chat, score: said, metrics: SAID, ..BASE },
    ],
    export: None,
};

const CHANCE: Option<f64> = Some(0.25);

const BASE: Profile = Profile {
    name: "lmh",
    version: 1,
    shots: 5,
    draw: Draw::FirstN,
    limit: None,
    chat: false,
    context: None,
    prompt: lmh,
    score: letter,
    metrics: &[Metric::score("acc", CHANCE), Metric::share("acc_norm", CHANCE)],
};

const SAID: &[Metric] = &[Metric::score("acc", CHANCE), Metric::trouble("guessed")];

/// A set for each subject, from `ceval/val/SUBJECT_val.csv` and `ceval/dev/SUBJECT_dev.csv`, or the hub's files of
/// ceval/ceval-exam: the answers of its test split are not public.
fn read(data: &Path) -> Result<Vec<Set>> {
    let folder = data::find(data, &["ceval"])?;
    let mut sets = Vec::new();
    for (subject, _, category) in &SUBJECTS {
        let part = |split| data::subject(&folder, subject, split, None);
        let ((mut files, documents), (more, pool)) = (part("val")?, part("dev")?);
        files.extend(more);
        data::unique(&documents, &["id"])?;
        data::unique(&pool, &["id"])?;
        let mut groups = vec![(*category).to_owned()];
        if HARD.contains(subject) {
            groups.insert(0, "hard".to_owned());
        }
        let all = |records: &[Record]| records.iter().map(document).collect::<Result<Vec<_>>>();
        let (documents, pool) = (all(&documents)?, all(&pool)?);
        sets.push(Set { name: format!("ceval_{subject}"), groups, files, documents, pool, ..Set::default() });
    }
    sets.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(sets)
}

fn document(record: &Record) -> Result<Value> {
    let mut document = json!({ "id": record.integer("id", 0..i64::MAX)?, "question": record.filled("question")? });
    for letter in LETTERS {
        document[letter] = record.filled(letter)?.into();
    }
    document["answer"] = LETTERS[record.one_of("answer", &LETTERS)?].into();
    // The files of val have no such column, but the hub's rows do.
    let explained = record.fields.contains_key("explanation");
    document["explanation"] = if explained { record.text("explanation")? } else { "" }.into();
    Ok(document)
}

fn options(document: &Value) -> [&str; 4] {
    LETTERS.map(|letter| text(document, letter))
}

fn gold(document: &Value) -> usize {
    index_of(&LETTERS, text(document, "answer"))
}

/// The Chinese name of a set's subject.
fn subject(set: &Set) -> &'static str {
    let name = set.name.strip_prefix("ceval_").unwrap_or_default();
    SUBJECTS.iter().find(|(subject, ..)| *subject == name).map_or("", |(_, chinese, _)| chinese)
}

fn lmh(set: &Set, document: &Value) -> Prompt {
    let question = strip(text(document, "question"));
    Prompt {
        description: format!("以下是中国关于{}的单项选择题，请选出其中的正确答案。\n\n", subject(set)),
        text: format!("{question}\n{}\n答案：", lettered(options(document))),
        delimiter: " ",
        target: text(document, "answer").to_owned(),
        logged_target: Some(gold(document).into()),
        ask: Ask::Choices(owned(&LETTERS)),
    }
}

/// As the authors' `code/evaluator_series`: another header, and no space before the letter.
fn official(set: &Set, document: &Value) -> Prompt {
    let description = format!("以下是中国关于{}考试的单项选择题，请选出其中的正确答案。\n\n", subject(set));
    Prompt { description, delimiter: "", ..lmh(set, document) }
}

/// As `eval/evaluate_ceval.py` of the Qwen repository.
fn qwen(set: &Set, document: &Value) -> Prompt {
    let question = text(document, "question");
    let text = format!("问题：{question}\n{}\n答案：", lettered(options(document)));
    Prompt { description: String::new(), text, delimiter: "", ..lmh(set, document) }
}

/// As `eval/evaluate_chat_ceval.py` of the Qwen repository.
fn chat(set: &Set, document: &Value) -> Prompt {
    let question = text(document, "question");
    Prompt {
        description: String::new(),
        text: format!("{question}\n\n{}\n", lettered(options(document))),
        logged_target: None,
        ask: Ask::Reply { until: Vec::new(), tokens: 512 },
        ..lmh(set, document)
    }
}

fn letter(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    accuracies(answers, &LETTERS, gold(document))
}

fn said(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    let said = chinese(reply(answers)?, text(document, "question"), options(document));
    let items = vec![right("acc", said.option == gold(document)), right("guessed", said.guessed)];
    let filtered = Some(vec![LETTERS[said.option].to_owned()]);
    Ok(vec![Outcome { filter: "none", filtered, items }])
}
