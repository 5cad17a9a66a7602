//! MMLU (Hendrycks et al., arXiv:2009.03300): four options, 57 subjects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::choice::{LETTERS, accuracies, accuracy, index, lettered, owned, reply, right, text, texts};
use super::data::{self, Record};
use super::prompt::strip;
use super::reply::english;
use super::{Answer, Ask, Dimension, Draw, Metric, Outcome, Profile, Prompt, Set, Task};
use crate::error::Result;
use crate::metrics::exact_match::ExactMatch;

pub static TASK: Task = Task {
    name: "mmlu",
    title: "MMLU",
    about: "school and professional knowledge in English, four options",
    dimension: Dimension::Knowledge,
    read,
    profiles: &[
        BASE,
        Profile { name: "qwen", version: 2, context: Some(QWEN_CONTEXT), prompt: qwen, ..BASE },
        Profile { name: "continuation", prompt: continuation, score: option, metrics: ACC_NORM, ..BASE },
        Profile { name: "generative", prompt: generative, score: written, metrics: WRITTEN, ..BASE },
        Profile { name: "lmh_chat", chat: true, ..BASE },
        Profile { name: "chat", shots: 0, chat: true, prompt: chat, score: said, metrics: SAID, ..BASE },
    ],
    export: None,
};

const CHANCE: Option<f64> = Some(0.25);
const ACC: &[Metric] = &[Metric::score("acc", CHANCE)];
const ACC_NORM: &[Metric] = &[Metric::score("acc", CHANCE), Metric::share("acc_norm", CHANCE)];
const WRITTEN: &[Metric] = &[Metric { filter: FIRST_LINE, ..Metric::score("exact_match", None) }];
const SAID: &[Metric] = &[Metric::score("acc", CHANCE), Metric::trouble("guessed")];

/// The filter of lm-evaluation-harness that takes the first line.
const FIRST_LINE: &str = "get_response";

const BASE: Profile = Profile {
    name: "lmh",
    version: 1,
    shots: 5,
    draw: Draw::FirstN,
    limit: None,
    chat: false,
    context: None,
    prompt: lmh,
    score: letter,
    metrics: ACC,
};

/// Qwen's script keeps the last 2,047 tokens of a prompt of more than 2,048. Here a slot of a sequence is kept free, so
/// that a prompt of just 2,048 tokens, which the script leaves whole, loses its first one.
const QWEN_CONTEXT: usize = 2048;

/// Categories as the authors' `categories.py` groups them, with their subjects.
static CATEGORIES: &[(&str, &[&str])] = &[
    (
        "stem",
        &[
            "abstract_algebra",
            "anatomy",
            "astronomy",
            "college_biology",
            "college_chemistry",
            "college_computer_science",
            "college_mathematics",
            "college_physics",
            "computer_security",
            "conceptual_physics",
            "electrical_engineering",
            "elementary_mathematics",
            "high_school_biology",
            "high_school_chemistry",
            "high_school_computer_science",
            "high_school_mathematics",
            "high_school_physics",
            "high_school_statistics",
            "machine_learning",
        ],
    ),
    (
        "humanities",
        &[
            "formal_logic",
            "high_school_european_history",
            "high_school_us_history",
            "high_school_world_history",
            "international_law",
            "jurisprudence",
            "logical_fallacies",
            "moral_disputes",
            "moral_scenarios",
            "philosophy",
            "prehistory",
            "professional_law",
            "world_religions",
        ],
    ),
    (
        "social_sciences",
        &[
            "econometrics",
            "high_school_geography",
            "high_school_government_and_politics",
            "high_school_macroeconomics",
            "high_school_microeconomics",
            "high_school_psychology",
            "human_sexuality",
            "professional_psychology",
            "public_relations",
            "security_studies",
            "sociology",
            "us_foreign_policy",
        ],
    ),
    (
        "other",
        &[
            "business_ethics",
            "clinical_knowledge",
            "college_medicine",
            "global_facts",
            "human_aging",
            "management",
            "marketing",
            "medical_genetics",
            "miscellaneous",
            "nutrition",
            "professional_accounting",
            "professional_medicine",
            "virology",
        ],
    ),
];

/// Columns of the original files, which have no header.
const COLUMNS: [&str; 6] = ["question", "A", "B", "C", "D", "answer"];

