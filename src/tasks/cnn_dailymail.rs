//! CNN/DailyMail 3.0.0 (Hermann et al., arXiv:1506.03340; See et al., arXiv:1704.04368): news articles and the
//! highlights their editors wrote.

use std::path::Path;

use serde_json::{Value, json};

use super::choice::{reply, text};
use super::data::{self, Record, Split};
use super::{Ask, Dimension, Draw, FilterResult, Profile, Prompt, Response, Set, Task, summary};
use crate::error::Result;

pub static TASK: Task = Task {
    name: "cnn_dailymail",
    title: "CNN/DailyMail",
    about: "summaries of news articles",
    dimension: Dimension::Knowledge,
    read,
    read_parts: None,
    profiles: &[LMH, Profile { name: "chat", chat: true, prompt: chat, ..LMH }],
    export: None,
};

const LMH: Profile =
    Profile { draw: Draw::SampledOfAll, limit: Some(1000), ..Profile::new("lmh", lmh, score, summary::METRICS) };

fn read(data: &Path) -> Result<Vec<Set>> {
    let folder = data::find(data, &["cnn_dailymail/3.0.0", "cnn_dailymail"])?;
    let test = Split::read(&folder, &["cnn_dailymail_test", "test"])?;
    data::unique(&test.records, "id")?;
    Ok(vec![Set::read(TASK.name, test, Split::default(), document)?])
}

fn document(record: &Record) -> Result<Value> {
    let (article, highlights) = (record.filled("article")?, record.filled("highlights")?);
    Ok(json!({ "article": article, "highlights": highlights, "id": record.filled("id")? }))
}

fn lmh(_: &Set, document: &Value) -> Prompt {
    let request = format!("Summarize the following article:\n\n{}\n\nSummary:", text(document, "article"));
    Prompt::new(request, text(document, "highlights"), Ask::reply(&["\n\n"], 128))
}

/// Asks without a stop string: a model in conversation may begin with a line before its answer.
fn chat(set: &Set, document: &Value) -> Prompt {
    Prompt { ask: Ask::reply(&[], 128), ..lmh(set, document) }
}

fn score(_: &Set, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    Ok(summary::rouge(reply(responses)?, text(document, "highlights")))
}
