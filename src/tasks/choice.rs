//! What tasks with choices share: letters, the worth of log-probabilities, metrics.

use serde_json::Value;

use super::{Answer, Item, Metric, Outcome, Over};
use crate::error::{Error, Result};
use crate::metrics::choice::{Choice, best, best_normalized};

/// Names of four options.
pub(super) const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// Four options under a question, each on a line with its letter, no line end after the last.
pub(super) fn lettered(options: [&str; 4]) -> String {
    let lines: Vec<String> =
        LETTERS.iter().zip(options).map(|(letter, option)| format!("{letter}. {option}")).collect();
    lines.join("\n")
}

pub(super) fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A text of a document, which its reader has checked; empty where there is none.
pub(super) fn text<'a>(document: &'a Value, field: &str) -> &'a str {
    document.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of a list of a document.
pub(super) fn texts<'a>(document: &'a Value, field: &str) -> Vec<&'a str> {
    let list = document.get(field).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// An index of a document.
pub(super) fn index(document: &Value, field: &str) -> usize {
    document.get(field).and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok()).unwrap_or(usize::MAX)
}

/// Where a text stands among others; beyond them if it does not.
pub(super) fn index_of(texts: &[&str], text: &str) -> usize {
    texts.iter().position(|other| *other == text).unwrap_or(usize::MAX)
}

/// Log-probabilities, of which there must be `count`.
pub(super) fn sums(answers: &[Answer], count: usize) -> Result<Vec<f64>> {
    let sums: Vec<f64> = answers
        .iter()
        .filter_map(|answer| if let Answer::Choice { sum, .. } = answer { Some(*sum) } else { None })
        .collect();
    match sums.len() == count && answers.len() == count {
        true => Ok(sums),
        false => Err(unfit(format!("{count} log-probabilities"), answers)),
    }
}

/// The one reply.
pub(super) fn reply(answers: &[Answer]) -> Result<&str> {
    match answers {
        [Answer::Reply(reply)] => Ok(reply),
        _ => Err(unfit("one reply".to_owned(), answers)),
    }
}

fn unfit(expected: String, answers: &[Answer]) -> Error {
    let replies = answers.iter().filter(|answer| matches!(answer, Answer::Reply(_))).count();
    let found = format!("{replies} replies, {} log-probabilities", answers.len() - replies);
    Error::request("answers", expected, found, "score answers of the profile that asked for them")
}

/// The choice the model takes: the likeliest, of equal ones the first.
pub(super) fn taken(answers: &[Answer], count: usize) -> Result<usize> {
    let choices = sums(answers, count)?.into_iter().map(|sum| Choice { sum, characters: 0 });
    Ok(best(&choices.collect::<Vec<_>>())?.index)
}

/// `acc` of letters or words, of which `gold` is right.
pub(super) fn accuracy(answers: &[Answer], count: usize, gold: usize) -> Result<Vec<Outcome>> {
    Ok(Outcome::plain(vec![right("acc", taken(answers, count)? == gold)]))
}

/// `acc` and `acc_norm` of choices of different lengths.
pub(super) fn accuracies(answers: &[Answer], choices: &[&str], gold: usize) -> Result<Vec<Outcome>> {
    let sums = sums(answers, choices.len())?.into_iter();
    let scored: Vec<Choice> =
        sums.zip(choices).map(|(sum, choice)| Choice { sum, characters: choice.chars().count() }).collect();
    let items =
        vec![right("acc", best(&scored)?.index == gold), right("acc_norm", best_normalized(&scored)?.index == gold)];
    Ok(Outcome::plain(items))
}

/// 1 or 0 for a metric.
pub(super) fn right(metric: &'static str, right: bool) -> (&'static str, Item) {
    (metric, Item::Number(if right { 1.0 } else { 0.0 }))
}

impl Outcome {
    /// What no filter came before.
    pub(super) fn plain(items: Vec<(&'static str, Item)>) -> Vec<Outcome> {
        vec![Outcome { filter: "none", filtered: None, items }]
    }
}

impl Metric {
    /// A share of the documents: of 1, the more the better, without filter, not the primary one.
    pub(super) const fn share(name: &'static str, chance: Option<f64>) -> Metric {
        let over = Over::Mean;
        Metric { name, filter: "none", higher_is_better: true, primary: false, scale: 1.0, chance, over }
    }

    /// The share that is the task's score.
    pub(super) const fn score(name: &'static str, chance: Option<f64>) -> Metric {
        Metric { primary: true, ..Metric::share(name, chance) }
    }

    /// A share that tells of trouble.
    pub(super) const fn trouble(name: &'static str) -> Metric {
        Metric { higher_is_better: false, ..Metric::share(name, None) }
    }
}