/// A set for each subject, from `mmlu/test/SUBJECT_test.csv` and `mmlu/dev/SUBJECT_dev.csv`; or the hub's files of
/// cais/mmlu, by subject or all in one.
fn read(data: &Path) -> Result<Vec<Set>> {
    let mut folder = data::find(data, &["mmlu"])?;
    if folder.join("data/test").is_dir() {
        folder = folder.join("data");
    }
    let whole = [Whole::read(&folder, "test")?, Whole::read(&folder, "dev")?];
    let part = |subject: &str, split: usize| -> Result<(Vec<PathBuf>, Vec<Value>)> {
        let name = ["test", "dev"][split];
        let (files, records) = match &whole[split] {
            Some(whole) => (whole.files.clone(), whole.of(subject)?.clone()),
            None => data::subject(&folder, subject, name, Some(&COLUMNS))?,
        };
        Ok((files, records.iter().map(|record| document(record, subject)).collect::<Result<_>>()?))
    };
    let subjects = CATEGORIES.iter().flat_map(|(category, subjects)| subjects.iter().map(move |name| (category, name)));
    let mut sets = Vec::new();
    for (category, subject) in subjects {
        let ((mut files, documents), (more, pool)) = (part(subject, 0)?, part(subject, 1)?);
        files.extend(more);
        let groups = vec![(*category).to_owned()];
        sets.push(Set { name: format!("mmlu_{subject}"), groups, files, documents, pool, ..Set::default() });
    }
    sets.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(sets)
}

/// A split of all subjects in one place, whose rows name their subject.
struct Whole {
    files: Vec<PathBuf>,
    subjects: BTreeMap<String, Vec<Record>>,
}

impl Whole {
    fn read(folder: &Path, split: &str) -> Result<Option<Whole>> {
        let mut files = data::split(&folder.join("all"), split)?;
        if files.is_empty() {
            files = data::split(folder, split)?;
        }
        if files.is_empty() {
            return Ok(None);
        }
        let mut subjects: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for record in data::read_all(&files)? {
            subjects.entry(record.filled("subject")?.to_owned()).or_default().push(record);
        }
        Ok(Some(Whole { files, subjects }))
    }

    fn of(&self, subject: &str) -> Result<&Vec<Record>> {
        self.subjects.get(subject).ok_or_else(|| {
            let place = self.files.first().map(|file| file.join(subject));
            data::missing(place.as_slice())
        })
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

fn lmh(_: &Set, document: &Value) -> Prompt {
    let question = strip(text(document, "question"));
    Prompt {
        description: header(document, "multiple choice questions"),
        text: format!("{question}\n{}\nAnswer:", lettered(options(document))),
        delimiter: " ",
        target: gold_letter(document),
        logged_target: Some(gold(document).into()),
        ask: Ask::Choices(owned(&LETTERS)),
    }
}

/// As `eval/evaluate_mmlu.py` of the Qwen repository: the question is not stripped, and named.
fn qwen(set: &Set, document: &Value) -> Prompt {
    let question = text(document, "question");
    let text = format!("Question: {question}\n{}\nAnswer:", lettered(options(document)));
    Prompt { text, ..lmh(set, document) }
}

fn continuation(set: &Set, document: &Value) -> Prompt {
    let options = options(document);
    Prompt {
        description: header(document, "questions"),
        text: format!("Question: {}\nAnswer:", strip(text(document, "question"))),
        target: options.get(gold(document)).copied().unwrap_or_default().to_owned(),
        ask: Ask::Choices(owned(&options)),
        ..lmh(set, document)
    }
}

fn generative(set: &Set, document: &Value) -> Prompt {
    let ask = Ask::Reply { until: owned(&["</s>", "\n"]), tokens: 256 };
    Prompt { logged_target: None, ask, ..lmh(set, document) }
}

/// As `eval/evaluate_chat_mmlu.py` of the Qwen repository.
fn chat(set: &Set, document: &Value) -> Prompt {
    let question = text(document, "question");
    let order = "Please choose the most suitable one among A, B, C and D as the answer to this question.";
    let options = lettered(options(document));
    Prompt {
        description: String::new(),
        text: format!("The following is a multiple-choice question. {order}\n\n{question}\n{options}\n"),
        logged_target: None,
        ask: Ask::Reply { until: Vec::new(), tokens: 512 },
        ..lmh(set, document)
    }
}

fn letter(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    accuracy(answers, 4, gold(document))
}

fn option(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    accuracies(answers, &options(document), gold(document))
}

/// The first line, compared without regard to case and punctuation.
fn written(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    let line = strip(reply(answers)?.split('\n').next().unwrap_or_default());
    let same = ExactMatch::new(&[], true, true)?.matches(line, &gold_letter(document))?;
    let items = vec![right("exact_match", same)];
    Ok(vec![Outcome { filter: FIRST_LINE, filtered: Some(vec![line.to_owned()]), items }])
}

fn said(_: &Set, document: &Value, answers: &[Answer]) -> Result<Vec<Outcome>> {
    let said = english(reply(answers)?, options(document))?;
    let items = vec![right("acc", said.option == gold(document)), right("guessed", said.guessed)];
    let filtered = Some(vec![LETTERS[said.option].to_owned()]);
    Ok(vec![Outcome { filter: "none", filtered, items }])
}
