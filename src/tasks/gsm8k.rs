//! GSM8K (Cobbe et al., arXiv:2110.14168): school mathematics in words; the last number of a reply counts.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::choice::{reply, right, text};
use super::data::{self, Record, Split};
use super::{FilterResult, Metric, OutputType, Profile, Prompt, Response, Subset, Task};
use crate::error::Result;
use crate::metrics::exact_match::{ExactMatch, RegexFilter};
use crate::metrics::python::static_regex;

pub static TASK: Task = Task::new(
    "gsm8k",
    "GSM8K",
    "school mathematics in words",
    read,
    &[
        Profile { shots: 5, ..Profile::new("lmh", lmh, |_, d, r| exact(d, r, &STRICT), EXACT) },
        Profile::new("cot", cot, |_, d, r| exact(d, r, &STRICT_COT), EXACT),
        Profile::new("qwen", qwen, qwen_score, NUMBER),
        Profile { chat: true, ..Profile::new("chat", chat, chat_score, NUMBER) },
        Profile { chat: true, ..Profile::new("chat_4shot", chat_4shot, chat_score, NUMBER) },
    ],
);

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

/// Reads one set; its examples are of the training split. As openai/grade-school-math has it, or the hub's openai/gsm8k.
fn read(data: &Path) -> Result<Vec<Subset>> {
    let folder = data::find(data, &["gsm8k/main", "gsm8k"])?;
    let split = |name| Split::read(&folder, &[name]);
    Ok(vec![Subset::read(TASK.name, split("test")?, split("train")?, document)?])
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

/// Returns the number of a solution, after `#### ` in its last line, its thousands commas left out.
fn solution(answer: &str) -> Option<f64> {
    number(&static_regex!(r"#### (-?[0-9.,]+)").captures(answer)?[1].replace(',', ""))
}

fn lmh(_: &Subset, document: &Value) -> Prompt {
    let request = format!("Question: {}\nAnswer:", text(document, "question"));
    Prompt::new(request, text(document, "answer"), OutputType::reply(&["Question:", "</s>", "<|im_end|>"], 256))
}

/// Asks behind worked examples. They are fixed, so that they are no shots to be drawn.
fn cot(_: &Subset, document: &Value) -> Prompt {
    let target = text(document, "answer").rsplit("####").next().unwrap_or_default().trim();
    let request = format!("Q: {}\nA:", text(document, "question"));
    let ask = OutputType::reply(&["Q:", "</s>", "<|im_end|>"], 256);
    Prompt { description: COT.to_owned(), ..Prompt::new(request, target, ask) }
}

fn qwen(_: &Subset, document: &Value) -> Prompt {
    let request = format!("Question: {}\nLet's think step by step\n", text(document, "question"));
    let ask = OutputType::reply(&["\n\n", "Question:"], 512);
    Prompt { description: QWEN.to_owned(), ..Prompt::new(request, text(document, "answer"), ask) }
}

fn chat(_: &Subset, document: &Value) -> Prompt {
    Prompt::new(text(document, "question"), text(document, "answer"), OutputType::reply(&[], 512))
}

/// Asks with all examples in the message of the user: the original has no system message for them.
fn chat_4shot(_: &Subset, document: &Value) -> Prompt {
    let request = format!("{QWEN_CHAT}Question: {}\nLet's think step by step", text(document, "question"));
    Prompt::new(request, text(document, "answer"), OutputType::reply(&[], 512))
}

/// Scores by both filters of lm-evaluation-harness. What its exact match deletes makes a whole solution its number.
fn exact(document: &Value, responses: &[Response], strict: &RegexFilter) -> Result<Vec<FilterResult>> {
    let (reply, gold) = (reply(responses)?, text(document, "answer"));
    let outcome = |name, filter: &RegexFilter| {
        let found = filter.apply(reply)?;
        let items = vec![right("exact_match", EXACT_MATCH.matches(&found, gold)?)];
        Result::Ok(FilterResult::filtered(name, &found, items))
    };
    Ok([outcome("strict-match", strict)?, outcome("flexible-extract", &FLEXIBLE)?].concat())
}

/// Scores the last digits of a reply, and only digits: `3.50` is 50, `-2` is 2.
fn qwen_score(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    let found = DIGITS.apply(reply(responses)?)?;
    let (said, gold) = (number(&found), solution(text(document, "answer")));
    Ok(last_number(found, said.is_some() && said == gold))
}

/// Scores the last number of a reply, and the last of the solution, to within 1e-4.
fn chat_score(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    let plain = |text: &str| -> Result<String> { Ok(NUMBER_IN_CHAT.apply(text)?.replace([',', '+'], "")) };
    let (found, gold) = (plain(reply(responses)?)?, plain(text(document, "answer"))?);
    let near = number(&found).zip(number(&gold)).is_some_and(|(said, gold)| (said - gold).abs() <= 1e-4);
    Ok(last_number(found, near))
}

fn last_number(found: String, is_right: bool) -> Vec<FilterResult> {
    FilterResult::filtered("last-number", &found, vec![right("acc", is_right)])
}

/// Returns the value of digits as Python reads them, in whose scripts `007` is an error and `007.` is not.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let integer = !digits.contains('.');
    let zeros = integer && digits.starts_with('0') && digits.contains(|c| c != '0');
    let known = digits.contains(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    if zeros || !known { None } else { text.parse().ok() }
}
