//! XSum (Narayan et al., arXiv:1808.08745): BBC articles, each with a summary of one sentence. The prompt is ours:
//! lm-evaluation-harness has this task only through another library.

use std::path::Path;

use serde_json::{Value, json};

use super::choice::{reply, text};
use super::data::{self, Record, Split};
use super::{Ask, Dimension, Draw, FilterResult, Profile, Prompt, Response, Set, Task, summary};
use crate::error::Result;

pub static TASK: Task = Task {
    name: "xsum",
    title: "XSum",
    about: "summaries of news articles in one sentence",
    dimension: Dimension::Knowledge,
    read,
    read_parts: None,
    profiles: &[OWN, Profile { name: "chat", chat: true, prompt: chat, ..OWN }],
    export: None,
};

const OWN: Profile =
    Profile { draw: Draw::FirstN, limit: Some(1000), ..Profile::new("own", own, score, summary::METRICS) };

fn read(data: &Path) -> Result<Vec<Set>> {
    let test = Split::read(data, &["xsum/test"])?;
    data::unique(&test.records, "id")?;
    Ok(vec![Set::read(TASK.name, test, Split::default(), document)?])
}

/// Returns the fields of a row. The id is a number in some copies and a text in others.
fn document(record: &Record) -> Result<Value> {
    let (document, summary) = (record.filled("document")?, record.filled("summary")?);
    Ok(json!({ "document": document, "summary": summary, "id": record.value("id")? }))
}

fn own(_: &Set, document: &Value) -> Prompt {
    let article = text(document, "document");
    let request = format!("Summarize the following article in one sentence:\n\n{article}\n\nSummary:");
    Prompt::new(request, text(document, "summary"), Ask::reply(&["\n"], 64))
}

/// Asks without a stop string: a model in conversation may begin with a line before its answer.
fn chat(set: &Set, document: &Value) -> Prompt {
    Prompt { ask: Ask::reply(&[], 64), ..own(set, document) }
}

fn score(_: &Set, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    Ok(summary::rouge(reply(responses)?, text(document, "summary")))
}
