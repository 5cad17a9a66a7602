//! C-Eval (Huang et al., arXiv:2305.08322): four options in Chinese, 52 subjects.

mod cot;

use std::path::Path;

use serde_json::{Value, json};

use super::choice::{LETTERS, accuracies, index_of, lettered, reply, text};
use super::data::{self, Record, Split};
use super::named::set_names;
use super::reply::{NAMED_OPTION, chinese};
use super::{FewShot, FilterResult, Metric, OutputType, Profile, Prompt, Response, Subset, Task};
use crate::error::Result;
use crate::metrics::python::strip;

pub static TASK: Task = Task {
    read_parts: Some(read_parts),
    ..Task::new(
        "ceval",
        "C-Eval",
        "school and professional knowledge in Chinese, four options",
        |data| read(data, |_| true),
        &[
            BASE,
            Profile { name: "official", prompt: official, ..BASE },
            Profile { name: "official_cot", prompt: cot::prompt, score: cot::score, metrics: cot::METRICS, ..BASE },
            Profile { name: "qwen", prompt: qwen, ..BASE },
            Profile { name: "lmh_chat", chat: true, ..BASE },
            Profile { name: "chat", shots: 0, chat: true, prompt: chat, score: said, metrics: NAMED_OPTION, ..BASE },
        ],
    )
};

const CHANCE: Option<f64> = Some(0.25);

const BASE: Profile = Profile { shots: 5, sampler: FewShot::FirstN, ..Profile::new("lmh", lmh, letter, ACC) };

/// File name, Chinese name and groups of each subject, by the first, from `subject_mapping.json`; `hard` are those of C-Eval Hard.
const SUBJECTS: &str = include_str!("subjects.tsv");

const ACC: &[Metric] = &[Metric::score("acc", CHANCE), Metric::share("acc_norm", CHANCE)];

/// Reads a set for each subject, from `ceval/val/SUBJECT_val.csv` and `ceval/dev/SUBJECT_dev.csv`, or the hub's files of
/// ceval/ceval-exam: the answers of its test split are not public. Only the files of sets that are wanted need to be there.
fn read(data: &Path, is_wanted: impl Fn(&String) -> bool) -> Result<Vec<Subset>> {
    let folder = data::find(data, &["ceval"])?;
    let set = |(name, [subject, _, groups]): (String, [&str; 3])| {
        let part = |name| {
            let split = Split::read(&folder, &[&format!("{name}/{subject}_{name}"), &format!("{subject}/{name}")])?;
            data::unique(&split.records, "id").map(|()| split)
        };
        let set = Subset::read(name, part("val")?, part("dev")?, document)?;
        Ok(Subset { groups: split(groups), ..set })
    };
    subjects().filter(|(name, _)| is_wanted(name)).map(set).collect()
}

fn read_parts(data: &Path, parts: &str) -> Result<Vec<Subset>> {
    let names = set_names("ceval", parts, subjects().map(|(name, [.., groups])| (name, split(groups))))?;
    read(data, |name| names.contains(name))
}

/// Lists the subjects, their Chinese names and their groups, each with the name of its set.
fn subjects() -> impl Iterator<Item = (String, [&'static str; 3])> {
    data::table(SUBJECTS).map(|row: [&str; 3]| (format!("ceval_{}", row[0]), row))
}

fn split(groups: &str) -> Vec<String> {
    groups.split(',').map(str::to_owned).collect()
}

fn document(record: &Record) -> Result<Value> {
    let mut document = json!({ "id": record.integer("id", 0..i64::MAX)?, "question": record.filled("question")? });
    for letter in LETTERS {
        document[letter] = record.filled(letter)?.into();
    }
    document["answer"] = LETTERS[record.one_of("answer", &LETTERS)?].into();
    // The files of val have no such column, but the hub's rows do.
    let explained = record.fields.contains_key("explanation");
    document["explanation"] = if explained { record.text("explanation")? } else { "" }.into();
    Ok(document)
}

fn options(document: &Value) -> [&str; 4] {
    LETTERS.map(|letter| text(document, letter))
}

fn gold(document: &Value) -> usize {
    index_of(&LETTERS, text(document, "answer"))
}

/// Returns the Chinese name of a set's subject.
fn subject(set: &Subset) -> &'static str {
    let name = set.name.strip_prefix("ceval_").unwrap_or_default();
    data::table(SUBJECTS).find(|[subject, _, _]| *subject == name).map_or("", |[_, chinese, _]| chinese)
}

fn lmh(set: &Subset, document: &Value) -> Prompt {
    let question = strip(text(document, "question"));
    let request = format!("{question}\n{}\n答案：", lettered(options(document)));
    Prompt {
        description: format!("以下是中国关于{}的单项选择题，请选出其中的正确答案。\n\n", subject(set)),
        logged_target: Some(gold(document).into()),
        ..Prompt::new(request, text(document, "answer"), OutputType::choices(&LETTERS))
    }
}

/// Asks as the authors' `code/evaluator_series` does: another header, and no space before the letter.
fn official(set: &Subset, document: &Value) -> Prompt {
    let description = format!("以下是中国关于{}考试的单项选择题，请选出其中的正确答案。\n\n", subject(set));
    Prompt { description, delimiter: "", ..lmh(set, document) }
}

/// Asks as `eval/evaluate_ceval.py` of the Qwen repository does.
fn qwen(set: &Subset, document: &Value) -> Prompt {
    let question = text(document, "question");
    let text = format!("问题：{question}\n{}\n答案：", lettered(options(document)));
    Prompt { description: String::new(), text, delimiter: "", ..lmh(set, document) }
}

/// Asks as `eval/evaluate_chat_ceval.py` of the Qwen repository does.
fn chat(_: &Subset, document: &Value) -> Prompt {
    let request = format!("{}\n\n{}\n", text(document, "question"), lettered(options(document)));
    Prompt::new(request, text(document, "answer"), OutputType::reply(&[], 512))
}

fn letter(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    accuracies(responses, &LETTERS, gold(document))
}

fn said(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    Ok(chinese(reply(responses)?, text(document, "question"), options(document)).scored(gold(document)))
}
