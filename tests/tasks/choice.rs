//! Tasks with choices: documents, prompts and scores, against lm-evaluation-harness and against the templates.

mod bad_data;
mod hubs;
mod prompts;
mod scores;

use std::path::{Path, PathBuf};

use qwgpu::tasks::{Profile, Subset};
use serde_json::Value;

use crate::files::{self, put};
use crate::prompts::{asked, choices, document_hash, json, named, set, sha256, strings, task};

fn fixture(name: &str) -> PathBuf {
    files::fixture("tasks/choice").join(name)
}

/// The made-up data as a data folder: the files of one subject stand for all.
fn data() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let subjects = json(&fixture("subjects.json"));
    copy(&fixture("data"), folder.path(), &subjects);
    folder
}

fn copy(from: &Path, to: &Path, subjects: &Value) {
    for entry in std::fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let name = from.file_name().unwrap().to_str().unwrap();
        let set = if from.components().any(|part| part.as_os_str() == "mmlu") { "mmlu" } else { "ceval" };
        if from.is_dir() {
            copy(&from, &to.join(name), subjects);
        } else if name.starts_with("SUBJECT") {
            for subject in subjects[set].as_object().unwrap().keys() {
                put(to, &name.replace("SUBJECT", subject), std::fs::read(&from).unwrap());
            }
        } else {
            put(to, name, std::fs::read(&from).unwrap());
        }
    }
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}
