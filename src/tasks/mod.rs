//! The benchmarks as data: documents, prompts and scores.
//!
//! A task is one file with one `TASK`, and an entry in [`TASKS`]. It knows nothing of models: it gives
//! [`Prompt`]s as plain data, and is given [`Response`]s.

mod bbq;
mod ceval;
mod choice;
pub mod data;
mod flores;
pub mod followbench;
mod gsm8k;
mod hellaswag;
mod mmlu;
pub mod named;
pub mod prompt;
mod reply;
pub mod shots;
mod snli;
mod summarization;
mod truthfulqa;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use data::{Record, Split};

/// All tasks, in the order of the report.
pub static TASKS: &[&Task] = &[
    &mmlu::TASK,
    &ceval::TASK,
    &flores::TASK,
    &summarization::CNN_DAILYMAIL,
    &summarization::XSUM,
    &gsm8k::TASK,
    &hellaswag::TASK,
    &snli::TASK,
    &followbench::TASK,
    &followbench::TASK_ZH,
    &truthfulqa::MC1,
    &truthfulqa::MC2,
    &truthfulqa::GENERATION,
    &bbq::TASK,
];

/// Reads the sets that a list names, in a data folder.
pub type ReadParts = fn(&Path, &str) -> Result<Vec<Subset>>;

/// A benchmark.
pub struct Task {
    /// As on the command line: `mmlu`.
    pub name: &'static str,
    /// As in tables: `MMLU`.
    pub title: &'static str,
    /// The ability it measures, in half a sentence.
    pub about: &'static str,
    /// Reads the documents below the data folder: a set for each subject, language pair or category.
    ///
    /// # Errors
    /// Files that are missing or not as published, by name, line and field.
    pub read: fn(&Path) -> Result<Vec<Subset>>,
    /// Reads the sets that a user names after `NAME:`, for a task that has more than `read` gives; others give a part of
    /// those.
    pub read_parts: Option<ReadParts>,
    /// Ways to ask, the default first.
    pub profiles: &'static [Profile],
    /// Returns the line of JSON that a tool such as COMET reads of a document and its reply.
    pub export: Option<fn(&Value, &str) -> Value>,
}

impl Task {
    /// Returns a task whose parts are those that `read` gives, and of which no other tool reads replies.
    const fn new(
        name: &'static str,
        title: &'static str,
        about: &'static str,
        read: fn(&Path) -> Result<Vec<Subset>>,
        profiles: &'static [Profile],
    ) -> Task {
        Task { name, title, about, read, read_parts: None, profiles, export: None }
    }
}

/// Documents that are asked alike: the unit that few-shot prefixes and results are made for.
#[derive(Clone, Debug, Default)]
pub struct Subset {
    /// Full name in results: `mmlu_abstract_algebra`; the task's own name where there is only one set.
    pub name: String,
    /// Groups above it, the innermost first: `stem`. The task's name is the outermost without being named.
    pub groups: Vec<String>,
    /// Files the documents came from.
    pub files: Vec<PathBuf>,
    /// In the order of the file. Keys stand in the order lm-evaluation-harness has them, which enters the
    /// digest of a document.
    pub documents: Vec<Value>,
    /// Documents that few-shot examples are taken from; empty where they come from `documents`.
    pub pool: Vec<Value>,
    /// The tokenizer of spBLEU, where it is among the data.
    pub pieces: Option<Arc<data::SentencePieces>>,
}

impl Subset {
    /// Returns a set whose documents `document` makes of the rows of `test`, and its few-shot examples of `examples`.
    ///
    /// # Errors
    /// Those of `document`.
    fn read(
        name: impl Into<String>,
        test: Split,
        examples: Split,
        document: impl Fn(&Record) -> Result<Value>,
    ) -> Result<Subset> {
        let documents = test.records.iter().map(&document).collect::<Result<_>>()?;
        let pool = examples.records.iter().map(&document).collect::<Result<_>>()?;
        let files = [test.files, examples.files].concat();
        Ok(Subset { name: name.into(), files, documents, pool, ..Subset::default() })
    }
}

/// One way to ask a task's questions.
pub struct Profile {
    /// `lmh`, `qwen`, `chat`, `own`.
    pub name: &'static str,
    /// Raised whenever a prompt or a score changes: answers of another version are not reused.
    pub version: u32,
    /// Few-shot examples unless the user asks for others.
    pub shots: usize,
    pub sampler: FewShot,
    /// Documents asked for of each set unless the user says otherwise.
    pub limit: Option<usize>,
    /// True where prompts are conversations, written by the model's chat template.
    pub chat: bool,
    /// The most tokens of a sequence, whatever the model and the user allow: a longer prompt loses its beginning.
    pub context: Option<usize>,
    /// Makes the prompt of a document.
    pub prompt: fn(&Subset, &Value) -> Prompt,
    /// Scores the response to a document, with a judge's behind it if there is one: an outcome for each filter.
    ///
    /// # Errors
    /// A response of another kind than the prompt asks for, or a log-likelihood that is NaN. The document then counts as
    /// an error, not as wrong.
    pub score: fn(&Subset, &Value, &[Response]) -> Result<Vec<FilterResult>>,
    pub metrics: &'static [Metric],
}

