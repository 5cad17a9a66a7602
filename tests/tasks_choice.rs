//! Tasks with choices: documents, prompts and scores, against lm-evaluation-harness and against the templates.

#[path = "tasks_choice/bad_data.rs"]
mod bad_data;
#[path = "tasks_choice/hubs.rs"]
mod hubs;
#[path = "tasks_choice/prompts.rs"]
mod prompts;
#[path = "tasks_choice/published.rs"]
mod published;
#[path = "tasks_choice/scores.rs"]
mod scores;

use std::path::{Path, PathBuf};

use qwgpu::tasks::shots::Shots;
use qwgpu::tasks::{Answer, Profile, Prompt, Set, TASKS, Task};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tasks/choice").join(name)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn task(name: &str) -> &'static Task {
    TASKS.iter().find(|task| task.name == name).unwrap_or_else(|| panic!("no task {name}"))
}

/// A task and one of its profiles, of `mmlu qwen`; of `mmlu` the default one.
fn named(name: &str) -> (&'static Task, &'static Profile) {
    let (name, profile) = name.split_once(' ').unwrap_or((name, ""));
    let task = task(name);
    let profile = task.profiles.iter().find(|known| known.name == profile).unwrap_or(&task.profiles[0]);
    (task, profile)
}

/// The made-up data as a data folder: the files of one subject stand for all.
fn data() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let subjects = json(&fixture("subjects.json"));
    copy(&fixture("data"), folder.path(), &subjects);
    folder
}

fn copy(from: &Path, to: &Path, subjects: &Value) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let name = from.file_name().unwrap().to_str().unwrap();
        let set = if from.components().any(|part| part.as_os_str() == "mmlu") { "mmlu" } else { "ceval" };
        if from.is_dir() {
            copy(&from, &to.join(name), subjects);
        } else if name.starts_with("SUBJECT") {
            for subject in subjects[set].as_object().unwrap().keys() {
                std::fs::copy(&from, to.join(name.replace("SUBJECT", subject))).unwrap();
            }
        } else {
            std::fs::copy(&from, to.join(name)).unwrap();
        }
    }
}

/// The set that the goldens are of.
fn set(task: &Task, data: &Path) -> Set {
    let mut sets = (task.read)(data).unwrap();
    let name = match task.name {
        "mmlu" => "mmlu_abstract_algebra",
        "ceval" => "ceval_law",
        "bbq" => "bbq_age",
        name => name,
    };
    sets.swap_remove(sets.iter().position(|set| set.name == name).unwrap())
}

/// The prompts of a set's documents, each with its shots.
fn asked(set: &Set, profile: &Profile, shots: usize) -> Vec<(Prompt, Vec<Prompt>)> {
    let mut choice = Shots::new(set, profile.draw, shots).unwrap();
    let documents = set.documents.iter().map(|document| {
        let shots = choice.next(document).unwrap().into_iter().map(|shot| (profile.prompt)(set, shot));
        ((profile.prompt)(set, document), shots.collect())
    });
    documents.collect()
}

fn choices(sums: &[f64]) -> Vec<Answer> {
    sums.iter().map(|&sum| Answer::Choice { sum, greedy: false }).collect()
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Digest of a document as lm-evaluation-harness logs it.
fn document_hash(document: &Value) -> String {
    sha256(&serde_json::to_string_pretty(document).unwrap())
}
