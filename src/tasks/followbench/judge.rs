//! The question to a judge about a reply, and the reading of its verdict.

use minijinja::{Value, context};

use super::list;
use super::text::Language;

/// Returns the judge's prompt: how the instruction grew, the reply, what to tell in the last line. `path` starts with
/// the instruction of level 0; its length is the reply's level and one.
pub(super) fn request(language: Language, kind: &str, path: &[&str], reply: &str) -> String {
    let template = match language {
        Language::English => include_str!("judge_en.txt"),
        Language::Chinese => include_str!("judge_zh.txt"),
    };
    let values = context! { kind, path => path.iter().copied().collect::<Value>(), level => path.len().saturating_sub(1), reply };
    minijinja::Environment::new().render_str(template, values).expect("a template of this program is valid")
}

/// Counts the constraints that a verdict says are met; None where it cannot be read.
///
/// The last line counts: at level 1 the word YES or else NO in it, at others a list with a word for each constraint.
/// In the Chinese form a longer list is cut, as in the original. Quotes may be of any kind or missing, which the
/// original leaves to be corrected by hand.
pub(super) fn verdict(language: Language, level: usize, text: &str) -> Option<usize> {
    let line = text.trim_matches(|c: char| c == '`' || c.is_whitespace()).split('\n').next_back()?;
    if level == 1 {
        return if line.contains("YES") { Some(1) } else { line.contains("NO").then_some(0) };
    }
    let list = &line[line.find('[')?..];
    let words = list::parse(&list[..=list.rfind(']')?])?;
    let enough = match language {
        Language::English => words.len() == level,
        Language::Chinese => words.len() >= level,
    };
    if !enough {
        return None;
    }
    words.iter().take(level).try_fold(0, |met, word| match word.as_str() {
        "YES" => Some(met + 1),
        "NO" | "PARTIAL" | "PARTIALLY" | "MAYBE" | "UNKNOWN" | "N/A" => Some(met),
        _ => None,
    })
}
