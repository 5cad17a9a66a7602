//! SNLI (Bowman et al., arXiv:1508.05326): does one sentence follow from another.
//!
//! No common harness has it; the prompt is that of MNLI in lm-evaluation-harness.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::choice::{index, owned, reply, right, taken, text};
use super::data::{self, Record};
use super::prompt::strip;
use super::{Answer, Ask, Dimension, Draw, Item, Metric, Outcome, Profile, Prompt, Set, Task};
use crate::error::Result;

pub static TASK: Task = Task {
    name: "snli",
    title: "SNLI",
    about: "inference from one sentence to another, three words",
    dimension: Dimension::Knowledge,
    read,
    profiles: &[
        Profile { name: "own", chat: false, prompt: own, score: likeliest, metrics: ACC, ..BASE },
        Profile { name: "chat", chat: true, prompt: chat, score: said, metrics: SAID, ..BASE },
    ],
    export: None,
};

const CHANCE: Option<f64> = Some(1.0 / 3.0);

const BASE: Profile = Profile {
    name: "own",
    version: 1,
    shots: 0,
    draw: Draw::Sampled,
    limit: None,
    chat: false,
    context: None,
    prompt: own,
    score: likeliest,
    metrics: ACC,
};

/// The words for entailment, neutral and contradiction, which are labels 0, 1 and 2.
const WORDS: [&str; 3] = ["True", "Neither", "False"];
const LABELS: [&str; 3] = ["entailment", "neutral", "contradiction"];

/// The confusion matrix by rows: of the pairs of one label, the share that got each answer.
const CELLS: [[&str; 3]; 3] = [
    ["entailment_as_entailment", "entailment_as_neutral", "entailment_as_contradiction"],
    ["neutral_as_entailment", "neutral_as_neutral", "neutral_as_contradiction"],
    ["contradiction_as_entailment", "contradiction_as_neutral", "contradiction_as_contradiction"],
];

const fn cell(label: usize, answer: usize) -> Metric {
    Metric { higher_is_better: label == answer, ..Metric::share(CELLS[label][answer], None) }
}

const ACC: &[Metric] = &[
    Metric::score("acc", CHANCE),
    cell(0, 0),
    cell(0, 1),
    cell(0, 2),
    cell(1, 0),
    cell(1, 1),
    cell(1, 2),
    cell(2, 0),
    cell(2, 1),
    cell(2, 2),
];

const SAID: &[Metric] = &[
    Metric::score("acc", CHANCE),
    Metric::trouble("unparsed"),
    cell(0, 0),
    cell(0, 1),
    cell(0, 2),
    cell(1, 0),
    cell(1, 1),
    cell(1, 2),
    cell(2, 0),
    cell(2, 1),
    cell(2, 2),
];

/// Where the files may lie below the data folder: the authors' archive unpacks into a folder of its own.
const FOLDERS: [&str; 3] = ["snli", "snli/snli_1.0", "snli_1.0"];

/// One set, from `snli/test.tsv` (premise, hypothesis, label), the original `snli_1.0_test.jsonl`, or the hub's files
/// of stanfordnlp/snli. Pairs without a label on which the writers agreed are left out, as the authors do.
fn read(data: &Path) -> Result<Vec<Set>> {
    for folder in FOLDERS.map(|folder| data.join(folder)) {
        let mut files = split(&folder, "test", &["test.tsv", "snli_1.0_test.jsonl"])?;
        if files.is_empty() {
            continue;
        }
        let documents = documents(&files)?;
        let shots = split(&folder, "validation", &["snli_1.0_dev.jsonl"])?;
        let pool = if shots.is_empty() { Vec::new() } else { self::documents(&shots)? };
        files.extend(shots);
        return Ok(vec![Set { name: "snli".to_owned(), files, documents, pool, ..Set::default() }]);
    }
    let looked = FOLDERS.map(|folder| data.join(folder).join("snli_1.0_test.jsonl"));
    Err(data::missing(&[&[data.join("snli/test.tsv")], &looked[..]].concat()))
}

/// The files of a split: the hub's, or the first there is of those of other names.
fn split(folder: &Path, name: &str, others: &[&str]) -> Result<Vec<PathBuf>> {
    let files = data::split(folder, name)?;
    let other = others.iter().map(|other| folder.join(other)).find(|file| file.is_file());
    match (files.is_empty(), other) {
        (false, _) => Ok(files),
        (true, Some(file)) => Ok(vec![file]),
        (true, None) => data::split(&folder.join("plain_text"), name),
    }
}

fn documents(files: &[PathBuf]) -> Result<Vec<Value>> {
    data::read_all(files)?.iter().filter_map(|record| document(record).transpose()).collect()
}

/// A pair; none where the label is missing.
fn document(record: &Record) -> Result<Option<Value>> {
    let (premise, hypothesis, label) = match record.fields.contains_key("gold_label") {
        true => match record.one_of("gold_label", &[LABELS[0], LABELS[1], LABELS[2], "-"])? {
            3 => return Ok(None),
            label => ("sentence1", "sentence2", label as i64),
        },
        false => match record.integer("label", -1..3)? {
            -1 => return Ok(None),
            label => ("premise", "hypothesis", label),
        },
    };
    let (premise, hypothesis) = (record.filled(premise)?, record.filled(hypothesis)?);
    Ok(Some(json!({ "premise": premise, "hypothesis": hypothesis, "label": label })))
}

fn own(_: &Set, document: &Value) -> Prompt {
    let hypothesis = strip(text(document, "hypothesis"));
    let stop = if hypothesis.ends_with('.') { "" } else { "." };
    let premise = text(document, "premise");
    let label = index(document, "label");
    Prompt {
        description: String::new(),
        text: format!("{premise}\nQuestion: {hypothesis}{stop} True, False or Neither?\nAnswer:"),
        delimiter: " ",
        target: WORDS.get(label).copied().unwrap_or_default().to_owned(),
        logged_target: Some(label.into()),
        ask: Ask::Choices(owned(&WORDS)),
    }
}

fn chat(set: &Set, document: &Value) -> Prompt {
    let ask = Ask::Reply { until: owned(&["\n\n"]), tokens: 32 };
    Prompt { logged_target: None, ask, ..own(set, document) }
}

fn likeliest(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    Ok(Outcome::plain(items(document, Some(taken(answers, WORDS.len())?))))
}

/// The first of the three words in a reply, in any case.
fn said(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    let reply = reply(answers)?.to_lowercase();
    let mut words = reply.split(|c: char| !c.is_alphanumeric());
    let answer = words.find_map(|word| WORDS.iter().position(|name| name.to_lowercase() == word));
    let mut items = items(document, answer);
    items.push(right("unparsed", answer.is_none()));
    let filtered = Some(vec![answer.map_or("[invalid]", |answer| WORDS[answer]).to_owned()]);
    Ok(vec![Outcome { filter: "none", filtered, items }])
}

fn items(document: &Value, answer: Option<usize>) -> Vec<(&'static str, Item)> {
    let label = index(document, "label");
    let mut items = vec![right("acc", answer == Some(label))];
    if let Some(row) = CELLS.get(label) {
        items.extend(row.iter().enumerate().map(|(column, cell)| right(cell, answer == Some(column))));
    }
    items
}
