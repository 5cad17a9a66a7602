//! The constraints that need no judge: rules of FollowBench's own `rule_based_evaluation.py`, by the source a
//! document came from.

use regex::Regex;

use super::list;
use super::text::{Language, ReplyText, of_a_word};
use crate::metrics::python::{self, static_regex};

/// The fields of a document that a rule looks at.
pub(super) struct Instruction<'a> {
    /// One of the six files: `example`, `content`.
    pub kind: &'a str,
    pub source: &'a str,
    pub example_id: i64,
    /// 1 to 5.
    pub level: usize,
    pub target: &'a str,
}

/// A constraint that a level adds.
type Constraint = fn(ReplyText<'_>) -> bool;

/// Comparison of a reply.
enum ReplyRule {
    /// With the template that the examples in the prompt show.
    Template,
    /// With the target; a target differs from level to level.
    Target(fn(&str, &str) -> bool),
    /// Each level adds a constraint, and those before go on.
    Levels([Constraint; 5]),
    /// The five forms of one text; the last level replaces a constraint.
    Suggestions,
    Points,
}

/// Returns whether a rule decides, so that no judge is asked.
pub(super) fn decides(question: &Instruction<'_>, language: Language) -> bool {
    rule(question, language).is_some()
}

/// Checks that a target is of the form that its rule compares with.
///
/// # Errors
/// The form that is expected instead.
pub(super) fn check_target(question: &Instruction<'_>, language: Language) -> Result<(), &'static str> {
    match rule(question, language) {
        Some(ReplyRule::Template) if !question.target.contains("{answer}") => Err("a template with {answer}"),
        Some(ReplyRule::Template) if template(question.target).is_err() => Err("a shorter template"),
        Some(ReplyRule::Target(_)) if question.target.is_empty() => Err("the expected reply"),
        Some(ReplyRule::Target(_)) if question.source == "CONLL2003" && list::parse(question.target).is_none() => {
            Err("a list of names in quotes")
        }
        _ => Ok(()),
    }
}

/// Returns whether a reply meets all constraints of its level; nothing where a judge has to tell.
pub(super) fn met(question: &Instruction<'_>, language: Language, reply: &str) -> Option<bool> {
    let text = ReplyText { text: reply, language };
    Some(match rule(question, language)? {
        ReplyRule::Template => template(question.target).is_ok_and(|template| template.is_match(reply)),
        ReplyRule::Target(compare) => compare(reply, question.target),
        ReplyRule::Levels(added) => added.iter().take(question.level).all(|constraint| constraint(text)),
        ReplyRule::Suggestions => suggestions(text, question.level),
        ReplyRule::Points => points(reply, question.level),
    })
}

fn rule(question: &Instruction<'_>, language: Language) -> Option<ReplyRule> {
    match (question.kind, question.example_id) {
        ("example", _) => return Some(ReplyRule::Template),
        ("format", 22) => return Some(ReplyRule::Suggestions),
        ("format", 30) if language == Language::English => return Some(ReplyRule::Points),
        _ => {}
    }
    let compare: fn(&str, &str) -> bool = match (question.source, language) {
        ("E2E" | "text_editing", _) => |reply, target| reply == target,
        ("WIKIEVENTS", _) => |reply, target| {
            let known: Vec<&str> = target.split('\n').collect();
            reply.split('\n').all(|line| known.contains(&line))
        },
        ("CONLL2003", _) => {
            |reply, target| list::parse(target).is_some_and(|names| names.iter().any(|name| name == reply))
        }
        ("BBH_logical", _) => |reply, target| last(static_regex!(r"\([A-Z]\)"), reply) == Some(target),
        ("BBH_time", _) => |reply, target| last(static_regex!(r"\d{2}/\d{2}/\d{4}"), reply) == Some(target),
        ("self_made_space", _) => |reply, target| reply.contains(target),
        ("gsm_8k", Language::English) => |reply, target| last(static_regex!(r"\$\d+"), reply) == Some(target),
        ("gsm_8k", Language::Chinese) => |reply, target| last(static_regex!(r"\d+美元"), reply) == Some(target),
        (source, _) => return levels(source).map(ReplyRule::Levels),
    };
    Some(ReplyRule::Target(compare))
}

/// Returns the five constraints of each text that was made for this benchmark.
fn levels(source: &str) -> Option<[Constraint; 5]> {
    let levels: [Constraint; 5] = match source {
        "cnn_dailymail" => [
            |t| t.sentences().len() == 3,
            |t| t.every_sentence(|length| length < 15),
            |t| {
                let words = [("Potter", "波特"), ("actor", "演员"), ("films", "电影")];
                (1..).zip(words).all(|(number, (english, chinese))| t.sentence(number).has(english, chinese))
            },
            |t| !t.sentence(2).has("lavish", "奢侈"),
            |t| t.sentence(3).present_perfect(),
        ],
        "xsum" => [
            |t| t.sentences().len() == 1,
            |t| t.length() < 20,
            |t| !t.has("Newton Stewart", "牛顿斯图尔特"),
            |t| t.present_continuous(),
            |t| t.has("operation", "操作"),
        ],
        "samsum" => [
            |t| t.sentences().len() == 1,
            |t| t.length() < 15,
            |t| t.has("stuff", "琐碎的"),
            |t| !t.has_procrastination(),
            |t| t.marks() == 1,
        ],
        "gigaword" => [
            |t| t.length() == 8,
            |t| t.marks() == 0,
            |t| if t.language == Language::English { t.is_lower() } else { !t.has_number() },
            |t| !t.has("bus", "公交车"),
            |t| t.has("in", "在"),
        ],
        "arxiv" => [
            |t| t.sentences().len() == 1,
            |t| t.length() <= 20,
            |t| t.text.starts_with(if t.language == Language::English { "We" } else { "我们" }),
            |t| t.has("activations", "激活"),
            |t| !t.has("transformer", "transformer"),
        ],
        _ => return None,
    };
    Some(levels)
}

fn last<'a>(pattern: &Regex, reply: &'a str) -> Option<&'a str> {
    pattern.find_iter(reply).last().map(|found| found.as_str())
}

