//! CNN/DailyMail 3.0.0 (Hermann et al., arXiv:1506.03340; See et al., arXiv:1704.04368): news articles and the
//! highlights their editors wrote.

use std::path::Path;

use serde_json::{Value, json};

use super::choice::{reply, text};
use super::data::{self, Record};
use super::{Answer, Ask, Dimension, Draw, Outcome, Profile, Prompt, Set, Task, summary};
use crate::error::Result;

pub static TASK: Task = Task {
    name: "cnn_dailymail",
    title: "CNN/DailyMail",
    about: "summaries of news articles",
    dimension: Dimension::Knowledge,
    read,
    profiles: &[BASE, Profile { name: "chat", chat: true, prompt: chat, ..BASE }],
    export: None,
};

const BASE: Profile = Profile {
    name: "lmh",
    version: 1,
    shots: 0,
    draw: Draw::SampledOfAll,
    limit: Some(1000),
    chat: false,
    context: None,
    prompt: lmh,
    score,
    metrics: summary::METRICS,
};

fn read(data: &Path) -> Result<Vec<Set>> {
    let mut folder = data::find(data, &["cnn_dailymail"])?;
    if folder.join("3.0.0").is_dir() {
        folder = folder.join("3.0.0");
    }
    let mut files = data::split(&folder, "cnn_dailymail_test")?;
    if files.is_empty() {
        files = data::split(&folder, "test")?;
    }
    if files.is_empty() {
        return Err(data::missing(&[folder.join("cnn_dailymail_test.csv"), folder.join("test.parquet")]));
    }
    let records = data::read_all(&files)?;
    data::unique(&records, &["id"])?;
    let documents = records.iter().map(document).collect::<Result<_>>()?;
    Ok(vec![Set { name: TASK.name.to_owned(), files, documents, ..Set::default() }])
}

fn document(record: &Record) -> Result<Value> {
    let (article, highlights) = (record.filled("article")?, record.filled("highlights")?);
    Ok(json!({ "article": article, "highlights": highlights, "id": record.filled("id")? }))
}

fn lmh(_: &Set, document: &Value) -> Prompt {
    Prompt {
        description: String::new(),
        text: format!("Summarize the following article:\n\n{}\n\nSummary:", text(document, "article")),
        delimiter: " ",
        target: text(document, "highlights").to_owned(),
        logged_target: None,
        ask: Ask::Reply { until: vec!["\n\n".to_owned()], tokens: 128 },
    }
}

/// A model in conversation may begin with a line of its own.
fn chat(set: &Set, document: &Value) -> Prompt {
    Prompt { ask: Ask::Reply { until: Vec::new(), tokens: 128 }, ..lmh(set, document) }
}

fn score(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    Ok(summary::rouge(reply(answers)?, text(document, "highlights")))
}
