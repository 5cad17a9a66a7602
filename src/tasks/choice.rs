//! Parts that tasks with choices share: letters, the worth of log-probabilities, metrics.

use serde_json::Value;

use super::{Aggregation, FilterResult, Item, Metric, Response};
use crate::error::{Error, Result};
use crate::metrics::choice::{best, best_normalized};

/// Names of four options.
pub(super) const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// Returns four options under a question, each on a line with its letter, no line end after the last.
pub(super) fn lettered(options: [&str; 4]) -> String {
    let lines: Vec<String> =
        LETTERS.iter().zip(options).map(|(letter, option)| format!("{letter}. {option}")).collect();
    lines.join("\n")
}

/// Returns a text of a document, which its reader has checked; empty where there is none.
pub(super) fn text<'a>(document: &'a Value, field: &str) -> &'a str {
    document.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the texts of a list of a document.
pub(super) fn texts<'a>(document: &'a Value, field: &str) -> Vec<&'a str> {
    let list = document.get(field).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Returns an index of a document.
pub(super) fn index(document: &Value, field: &str) -> usize {
    document.get(field).and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok()).unwrap_or(usize::MAX)
}

/// Returns the index of a text among others; beyond them if it is not there.
pub(super) fn index_of(texts: &[&str], text: &str) -> usize {
    texts.iter().position(|other| *other == text).unwrap_or(usize::MAX)
}

/// Returns the log-likelihoods of choices, of which there must be `count`.
pub(super) fn sums(responses: &[Response], count: usize) -> Result<Vec<f64>> {
    match responses {
        [Response::Choices(sums)] if sums.len() == count => Ok(sums.iter().map(|sum| sum.0).collect()),
        _ => Err(unfit(&format!("{count} log-likelihoods"), responses)),
    }
}

/// Returns the one reply.
pub(super) fn reply(responses: &[Response]) -> Result<&str> {
    match responses {
        [Response::Reply(reply)] => Ok(reply),
        _ => Err(unfit("one reply", responses)),
    }
}

/// Returns the error that responses are of another kind than the prompt asks for.
pub(super) fn unfit(expected: &str, responses: &[Response]) -> Error {
    let kind = |response: &Response| match response {
        Response::Choices(sums) => format!("{} log-likelihoods", sums.len()),
        Response::Reply(_) => "a reply".to_owned(),
        Response::Error(why) => format!("an error ({why})"),
    };
    let found: Vec<String> = responses.iter().map(kind).collect();
    Error::request("responses", expected, found.join(", "), "score the responses to the profile's own prompts")
}

/// Returns the choice the model takes: the likeliest, of equal ones the first.
pub(super) fn taken(responses: &[Response], count: usize) -> Result<usize> {
    best(&sums(responses, count)?)
}

/// Computes `acc` of letters or words, of which `gold` is right.
pub(super) fn accuracy(responses: &[Response], count: usize, gold: usize) -> Result<Vec<FilterResult>> {
    Ok(FilterResult::plain(vec![right("acc", taken(responses, count)? == gold)]))
}

/// Computes `acc` and `acc_norm` of choices of different lengths.
pub(super) fn accuracies(responses: &[Response], choices: &[&str], gold: usize) -> Result<Vec<FilterResult>> {
    let sums = sums(responses, choices.len())?;
    let characters: Vec<usize> = choices.iter().map(|choice| choice.chars().count()).collect();
    let (taken, normalized) = (best(&sums)?, best_normalized(&sums, &characters)?);
    Ok(FilterResult::plain(vec![right("acc", taken == gold), right("acc_norm", normalized == gold)]))
}

/// Returns 1 or 0 for a metric.
pub(super) fn right(metric: &'static str, right: bool) -> (&'static str, Item) {
    (metric, Item::Number(if right { 1.0 } else { 0.0 }))
}

impl FilterResult {
    /// Returns what no filter came before.
    pub(super) fn plain(items: Vec<(&'static str, Item)>) -> Vec<FilterResult> {
        vec![FilterResult { filter: "none", filtered: None, items }]
    }

    /// Returns what a filter that leaves `answer` of the reply came before.
    pub(super) fn filtered(filter: &'static str, answer: &str, items: Vec<(&'static str, Item)>) -> Vec<FilterResult> {
        vec![FilterResult { filter, filtered: Some(vec![answer.to_owned()]), items }]
    }
}

impl Metric {
    /// Returns a share of the documents: of 1, the more the better, without filter, not the primary one.
    pub(super) const fn share(name: &'static str, chance: Option<f64>) -> Metric {
        let aggregation = Aggregation::Mean;
        Metric { name, filter: "none", higher_is_better: true, primary: false, scale: 1.0, chance, aggregation }
    }

    /// Returns the share that is the task's score.
    pub(super) const fn score(name: &'static str, chance: Option<f64>) -> Metric {
        Metric { primary: true, ..Metric::share(name, chance) }
    }

    /// Returns a share of failures: the more the worse.
    pub(super) const fn trouble(name: &'static str) -> Metric {
        Metric { higher_is_better: false, ..Metric::share(name, None) }
    }
}