/// Returns a template, with anything in one line for `{answer}`.
fn template(target: &str) -> Result<Regex, regex::Error> {
    let template = target.replace("{instruction}\n", "").replace("{{", "{").replace("}}", "}");
    let template = template.replace("{answer}", ".*");
    // Whatever else reads `.*` is a gap too, as in the original.
    let pieces: Vec<String> = template.split(".*").map(regex::escape).collect();
    Regex::new(&format!(r"\A{}\z", pieces.join("[^\n]*")))
}

/// Checks format example 22: suggestions in paragraphs.
fn suggestions(text: ReplyText<'_>, level: usize) -> bool {
    let ending = match text.language {
        Language::English => "Those are suggestions",
        Language::Chinese => "这些是建议",
    };
    let paragraphs = text.paragraphs();
    // At level 5 the ending stands in a paragraph of its own, whose sentences are not counted.
    paragraphs.len() == if level == 5 { 4 } else { 3 }
        && (level < 2 || paragraphs.iter().take(3).all(|paragraph| paragraph.sentences().len() < 3))
        && (level < 3 || text.every_sentence(|length| length > 20))
        && (level < 4 || text.paragraphs_are_numbered())
        && (level < 5 || text.text.ends_with(ending))
}

/// Checks format example 30: five points, each with a keyword in bold.
fn points(reply: &str, level: usize) -> bool {
    let sentences = split_sentences(reply);
    let numbered = |sentence: &&str| ["1.", "2.", "3.", "4.", "5."].iter().any(|number| sentence.contains(number));
    let constraints: [&dyn Fn() -> bool; 5] = [
        &|| reply.contains("**"),
        &|| static_regex!(r"\*\*\d.+?:").find_iter(reply).count() == 5,
        &|| sentences.iter().copied().filter(numbered).all(|sentence| sentence.split('.').count() < 3),
        &|| sentences.iter().all(|sentence| (10..=15).contains(&python::split(sentence).count())),
        &|| sentences.iter().all(|sentence| python::split(sentence).all(|word| !word.ends_with("-ly"))),
    ];
    constraints.iter().take(level).all(|holds| holds())
}

/// Splits at white space behind `.` or `?`, except behind abbreviations such as `e.g.` and `Mr.`
fn split_sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, space) in text.char_indices().filter(|&(_, c)| python::is_space(c)) {
        let mut back = text[..at].chars().rev();
        let [a, b, c, d] = std::array::from_fn(|_| back.next());
        let initials = b.is_some_and(of_a_word) && c == Some('.') && d.is_some_and(of_a_word);
        let title =
            a == Some('.') && b.is_some_and(|b| b.is_ascii_lowercase()) && c.is_some_and(|c| c.is_ascii_uppercase());
        if matches!(a, Some('.' | '?')) && !initials && !title {
            sentences.push(&text[start..at]);
            start = at + space.len_utf8();
        }
    }
    sentences.push(&text[start..]);
    sentences
}
