//! GSM8K (Cobbe et al., arXiv:2110.14168): school mathematics in words; the last number of a reply counts.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::choice::{owned, reply, right, text};
use super::data::{self, Record};
use super::{Answer, Ask, Dimension, Draw, Metric, Outcome, Profile, Prompt, Set, Task};
use crate::error::Result;
use crate::metrics::exact_match::{ExactMatch, RegexFilter};

pub static TASK: Task = Task {
    name: "gsm8k",
    title: "GSM8K",
    about: "school mathematics in words",
    dimension: Dimension::Knowledge,
    read,
    profiles: &[
        BASE,
        Profile { name: "cot", shots: 0, prompt: cot, score: cot_score, ..BASE },
        Profile { name: "qwen", shots: 0, prompt: qwen, score: qwen_score, metrics: NUMBER, ..BASE },
        Profile { name: "chat", shots: 0, chat: true, prompt: chat, score: chat_score, metrics: NUMBER, ..BASE },
        Profile {
            name: "chat_4shot",
            shots: 0,
            chat: true,
            prompt: chat_4shot,
            score: chat_score,
            metrics: NUMBER,
            ..BASE
        },
    ],
    export: None,
};

const BASE: Profile = Profile {
    name: "lmh",
    version: 1,
    shots: 5,
    draw: Draw::Sampled,
    limit: None,
    chat: false,
    context: None,
    prompt: lmh,
    score: lmh_score,
    metrics: EXACT,
};

const EXACT: &[Metric] = &[
    Metric { filter: "strict-match", ..Metric::score("exact_match", Some(0.0)) },
    Metric { filter: "flexible-extract", ..Metric::share("exact_match", Some(0.0)) },
];
const NUMBER: &[Metric] = &[Metric { filter: "last-number", ..Metric::score("acc", Some(0.0)) }];

/// The eight worked examples of chain-of-thought prompting (Wei et al., arXiv:2201.11903), as `gsm8k_cot` has them.
const COT: &str = include_str!("gsm8k/cot.txt");
/// The eight of the Qwen repository's `eval/gsm8k_prompt.txt`, and the four of `eval/evaluate_chat_gsm8k.py`.
const QWEN: &str = include_str!("gsm8k/qwen.txt");
const QWEN_CHAT: &str = include_str!("gsm8k/qwen_chat.txt");

