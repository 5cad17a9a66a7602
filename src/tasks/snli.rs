//! SNLI (Bowman et al., arXiv:1508.05326): does one sentence follow from another.
//!
//! No common harness has it; the prompt is that of MNLI in lm-evaluation-harness.

use std::path::Path;

use serde_json::{Value, json};

use super::choice::{index, reply, right, taken, text};
use super::data::{Record, Split};
use super::{FilterResult, Item, Metric, OutputType, Profile, Prompt, Response, Subset, Task};
use crate::error::Result;
use crate::metrics::python::strip;

pub static TASK: Task = Task::new(
    "snli",
    "SNLI",
    "inference from one sentence to another, three words",
    read,
    &[Profile::new("own", own, likeliest, ACC), Profile { chat: true, ..Profile::new("chat", chat, said, SAID) }],
);

const CHANCE: Option<f64> = Some(1.0 / 3.0);

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

/// Returns the accuracy, more metrics, and the confusion matrix.
macro_rules! metrics {
    ($($more:expr)?) => {
        &[
            Metric::score("acc", CHANCE), $($more,)?
            cell(0, 0), cell(0, 1), cell(0, 2),
            cell(1, 0), cell(1, 1), cell(1, 2),
            cell(2, 0), cell(2, 1), cell(2, 2),
        ]
    };
}

const ACC: &[Metric] = metrics!();
const SAID: &[Metric] = metrics!(Metric::trouble("unparsed"));

/// Reads one set from `snli/test.tsv` (premise, hypothesis, label), the original `snli_1.0_test.jsonl`, or the hub's
/// files of stanfordnlp/snli. Pairs without a label on which the writers agreed are left out, as the authors do.
fn read(data: &Path) -> Result<Vec<Subset>> {
    let test = ["snli/test", "snli/snli_1.0_test", "snli/plain_text/test", UNPACKED[0], UNPACKED[1]];
    let dev = ["snli/validation", "snli/snli_1.0_dev", "snli/plain_text/validation", UNPACKED[2], UNPACKED[3]];
    let labelled = |mut split: Split| {
        split.records.retain(is_labelled);
        split
    };
    let (test, dev) = (Split::read(data, &test)?, Split::find(data, &dev)?.unwrap_or_default());
    Ok(vec![Subset::read(TASK.name, labelled(test), labelled(dev), document)?])
}

/// Names of the splits for test and for examples in the authors' archive, which unpacks into a folder.
const UNPACKED: [&str; 4] =
    ["snli/snli_1.0/snli_1.0_test", "snli_1.0/snli_1.0_test", "snli/snli_1.0/snli_1.0_dev", "snli_1.0/snli_1.0_dev"];

/// Checks that the writers agreed on the label of a pair.
fn is_labelled(record: &Record) -> bool {
    let is = |field: &str, value: &str| record.fields.get(field).is_some_and(|label| label == value);
    !is("gold_label", "-") && !is("label", "-1") && record.fields.get("label") != Some(&Value::from(-1))
}

fn document(record: &Record) -> Result<Value> {
    let (premise, hypothesis, label) = match record.fields.contains_key("gold_label") {
        true => ("sentence1", "sentence2", record.one_of("gold_label", &LABELS)? as i64),
        false => ("premise", "hypothesis", record.integer("label", 0..3)?),
    };
    let (premise, hypothesis) = (record.filled(premise)?, record.filled(hypothesis)?);
    Ok(json!({ "premise": premise, "hypothesis": hypothesis, "label": label }))
}

fn own(_: &Subset, document: &Value) -> Prompt {
    let hypothesis = strip(text(document, "hypothesis"));
    let stop = if hypothesis.ends_with('.') { "" } else { "." };
    let premise = text(document, "premise");
    let label = index(document, "label");
    let request = format!("{premise}\nQuestion: {hypothesis}{stop} True, False or Neither?\nAnswer:");
    let target = WORDS.get(label).copied().unwrap_or_default();
    Prompt { logged_target: Some(label.into()), ..Prompt::new(request, target, OutputType::choices(&WORDS)) }
}

fn chat(set: &Subset, document: &Value) -> Prompt {
    Prompt { logged_target: None, output: OutputType::reply(&["\n\n"], 32), ..own(set, document) }
}

fn likeliest(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    Ok(FilterResult::plain(items(document, Some(taken(responses, WORDS.len())?))))
}

/// Scores the first of the three words in a reply, in any case.
fn said(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    let reply = reply(responses)?.to_lowercase();
    let mut words = reply.split(|c: char| !c.is_alphanumeric());
    let answer = words.find_map(|word| WORDS.iter().position(|name| name.to_lowercase() == word));
    let mut items = items(document, answer);
    items.push(right("unparsed", answer.is_none()));
    Ok(FilterResult::filtered("none", answer.map_or("[invalid]", |answer| WORDS[answer]), items))
}

fn items(document: &Value, answer: Option<usize>) -> Vec<(&'static str, Item)> {
    let label = index(document, "label");
    let mut items = vec![right("acc", answer == Some(label))];
    if let Some(row) = CELLS.get(label) {
        items.extend(row.iter().enumerate().map(|(column, cell)| right(cell, answer == Some(column))));
    }
    items
}
