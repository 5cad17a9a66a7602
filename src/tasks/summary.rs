//! ROUGE of a reply, for the tasks of summaries.

use super::{FilterResult, Item, Metric};
use crate::metrics::python;
use crate::metrics::rouge::{Rouge, RougeTokens};

/// Means of F1 from 0 to 1, words by their stems. `rougeL` takes a text as one line, as lm-evaluation-harness does;
/// `rougeLsum`, which papers report, goes sentence by sentence.
pub(super) const METRICS: &[Metric] = &[
    Metric::share("rouge1", None),
    Metric::share("rouge2", None),
    Metric::score("rougeL", None),
    Metric::share("rougeLsum", None),
];

pub(super) fn rouge(reply: &str, reference: &str) -> Vec<FilterResult> {
    let whole = Rouge::of(&one_line(reference), &one_line(reply), RougeTokens::Stems);
    let lines = Rouge::of(&sentences(reference), &sentences(reply), RougeTokens::Stems);
    let number = |name, score: f64| (name, Item::Number(score));
    FilterResult::plain(vec![
        number("rouge1", whole.one.f),
        number("rouge2", whole.two.f),
        number("rougeL", whole.longest.f),
        number("rougeLsum", lines.summary.f),
    ])
}

/// Returns a text with one space for each run of white space, and none at its ends.
pub(super) fn one_line(text: &str) -> String {
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
