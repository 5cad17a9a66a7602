//! Answers behind a chain of thought, as the authors' `code/evaluator_series/evaluators/chatglm.py` finds them.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{gold, official, options};
use crate::error::Result;
use crate::metrics::python::{known_regex, static_regex};
use crate::tasks::choice::{LETTERS, reply, right, text};
use crate::tasks::{FilterResult, Metric, OutputType, Prompt, Response, Subset};

pub(super) const METRICS: &[Metric] = &[Metric::score("acc", super::CHANCE), Metric::trouble("unparsed")];

/// The beginning of an explanation, given and asked for: the published ones begin with `1.`.
const STEPS: &str = "让我们一步一步思考，\n1.";

/// Phrases that name a letter beside the end of the form, in order.
static OTHERS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let patterns = ["{}是正确的", "选项{}正确", "答案为{}", "答案是{}", "答案{}", "选择{}", "答案：{}", "选择答案{}"];
    patterns.map(|text| known_regex(&text.replace("{}", "([ABCD])"))).into()
});

pub(super) fn prompt(set: &Subset, document: &Value) -> Prompt {
    let plain = official(set, document);
    let explanation = text(document, "explanation");
    Prompt {
        text: plain.text + STEPS,
        target: format!("{}\n所以答案是{}。", explanation.strip_prefix("1.").unwrap_or(explanation), plain.target),
        output: OutputType::reply(&["\n\n"], 512),
        logged_target: None,
        ..plain
    }
}

pub(super) fn score(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    let said = said(reply(responses)?, options(document));
    let items = vec![right("acc", said == Some(gold(document))), right("unparsed", said.is_none())];
    Ok(FilterResult::filtered("none", said.map_or("[invalid]", |option| LETTERS[option]), items))
}

/// Returns the option of a reply: the last that the form's ending names, else the first that another pattern finds,
/// else the one letter there is, else the one option whose text there is.
fn said(reply: &str, options: [&str; 4]) -> Option<usize> {
    let index = |letter: &str| LETTERS.iter().position(|name| *name == letter);
    let stated = static_regex!("所以答案是(.+?)。").captures_iter(reply).last().and_then(|found| index(&found[1]));
    let other = || OTHERS.iter().find_map(|pattern| index(&pattern.captures(reply)?[1]));
    let only = |found: Vec<usize>| if let [one] = found[..] { Some(one) } else { None };
    let letter = || only(static_regex!("[ABCD]").find_iter(reply).filter_map(|found| index(found.as_str())).collect());
    let option = || only((0..4).filter(|option| reply.contains(options[*option])).collect());
    stated.or_else(other).or_else(letter).or_else(option)
}
