//! XSum (Narayan et al., arXiv:1808.08745): BBC articles, each with a summary of one sentence. The prompt is ours:
//! lm-evaluation-harness has this task only through another library.

use std::path::Path;

use serde_json::{Value, json};

use super::choice::{reply, text};
use super::data::{self, Record};
use super::{Answer, Ask, Dimension, Draw, Outcome, Profile, Prompt, Set, Task, summary};
use crate::error::Result;

pub static TASK: Task = Task {
    name: "xsum",
    title: "XSum",
    about: "summaries of news articles in one sentence",
    dimension: Dimension::Knowledge,
    read,
    profiles: &[BASE, Profile { name: "chat", chat: true, prompt: chat, ..BASE }],
    export: None,
};

const BASE: Profile = Profile {
    name: "own",
    version: 1,
    shots: 0,
    draw: Draw::FirstN,
    limit: Some(1000),
    chat: false,
    context: None,
    prompt: own,
    score,
    metrics: summary::METRICS,
};

fn read(data: &Path) -> Result<Vec<Set>> {
    let folder = data::find(data, &["xsum"])?;
    let files = data::split(&folder, "test")?;
    if files.is_empty() {
        return Err(data::missing(&[folder.join("test.jsonl"), folder.join("test.parquet")]));
    }
    let records = data::read_all(&files)?;
    data::unique(&records, &["id"])?;
    let documents = records.iter().map(document).collect::<Result<_>>()?;
    Ok(vec![Set { name: TASK.name.to_owned(), files, documents, ..Set::default() }])
}

/// The id is a number in some copies and a text in others.
fn document(record: &Record) -> Result<Value> {
    let (document, summary) = (record.filled("document")?, record.filled("summary")?);
    Ok(json!({ "document": document, "summary": summary, "id": record.value("id")? }))
}

fn own(_: &Set, document: &Value) -> Prompt {
    let article = text(document, "document");
    Prompt {
        description: String::new(),
        text: format!("Summarize the following article in one sentence:\n\n{article}\n\nSummary:"),
        delimiter: " ",
        target: text(document, "summary").to_owned(),
        logged_target: None,
        ask: Ask::Reply { until: vec!["\n".to_owned()], tokens: 64 },
    }
}

/// A model in conversation may begin with a line of its own.
fn chat(set: &Set, document: &Value) -> Prompt {
    Prompt { ask: Ask::Reply { until: Vec::new(), tokens: 64 }, ..own(set, document) }
}

fn score(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    Ok(summary::rouge(reply(answers)?, text(document, "summary")))
}
