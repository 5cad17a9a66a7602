//! Documents, prompts, answers and scores of tasks.

use std::path::Path;

use qwgpu::tasks::prompt::compose;
use qwgpu::tasks::shots::Shots;
use qwgpu::tasks::{FilterResult, Item, OutputType, Profile, Prompt, Response, Subset, TASKS, Task};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

pub fn sha256(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}

/// Returns the digest of a document as lm-evaluation-harness logs it: of the JSON with indent 2, keys in their order.
pub fn document_hash(document: &Value) -> String {
    sha256(&serde_json::to_string_pretty(document).unwrap())
}

pub fn task(name: &str) -> &'static Task {
    TASKS.iter().find(|task| task.name == name).unwrap_or_else(|| panic!("no task {name}"))
}

/// Returns a task and one of its profiles: of `mmlu qwen` the one named, of `mmlu` the default.
pub fn named(name: &str) -> (&'static Task, &'static Profile) {
    let (name, profile) = name.split_once(' ').unwrap_or((name, ""));
    let task = task(name);
    let profile = task.profiles.iter().find(|known| known.name == profile).unwrap_or(&task.profiles[0]);
    (task, profile)
}

/// Returns the set of a task that the goldens are of.
pub fn set(task: &Task, data: &Path) -> Subset {
    let mut sets = (task.read)(data).unwrap();
    let name = match task.name {
        "mmlu" => "mmlu_abstract_algebra",
        "ceval" => "ceval_law",
        "bbq" => "bbq_age",
        name => name,
    };
    sets.swap_remove(sets.iter().position(|set| set.name == name).unwrap())
}

/// Returns the prompts of a set's documents, each with its shots.
pub fn asked(set: &Subset, profile: &Profile, shots: usize) -> Vec<(Prompt, Vec<Prompt>)> {
    let mut choice = Shots::new(set, profile.sampler, shots).unwrap();
    let documents = set.documents.iter().map(|document| {
        let shots = choice.next(document).unwrap().into_iter().map(|shot| (profile.prompt)(set, shot));
        ((profile.prompt)(set, document), shots.collect())
    });
    documents.collect()
}

/// Returns context, target and stops of the prompts of a set that asks for replies.
pub fn reply_prompts(set: &Subset, profile: &Profile, shots: usize) -> Vec<(String, String, Vec<String>)> {
    let texts = asked(set, profile, shots).into_iter().map(|(prompt, shots)| {
        let OutputType::Reply { until, .. } = prompt.output.clone() else { panic!("a task of choices") };
        (compose(&prompt, &shots).0, prompt.target, until)
    });
    texts.collect()
}

pub fn choices(sums: &[f64]) -> Vec<Response> {
    vec![Response::Choices(sums.iter().map(|&sum| (sum, false)).collect())]
}

pub fn score_reply(profile: &Profile, set: &Subset, document: &Value, reply: &str) -> Vec<FilterResult> {
    (profile.score)(set, document, &[Response::Reply(reply.to_owned())]).unwrap()
}

/// Returns the number that a filter's outcome gives to a metric.
pub fn number(outcomes: &[FilterResult], filter: &str, metric: &str) -> f64 {
    let outcome = outcomes.iter().find(|outcome| outcome.filter == filter).unwrap();
    match outcome.items.iter().find(|(name, _)| *name == metric) {
        Some((_, Item::Number(number))) => *number,
        other => panic!("{filter} {metric}: {other:?}"),
    }
}
