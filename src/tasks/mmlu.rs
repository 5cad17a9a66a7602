//! MMLU (Hendrycks et al., arXiv:2009.03300): four options, 57 subjects.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::choice::{LETTERS, accuracies, accuracy, index, lettered, reply, right, text, texts};
use super::data::{self, Record, Split};
use super::named::set_names;
use super::reply::{NAMED_OPTION, english};
use super::{FewShot, FilterResult, Metric, OutputType, Profile, Prompt, Response, Subset, Task};
use crate::error::Result;
use crate::metrics::exact_match::ExactMatch;
use crate::metrics::python::strip;

pub static TASK: Task = Task {
    read_parts: Some(read_parts),
    ..Task::new(
        "mmlu",
        "MMLU",
        "school and professional knowledge in English, four options",
        |data| read(data, |_| true),
        &[
            BASE,
            Profile { name: "qwen", version: 2, context: Some(QWEN_CONTEXT), prompt: qwen, ..BASE },
            Profile { name: "continuation", prompt: continuation, score: option, metrics: ACC_NORM, ..BASE },
            Profile { name: "generative", prompt: generative, score: written, metrics: WRITTEN, ..BASE },
            Profile { name: "lmh_chat", chat: true, ..BASE },
            Profile { name: "chat", shots: 0, chat: true, prompt: chat, score: said, metrics: NAMED_OPTION, ..BASE },
        ],
    )
};

const CHANCE: Option<f64> = Some(0.25);
const ACC: &[Metric] = &[Metric::score("acc", CHANCE)];
const ACC_NORM: &[Metric] = &[Metric::score("acc", CHANCE), Metric::share("acc_norm", CHANCE)];
const WRITTEN: &[Metric] = &[Metric { filter: FIRST_LINE, ..Metric::score("exact_match", None) }];

/// The filter of lm-evaluation-harness that takes the first line.
const FIRST_LINE: &str = "get_response";

const BASE: Profile = Profile { shots: 5, sampler: FewShot::FirstN, ..Profile::new("lmh", lmh, letter, ACC) };

/// Qwen's script keeps the last 2,047 tokens of a prompt of more than 2,048. Here a slot of a sequence is kept free, so
/// that a prompt of just 2,048 tokens, which the script leaves whole, loses its first one.
const QWEN_CONTEXT: usize = 2048;

/// Subjects by name, each with its category as the authors' `categories.py` has it.
const SUBJECTS: &str = include_str!("mmlu/subjects.tsv");

/// Columns of the original files, which have no header.
const COLUMNS: [&str; 6] = ["question", "A", "B", "C", "D", "answer"];

/// Reads a set for each subject, from `mmlu/test/SUBJECT_test.csv` and `mmlu/dev/SUBJECT_dev.csv`; or the hub's files of
/// cais/mmlu, by subject or all in one.
fn read(data: &Path, is_wanted: impl Fn(&String) -> bool) -> Result<Vec<Subset>> {
    let folder = data::find(data, &["mmlu"])?;
    let folder = if folder.join("data/test").is_dir() { folder.join("data") } else { folder };
    let whole = |name| Split::find(&folder, &[&format!("all/{name}"), name])?.map(by_subject).transpose();
    let (test, dev) = (whole("test")?, whole("dev")?);
    let part = |whole: &Option<BTreeMap<String, Split>>, subject: &str, name| match whole {
        Some(whole) => whole.get(subject).cloned().ok_or_else(|| data::missing(&[folder.join(subject)])),
        None => of_subject(&folder, subject, name),
    };
    let set = |(name, [subject, category]): (String, [&str; 2])| {
        let (test, dev) = (part(&test, subject, "test")?, part(&dev, subject, "dev")?);
        let set = Subset::read(name, test, dev, |record| document(record, subject))?;
        Ok(Subset { groups: vec![category.to_owned()], ..set })
    };
    subjects().filter(|(name, _)| is_wanted(name)).map(set).collect()
}

fn read_parts(data: &Path, parts: &str) -> Result<Vec<Subset>> {
    let sets = subjects().map(|(name, [_, category])| (name, vec![category.to_owned()]));
    let names = set_names("mmlu", parts, sets)?;
    read(data, |name| names.contains(name))
}