impl Profile {
    /// Returns version 1 of a profile that asks all documents in plain text, without examples unless the user wants
    /// some, which are then drawn.
    const fn new(
        name: &'static str,
        prompt: fn(&Subset, &Value) -> Prompt,
        score: fn(&Subset, &Value, &[Response]) -> Result<Vec<FilterResult>>,
        metrics: &'static [Metric],
    ) -> Profile {
        Profile {
            name,
            version: 1,
            shots: 0,
            sampler: FewShot::Sampled,
            limit: None,
            chat: false,
            context: None,
            prompt,
            score,
            metrics,
        }
    }
}

/// Choice of few-shot examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FewShot {
    /// The first of the pool, the same for all documents.
    FirstN,
    /// Drawn for every document in order, as CPython's `random.Random(1234)` draws.
    Sampled,
    /// The same, but where there is no pool a document may be its own example, as in lm-evaluation-harness: it leaves
    /// the document out only if a task names the same split for examples as for tests, or neither. BBQ and
    /// CNN/DailyMail name one for tests alone.
    SampledOfAll,
}

/// The prompt of a document, before shots are put in front.
///
/// The whole prompt is `description`, then each shot's `text`, `delimiter`, `target` and a blank line, then `text`.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// In front of everything; the system message of a conversation. Ends with its own blank line.
    pub description: String,
    pub text: String,
    /// Between a text and its target or a choice: a space, or nothing.
    pub delimiter: &'static str,
    /// The right answer as a shot shows it.
    pub target: String,
    /// The right answer as results log it, where that differs from `target`: an index, a list.
    pub logged_target: Option<Value>,
    pub output: OutputType,
}

impl Prompt {
    /// Returns a prompt without a description, with a space before the target.
    fn new(text: impl Into<String>, target: impl Into<String>, output: OutputType) -> Prompt {
        let (text, target) = (text.into(), target.into());
        Prompt { description: String::new(), text, delimiter: " ", target, logged_target: None, output }
    }
}

impl OutputType {
    fn choices(choices: &[&str]) -> OutputType {
        OutputType::Choices(choices.iter().map(|&choice| choice.to_owned()).collect())
    }

    fn reply(until: &[&str], max_new_tokens: usize) -> OutputType {
        OutputType::Reply { until: until.iter().map(|&text| text.to_owned()).collect(), max_new_tokens }
    }
}

/// The kind of response that a prompt asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputType {
    /// The log-probability of each choice as the continuation.
    Choices(Vec<String>),
    /// A greedy continuation, cut at the first of `until`.
    /// Without any, only the end of the model's turn ends it.
    Reply { until: Vec<String>, max_new_tokens: usize },
}

/// A model's response to a prompt, or a judge's to a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Log-likelihood of each choice in nats, and whether greedy decoding gives it.
    Choices(Vec<(f64, bool)>),
    Reply(String),
    /// The reason why there is none.
    Error(String),
}

/// The result of a filter of a document's responses.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterResult {
    /// `none`, `strict-match`.
    pub filter: &'static str,
    /// The answers after the filter, where it changes them.
    pub filtered: Option<Vec<String>>,
    /// By the names of the profile's metrics; one that does not concern the document is left out.
    pub items: Vec<(&'static str, Item)>,
}

/// A document's contribution to a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Number(f64),
    /// For measures over a whole corpus.
    Texts {
        reply: String,
        references: Vec<String>,
    },
    /// For measures that look at more than one number of a document. Documents with the same `group` in it belong
    /// together and are resampled together.
    Record(Value),
    /// A prompt that a judge, another model, has to be asked first. Its reply goes behind the other answers and the
    /// document is scored again. A metric of which some items are requests has no value yet.
    Request(String),
}

/// A number of a task's results.
pub struct Metric {
    /// As lm-evaluation-harness names it: `acc`, `exact_match`.
    pub name: &'static str,
    /// The filter whose items it takes.
    pub filter: &'static str,
    pub higher_is_better: bool,
    /// The number to name where only one is named.
    pub primary: bool,
    /// The best possible score: 1, 100.
    pub scale: f64,
    /// Score of a model that guesses, if that is known.
    pub chance: Option<f64>,
    pub aggregation: Aggregation,
}

/// Aggregation of a metric over documents.
pub enum Aggregation {
    /// Mean of the numbers; over subjects weighted by their documents.
    Mean,
    /// A function of all items, which resampling documents gives an error to.
    Corpus(fn(&[Item]) -> f64),
}
