//! HellaSwag (Zellers et al., arXiv:1905.07830): which of four endings continues a scene of a video or of instructions.

use std::path::Path;

use serde_json::{Value, json};

use super::choice::{accuracies, index, text, texts};
use super::data::{Record, Split};
use super::{FilterResult, Metric, OutputType, Profile, Prompt, Response, Subset, Task};
use crate::error::Result;
use crate::metrics::python::{static_regex, strip};

pub static TASK: Task = Task::new(
    "hellaswag",
    "HellaSwag",
    "everyday scenes, each with four endings",
    read,
    &[LMH, Profile { name: "chat", chat: true, ..LMH }],
);

const LMH: Profile = Profile::new("lmh", prompt, score, METRICS);
const METRICS: &[Metric] = &[Metric::score("acc", Some(0.25)), Metric::share("acc_norm", Some(0.25))];

/// Reads one set from the authors' `hellaswag_val.jsonl` or the hub's files of Rowan/hellaswag. Few-shot examples come
/// from the training split where it is there; the labels of the test split are not public.
fn read(data: &Path) -> Result<Vec<Subset>> {
    let test = Split::read(data, &["hellaswag/hellaswag_val", "hellaswag/validation"])?;
    let examples = Split::find(data, &["hellaswag/hellaswag_train", "hellaswag/train"])?.unwrap_or_default();
    Ok(vec![Subset::read(TASK.name, test, examples, document)?])
}

/// Returns the fields of a row in the hub's order, and behind them those that lm-evaluation-harness adds.
fn document(record: &Record) -> Result<Value> {
    let (activity, start, rest) = (record.filled("activity_label")?, record.filled("ctx_a")?, record.text("ctx_b")?);
    let (endings, label) = (record.texts("endings")?, record.integer("label", 0..4)?);
    if endings.len() != 4 {
        return Err(record.error("endings", "4 texts", endings.len()));
    }
    let choices: Vec<String> = endings.iter().map(|ending| clean(ending)).collect();
    Ok(json!({
        "ind": record.integer("ind", 0..i64::MAX)?,
        "activity_label": activity,
        "ctx_a": start,
        "ctx_b": rest,
        "ctx": record.text("ctx")?,
        "endings": endings,
        "source_id": record.text("source_id")?,
        "split": record.text("split")?,
        "split_type": record.text("split_type")?,
        "label": label.to_string(),
        "query": clean(&format!("{activity}: {start} {}", capitalized(rest))),
        "choices": choices,
        "gold": label,
    }))
}

/// Removes what the texts of wikiHow have in brackets; `[title]` ends a sentence.
fn clean(text: &str) -> String {
    let text = strip(text).replace(" [title]", ". ");
    static_regex!(r"\[.*?\]").replace_all(&text, "").replace("  ", " ")
}

/// Returns a text with its first letter large and all others small, as Python's `str.capitalize`.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + &letters.as_str().to_lowercase()
}

fn prompt(_: &Subset, document: &Value) -> Prompt {
    let (choices, gold) = (texts(document, "choices"), index(document, "gold"));
    let target = choices.get(gold).copied().unwrap_or_default();
    let ask = OutputType::choices(&choices);
    Prompt { logged_target: Some(gold.into()), ..Prompt::new(text(document, "query"), target, ask) }
}

fn score(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    accuracies(responses, &texts(document, "choices"), index(document, "gold"))
}