/// Lists the subjects and their categories, each with the name of its set.
fn subjects() -> impl Iterator<Item = (String, [&'static str; 2])> {
    data::table(SUBJECTS).map(|row: [&str; 2]| (format!("mmlu_{}", row[0]), row))
}

/// Parts a split of all subjects in one place, whose rows name their subject.
fn by_subject(split: Split) -> Result<BTreeMap<String, Split>> {
    let mut subjects: BTreeMap<String, Split> = BTreeMap::new();
    for record in split.records {
        let part = subjects.entry(record.filled("subject")?.to_owned()).or_default();
        part.files.clone_from(&split.files);
        part.records.push(record);
    }
    Ok(subjects)
}

fn of_subject(folder: &Path, subject: &str, name: &str) -> Result<Split> {
    let original = folder.join(name).join(format!("{subject}_{name}.csv"));
    match original.is_file() {
        true => Ok(Split { records: data::delimited(&original, b',', Some(&COLUMNS))?, files: vec![original] }),
        false => Split::read(folder, &[&format!("{name}/{subject}_{name}"), &format!("{subject}/{name}")]),
    }
}

fn document(record: &Record, subject: &str) -> Result<Value> {
    let question = record.filled("question")?;
    let (choices, answer) = match record.fields.contains_key("choices") {
        true => (record.texts("choices")?, record.integer("answer", 0..4)?),
        false => {
            let choices = LETTERS.iter().map(|letter| record.text(letter)).collect::<Result<_>>()?;
            (choices, record.one_of("answer", &LETTERS)? as i64)
        }
    };
    if choices.len() != 4 || choices.iter().any(|choice| strip(choice).is_empty()) {
        return Err(record.error("choices", "4 texts", format!("{choices:?}")));
    }
    Ok(json!({ "question": question, "subject": subject, "choices": choices, "answer": answer }))
}

fn options(document: &Value) -> [&str; 4] {
    let choices = texts(document, "choices");
    [0, 1, 2, 3].map(|index| choices.get(index).copied().unwrap_or_default())
}

fn gold(document: &Value) -> usize {
    index(document, "answer")
}

fn gold_letter(document: &Value) -> String {
    LETTERS.get(gold(document)).copied().unwrap_or_default().to_owned()
}

fn header(document: &Value, what: &str) -> String {
    let subject = text(document, "subject").replace('_', " ");
    format!("The following are {what} (with answers) about {subject}.\n\n")
}

fn lmh(_: &Subset, document: &Value) -> Prompt {
    let question = strip(text(document, "question"));
    let ask = OutputType::choices(&LETTERS);
    Prompt {
        description: header(document, "multiple choice questions"),
        logged_target: Some(gold(document).into()),
        ..Prompt::new(format!("{question}\n{}\nAnswer:", lettered(options(document))), gold_letter(document), ask)
    }
}

/// Asks as `eval/evaluate_mmlu.py` of the Qwen repository does: the question is not stripped, and named.
fn qwen(set: &Subset, document: &Value) -> Prompt {
    let question = text(document, "question");
    let text = format!("Question: {question}\n{}\nAnswer:", lettered(options(document)));
    Prompt { text, ..lmh(set, document) }
}

fn continuation(set: &Subset, document: &Value) -> Prompt {
    let options = options(document);
    Prompt {
        description: header(document, "questions"),
        text: format!("Question: {}\nAnswer:", strip(text(document, "question"))),
        target: options.get(gold(document)).copied().unwrap_or_default().to_owned(),
        output: OutputType::choices(&options),
        ..lmh(set, document)
    }
}

fn generative(set: &Subset, document: &Value) -> Prompt {
    Prompt { logged_target: None, output: OutputType::reply(&["</s>", "\n"], 256), ..lmh(set, document) }
}

/// Asks as `eval/evaluate_chat_mmlu.py` of the Qwen repository does.
fn chat(_: &Subset, document: &Value) -> Prompt {
    let question = text(document, "question");
    let order = "Please choose the most suitable one among A, B, C and D as the answer to this question.";
    let options = lettered(options(document));
    let request = format!("The following is a multiple-choice question. {order}\n\n{question}\n{options}\n");
    Prompt::new(request, gold_letter(document), OutputType::reply(&[], 512))
}

fn letter(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    accuracy(responses, 4, gold(document))
}

fn option(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    accuracies(responses, &options(document), gold(document))
}

/// Scores the first line, compared without regard to case and punctuation.
fn written(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    let line = strip(reply(responses)?.split('\n').next().unwrap_or_default());
    let same = ExactMatch::new(&[], true, true)?.matches(line, &gold_letter(document))?;
    let items = vec![right("exact_match", same)];
    Ok(FilterResult::filtered(FIRST_LINE, line, items))
}

fn said(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    Ok(english(reply(responses)?, options(document))?.scored(gold(document)))
}
