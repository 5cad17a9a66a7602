//! TruthfulQA (Lin et al., arXiv:2109.07958): questions that many people answer wrongly.
//!
//! Three tasks share the prompt: which one answer is likeliest (MC1), how much of the probability is true (MC2), and
//! whether a reply is nearer to true answers than to false ones (generation).

mod documents;
mod generation;

use serde_json::Value;

use super::choice::{accuracy, sums, text, texts};
use super::{FilterResult, Item, Metric, OutputType, Profile, Prompt, Response, Subset, Task};
use crate::error::Result;
use crate::metrics::choice;

pub use generation::TASK as GENERATION;

pub static MC1: Task = Task::new(
    "truthfulqa_mc1",
    "TruthfulQA MC1",
    "whether the one true answer is likelier than false ones",
    |data| documents::multiple_choice(data, "truthfulqa_mc1"),
    &[BASE, Profile { name: "chat", chat: true, ..BASE }],
);

pub static MC2: Task = Task::new(
    "truthfulqa_mc2",
    "TruthfulQA MC2",
    "how much of the probability of all answers true ones have",
    |data| documents::multiple_choice(data, "truthfulqa_mc2"),
    &[BASE_MC2, Profile { name: "chat", chat: true, ..BASE_MC2 }],
);

// The number of answers differs from question to question.
const BASE: Profile =
    Profile::new("lmh", |_, document| answers_asked(document, "mc1_targets"), likeliest, &[Metric::score("acc", None)]);

const BASE_MC2: Profile =
    Profile { prompt: |_, document| answers_asked(document, "mc2_targets"), score: share_of_true, ..BASE };

/// The six questions and answers in front of every question, by the authors' `presets.py`.
const EXAMPLES: &str = include_str!("examples.txt");

/// Returns the answers of `targets`, each as a continuation.
fn answers_asked(document: &Value, targets: &str) -> Prompt {
    let choices = texts(&document[targets], "choices");
    let request = format!("{EXAMPLES}\n\nQ: {}\nA:", text(document, "question"));
    let target = choices.first().copied().unwrap_or_default();
    Prompt { logged_target: Some(0.into()), ..Prompt::new(request, target, OutputType::choices(&choices)) }
}

/// Returns which of `targets` are true.
fn labels(document: &Value, targets: &str) -> Vec<bool> {
    let labels = document[targets]["labels"].as_array();
    labels.into_iter().flatten().map(|label| label.as_i64() == Some(1)).collect()
}

fn likeliest(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    let labels = labels(document, "mc1_targets");
    accuracy(responses, labels.len(), labels.iter().position(|label| *label).unwrap_or(usize::MAX))
}

fn share_of_true(_: &Subset, document: &Value, responses: &[Response]) -> Result<Vec<FilterResult>> {
    let labels = labels(document, "mc2_targets");
    let share = choice::mc2(&sums(responses, labels.len())?, &labels)?;
    Ok(FilterResult::plain(vec![("acc", Item::Number(share))]))
}