/// The solution's number, after `#### ` in its last line.
static SOLUTION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"#### (-?[0-9.,]+)").expect("a pattern of this file is valid"));
static STRICT: LazyLock<RegexFilter> = LazyLock::new(|| filter(r"#### (\-?[0-9\.\,]+)", 0));
static STRICT_COT: LazyLock<RegexFilter> = LazyLock::new(|| filter(r"The answer is (\-?[0-9\.\,]+).", 0));
static FLEXIBLE: LazyLock<RegexFilter> = LazyLock::new(|| filter(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", -1));
static DIGITS: LazyLock<RegexFilter> = LazyLock::new(|| filter(r"\d+", -1));
/// The whole is a group, since the filter takes the first group that is not empty.
static NUMBER_IN_CHAT: LazyLock<RegexFilter> =
    LazyLock::new(|| filter(r"(([+-])?(?=([0-9]|\.[0-9]))(0|([1-9](\d{0,2}(,\d{3})*)|\d*))?(\.\d*)?(?=\D|$))", -1));
static EXACT_MATCH: LazyLock<ExactMatch> = LazyLock::new(|| {
    ExactMatch::new(&[",", r"\$", "(?s).*#### ", r"\.$"], true, false).expect("patterns of this file are valid")
});

fn filter(pattern: &str, group_select: isize) -> RegexFilter {
    RegexFilter::new(pattern, group_select, INVALID).expect("a pattern of this file is valid")
}

const INVALID: &str = "[invalid]";

/// One set; its pool is the training split. As openai/grade-school-math has it, or the hub's openai/gsm8k.
fn read(data: &Path) -> Result<Vec<Set>> {
    let mut folder = data::find(data, &["gsm8k"])?;
    if folder.join("main").is_dir() {
        folder = folder.join("main");
    }
    let split = |name: &str| {
        let files = data::split(&folder, name)?;
        if files.is_empty() {
            return Err(data::missing(&[folder.join(format!("{name}.jsonl"))]));
        }
        let documents: Result<Vec<Value>> = data::read_all(&files)?.iter().map(document).collect();
        Ok((files, documents?))
    };
    let ((mut files, documents), (more, pool)) = (split("test")?, split("train")?);
    files.extend(more);
    Ok(vec![Set { name: "gsm8k".to_owned(), files, documents, pool, ..Set::default() }])
}

fn document(record: &Record) -> Result<Value> {
    let (question, answer) = (record.filled("question")?, record.filled("answer")?);
    if solution(answer).is_none() {
        let last = answer.lines().next_back().unwrap_or_default();
        let shown: String = last.chars().take(60).collect();
        return Err(record.error("answer", "a last line `#### N` with a number N", format!("`{shown}`")));
    }
    Ok(json!({ "question": question, "answer": answer }))
}

/// The number of a solution, its thousands commas left out.
fn solution(answer: &str) -> Option<f64> {
    number(&SOLUTION.captures(answer)?[1].replace(',', ""))
}

fn asked(description: &str, text: String, target: &str, until: &[&str], tokens: usize) -> Prompt {
    Prompt {
        description: description.to_owned(),
        text,
        delimiter: " ",
        target: target.to_owned(),
        logged_target: None,
        ask: Ask::Reply { until: owned(until), tokens },
    }
}

fn lmh(_: &Set, document: &Value) -> Prompt {
    let request = format!("Question: {}\nAnswer:", text(document, "question"));
    asked("", request, text(document, "answer"), &["Question:", "</s>", "<|im_end|>"], 256)
}

/// The examples are fixed, so that they are no shots to be drawn.
fn cot(_: &Set, document: &Value) -> Prompt {
    let target = text(document, "answer").rsplit("####").next().unwrap_or_default().trim();
    let text = format!("Q: {}\nA:", text(document, "question"));
    asked(COT, text, target, &["Q:", "</s>", "<|im_end|>"], 256)
}

fn qwen(_: &Set, document: &Value) -> Prompt {
    let request = format!("Question: {}\nLet's think step by step\n", text(document, "question"));
    asked(QWEN, request, text(document, "answer"), &["\n\n", "Question:"], 512)
}

fn chat(_: &Set, document: &Value) -> Prompt {
    asked("", text(document, "question").to_owned(), text(document, "answer"), &[], 512)
}

/// All in the message of the user: the original has no system message for them.
fn chat_4shot(_: &Set, document: &Value) -> Prompt {
    let request = format!("{QWEN_CHAT}Question: {}\nLet's think step by step", text(document, "question"));
    asked("", request, text(document, "answer"), &[], 512)
}

fn lmh_score(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    exact(document, answers, &STRICT)
}

fn cot_score(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    exact(document, answers, &STRICT_COT)
}

/// Both filters of lm-evaluation-harness. What its exact match deletes makes a whole solution its number.
fn exact(document: &Value, answers: &[Answer], strict: &RegexFilter) -> Result<Vec<Outcome>> {
    let (reply, gold) = (reply(answers)?, text(document, "answer"));
    let outcome = |name, filter: &RegexFilter| {
        let found = filter.apply(reply)?;
        let items = vec![right("exact_match", EXACT_MATCH.matches(&found, gold)?)];
        Ok(Outcome { filter: name, filtered: Some(vec![found]), items })
    };
    Ok(vec![outcome("strict-match", strict)?, outcome("flexible-extract", &FLEXIBLE)?])
}

/// The last digits of a reply, and only digits: `3.50` is 50, `-2` is 2.
fn qwen_score(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    let found = DIGITS.apply(reply(answers)?)?;
    let (said, gold) = (number(&found), solution(text(document, "answer")));
    Ok(last_number(found, said.is_some() && said == gold))
}

/// The last number of a reply, and the last of the solution, to within 1e-4.
fn chat_score(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    let plain = |text: &str| -> Result<String> { Ok(NUMBER_IN_CHAT.apply(text)?.replace([',', '+'], "")) };
    let (found, gold) = (plain(reply(answers)?)?, plain(text(document, "answer"))?);
    let near = number(&found).zip(number(&gold)).is_some_and(|(said, gold)| (said - gold).abs() <= 1e-4);
    Ok(last_number(found, near))
}

fn last_number(found: String, is_right: bool) -> Vec<Outcome> {
    vec![Outcome { filter: "last-number", filtered: Some(vec![found]), items: vec![right("acc", is_right)] }]
}

/// The value of digits as Python reads them, in whose scripts `007` is an error and `007.` is not.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let integer = !digits.contains('.');
    let zeros = integer && digits.starts_with('0') && digits.contains(|c| c != '0');
    let known = digits.contains(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    if zeros || !known { None } else { text.parse().ok() }
}
