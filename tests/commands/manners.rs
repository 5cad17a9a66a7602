//! Messages to people: what is said, and in words that fit.

use std::path::Path;

use serde_json::Value;

use crate::command::{ended, ends, qwgpu, stderr, stdout};
use crate::errors::assert_says;
use crate::files::{copy_folder, fixture};
use crate::study::{data, study};

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_model_without_a_chat_template_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    copy_folder(&fixture("tiny-qwen"), &model);
    std::fs::remove_file(model.join("tokenizer_config.json")).unwrap();
    let generate = |model: &Path, more: &[&str]| {
        let arguments = ["generate", "--model", path(model), "--prompt", "x", "--max-new-tokens", "1", "--path", "cpu"];
        stderr(&ends(0, arguments.iter().chain(more)))
    };
    assert_says(generate(&model, &[]), &["has no chat template: ChatML is taken"]);
    for messages in [generate(&model, &["--raw"]), generate(&fixture("tiny-qwen"), &[])] {
        assert!(!messages.contains("chat template"), "{messages}");
    }
}

#[test]
fn one_window_is_no_windows() {
    let text = fixture("tiny-prose.txt");
    let arguments =
        ["ppl", "--model", path(&fixture("tiny-qwen")), "--text", path(&text), "--path", "cpu"].map(str::to_owned);
    let count = |windows: &str| {
        let more = ["--window", "64", "--windows", windows].map(str::to_owned);
        stdout(&ends(0, arguments.iter().chain(&more)))
    };
    assert_says(count("1"), &["over 1 window of 64"]);
    assert_says(count("2"), &["over 2 windows of 64"]);
}

#[test]
fn a_backend_that_leaves_no_adapter_is_named() {
    let devices = qwgpu(["devices"]).env("WGPU_BACKEND", "nonsense").output().unwrap();
    assert_says(stderr(&ended(3, devices)), &["WGPU_BACKEND=nonsense leaves none"]);
}

#[test]
fn a_study_prints_its_numbers_as_json() {
    let data = data();
    let out = tempfile::tempdir().unwrap();
    let more = ["--preset", "efficiency", "--methods", "int8", "--json"];
    let ended = ended(0, study(data.path(), out.path(), &more).output().unwrap());
    let printed: Value = serde_json::from_str(&stdout(&ended)).unwrap();
    let written: Value = serde_json::from_slice(&std::fs::read(out.path().join("study.json")).unwrap()).unwrap();
    assert_eq!(printed, written);
    assert_says(stderr(&ended), &["replace those of --preset", "forms: bf16, int8-8"]);
}
