//! Summaries of news articles, scored by ROUGE: XSum (Narayan et al., arXiv:1808.08745), whose summaries are of one
//! sentence, and CNN/DailyMail 3.0.0 (Hermann et al., arXiv:1506.03340; See et al., arXiv:1704.04368), with the
//! highlights that editors wrote.
//!
//! The prompt of XSum is ours: lm-evaluation-harness has this task only through another library. In conversations no
//! string stops a reply: a model may begin with a line before its answer.

use serde_json::{Value, json};

use super::choice::{reply, text};
use super::data::{self, Record, Split};
use super::{FewShot, FilterResult, Item, Metric, OutputType, Profile, Prompt, Response, Subset, Task};
use crate::error::Result;
use crate::metrics::python;
use crate::metrics::rouge::{Rouge, RougeTokens};

pub static XSUM: Task = Task::new(
    "xsum",
    "XSum",
    "summaries of news articles in one sentence",
    |data| set("xsum", Split::read(data, &["xsum/test"])?, xsum_document),
    &[XSUM_OWN, Profile { name: "chat", chat: true, prompt: |_, document| xsum_prompt(document, &[]), ..XSUM_OWN }],
);

pub static CNN_DAILYMAIL: Task = Task::new(
    "cnn_dailymail",
    "CNN/DailyMail",
    "summaries of news articles",
    |data| {
        let folder = data::find(data, &["cnn_dailymail/3.0.0", "cnn_dailymail"])?;
        set("cnn_dailymail", Split::read(&folder, &["cnn_dailymail_test", "test"])?, cnn_document)
    },
    &[CNN_LMH, Profile { name: "chat", chat: true, prompt: |_, document| cnn_prompt(document, &[]), ..CNN_LMH }],
);

const XSUM_OWN: Profile = Profile {
    sampler: FewShot::FirstN,
    limit: Some(1000),
    ..Profile::new("own", |_, document| xsum_prompt(document, &["\n"]), |_, d, r| score(d, "summary", r), METRICS)
};

const CNN_LMH: Profile = Profile {
    sampler: FewShot::SampledOfAll,
    limit: Some(1000),
    ..Profile::new("lmh", |_, document| cnn_prompt(document, &["\n\n"]), |_, d, r| score(d, "highlights", r), METRICS)
};

/// Means of F1 from 0 to 1, words by their stems. `rougeL` takes a text as one line, as lm-evaluation-harness does;
/// `rougeLsum`, which papers report, goes sentence by sentence.
const METRICS: &[Metric] = &[
    Metric::share("rouge1", None),
    Metric::share("rouge2", None),
    Metric::score("rougeL", None),
    Metric::share("rougeLsum", None),
];

fn set(name: &str, test: Split, document: fn(&Record) -> Result<Value>) -> Result<Vec<Subset>> {
    data::unique(&test.records, "id")?;
    Ok(vec![Subset::read(name, test, Split::default(), document)?])
}

/// Returns the fields of a row. The id is a number in some copies and a text in others.
fn xsum_document(record: &Record) -> Result<Value> {
    let (document, summary) = (record.filled("document")?, record.filled("summary")?);
    Ok(json!({ "document": document, "summary": summary, "id": record.value("id")? }))
}

fn cnn_document(record: &Record) -> Result<Value> {
    let (article, highlights) = (record.filled("article")?, record.filled("highlights")?);
    Ok(json!({ "article": article, "highlights": highlights, "id": record.filled("id")? }))
}

fn xsum_prompt(document: &Value, until: &[&str]) -> Prompt {
    let article = text(document, "document");
    let request = format!("Summarize the following article in one sentence:\n\n{article}\n\nSummary:");
    Prompt::new(request, text(document, "summary"), OutputType::reply(until, 64))
}

fn cnn_prompt(document: &Value, until: &[&str]) -> Prompt {
    let request = format!("Summarize the following article:\n\n{}\n\nSummary:", text(document, "article"));
    Prompt::new(request, text(document, "highlights"), OutputType::reply(until, 128))
}

/// Scores a reply by the summary in `field`.
fn score(document: &Value, field: &str, responses: &[Response]) -> Result<Vec<FilterResult>> {
    let (reply, reference) = (reply(responses)?, text(document, field));
    let whole = Rouge::of(&one_line(reference), &one_line(reply), RougeTokens::Stems);
    let lines = Rouge::of(&sentences(reference), &sentences(reply), RougeTokens::Stems);
    let scores = [whole.one, whole.two, whole.longest, lines.summary];
    let items = METRICS.iter().zip(scores).map(|(metric, score)| (metric.name, Item::Number(score.f)));
    Ok(FilterResult::plain(items.collect()))
}

/// Returns a text with one space for each run of white space, and none at its ends.
fn one_line(text: &str) -> String {
    python::split(text).collect::<Vec<_>>().join(" ")
}

/// Puts each sentence on a line: a line ends where the text has one end, and behind a word that ends with `.`, `!` or
/// `?`.
fn sentences(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let ended = |word: &str| word.ends_with(['.', '!', '?']);
        let words = one_line(line);
        words.split(' ').map(|word| format!("{word}{}", if ended(word) { '\n' } else { ' ' })).collect::<String>()
    });
    lines.collect::<Vec<_>>().join("\n")
}
