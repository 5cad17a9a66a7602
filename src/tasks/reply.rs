//! The letter in a reply to a question of four options, found as the chat scripts of the Qwen repository do
//! (`eval/evaluate_chat_mmlu.py`, `eval/evaluate_chat_ceval.py`).

use std::sync::LazyLock;

use fancy_regex::Regex;
use regex::RegexBuilder;

use super::choice::{LETTERS, right};
use super::{FilterResult, Metric};
use crate::error::{Error, Result};
use crate::metrics::python::{self, strip};

/// In order: "answer is A", "A is correct", a leading letter, the first letter that stands alone.
static ENGLISH: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    patterns(&[
        r"(?:(?:[Cc]hoose)|(?:(?:[Aa]nswer|[Cc]hoice)(?![^ABCD]{0,20}?(?:n't|not))[^ABCD]{0,10}?\b(?:|is|:|be))\b)[^ABCD]{0,20}?\b(A|B|C|D)\b",
        r"\b(A|B|C|D)\b(?![^ABCD]{0,8}?(?:n't|not)[^ABCD]{0,5}?(?:correct|right))[^ABCD]{0,10}?\b(?:correct|right)\b",
        r"^(A|B|C|D)(?:\.|,|:|$)",
        r"(?<![a-zA-Z])(A|B|C|D)(?![a-zA-Z=])",
    ])
});

/// The same in Chinese.
static CHINESE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    patterns(&[
        r"(?:(?:选|选择|选定)[：:]?\s*|(?:(?:答案|选项)(?![^ABCD]{0,10}?(?:不|非)[^ABCD]{0,10}?(?:是|选|为|：|:|】))[^ABCD]{0,10}?(?:是|选|为|：|:|】))[^ABCD]{0,10}?)(A|B|C|D)(?:选项)?(?:\)|。|\.|，|,|．|、|A|B|C|D|$|：|:|\)|）)",
        r"(A|B|C|D)(?:选?项)?(?![^ABCD]{0,4}?(?:不|非)[^ABCD]{0,4}?(?:正确|对[的，。：]|符合))[^ABCD]{0,4}?(?:正确|对[的，。：]|符合)",
        r"^[\(（]?(A|B|C|D)(?:。|\)|）|\.|，|,|．|：|:|$)",
        r"(?<![a-zA-Z])(A|B|C|D)(?![a-zA-Z=])",
    ])
});

fn patterns(patterns: &[&str]) -> Vec<Regex> {
    patterns.iter().map(|pattern| python::regex(pattern).expect("a pattern of this file is valid")).collect()
}

/// The option that a reply names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NamedOption {
    /// Index of the option.
    pub option: usize,
    /// True where no pattern found a letter, so that it is the option most like the reply.
    pub guessed: bool,
}

/// The metrics of [`NamedOption::scored`].
pub(super) const NAMED_OPTION: &[Metric] = &[Metric::score("acc", Some(0.25)), Metric::trouble("guessed")];

impl NamedOption {
    /// Scores the option, of which `gold` is right.
    pub fn scored(self, gold: usize) -> Vec<FilterResult> {
        let items = vec![right("acc", self.option == gold), right("guessed", self.guessed)];
        FilterResult::filtered("none", LETTERS[self.option], items)
    }
}

/// Returns the option that an English reply names: texts of options are replaced by their letters, then patterns look
/// for one.
///
/// # Errors
/// An option is too long for a pattern.
pub(super) fn english(reply: &str, options: [&str; 4]) -> Result<NamedOption> {
    let mut text = reply.to_owned();
    for (letter, option) in longest_first(options) {
        let option = option.trim_end_matches('.');
        // The original's empty pattern would put a letter between all characters.
        if !option.is_empty() {
            let long = |error| Error::request("option", "a shorter text", error, "correct the document");
            let pattern = RegexBuilder::new(&regex::escape(option)).case_insensitive(true).build().map_err(long)?;
            text = pattern.replace_all(&text, letter).into_owned();
        }
    }
    Ok(said(&text, &ENGLISH, options))
}

/// Returns the option that a Chinese reply names: the question's last sentence is cut from it first, since replies
/// repeat it.
pub(super) fn chinese(reply: &str, question: &str, options: [&str; 4]) -> NamedOption {
    let question = question.trim_end_matches('。');
    let sentence = question.rsplit('。').next().unwrap_or(question);
    let before = sentence.split('_').next().unwrap_or(sentence);
    let after = sentence.rsplit('_').next().unwrap_or(sentence);
    let long = |text: &str| strip(text).chars().count() > 4;
    let mut text = reply.to_owned();
    if long(before) {
        text = text.replace(before, "答案是");
    }
    if long(after) {
        text = text.replace(after, "");
    }
    for (letter, option) in longest_first(options) {
        let option = option.trim_end_matches('。');
        if !option.is_empty() {
            text = text.replace(option, letter);
        }
    }
    said(&text, &CHINESE, options)
}

fn longest_first(options: [&str; 4]) -> Vec<(&'static str, &str)> {
    let mut pairs: Vec<_> = LETTERS.into_iter().zip(options).collect();
    pairs.sort_by_key(|(_, option)| std::cmp::Reverse(option.chars().count()));
    pairs
}

fn said(text: &str, patterns: &[Regex], options: [&str; 4]) -> NamedOption {
    // A search that backtracks too long counts as none.
    let letter = patterns.iter().find_map(|pattern| pattern.captures(text).ok().flatten()?.get(1));
    match letter.and_then(|letter| LETTERS.iter().position(|name| *name == letter.as_str())) {
        Some(option) => NamedOption { option, guessed: false },
        None => NamedOption { option: most_like(text, options), guessed: true },
    }
}

/// Returns the option with the largest 2·common/(length of both), common being the longest common subsequence of
/// letters and digits in lower case. The original asks thefuzz, whose score also weighs words and parts; such replies
/// are counted.
fn most_like(text: &str, options: [&str; 4]) -> usize {
    let plain = |text: &str| -> Vec<char> {
        let text = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
        text.take(4096).collect()
    };
    let reply = plain(text);
    let mut best = (-1.0, 0);
    for (index, option) in options.into_iter().enumerate() {
        let option = plain(option);
        let likeness = 2.0 * common(&reply, &option) as f64 / (reply.len() + option.len()).max(1) as f64;
        if likeness > best.0 {
            best = (likeness, index);
        }
    }
    best.1
}

/// Returns the length of the longest common subsequence.
fn common(a: &[char], b: &[char]) -> usize {
    let mut row = vec![0usize; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (at, y) in b.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if x == y { diagonal + 1 } else { above.max(row[at]) };
            diagonal = above;
        }
    }
    row[b.len()]
}
