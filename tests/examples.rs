//! The examples, on the bundled model.

#[path = "../examples/add_kernel.rs"]
#[allow(dead_code, reason = "the test calls `run`, not `main`")]
mod add_kernel;
#[path = "../examples/chat.rs"]
#[allow(dead_code, reason = "the test calls `run`, not `main`")]
mod chat;
#[path = "../examples/evaluate.rs"]
#[allow(dead_code, reason = "the test calls `run`, not `main`")]
mod evaluate;
#[path = "../examples/generate.rs"]
#[allow(dead_code, reason = "the test calls `run`, not `main`")]
mod generate;
#[path = "../examples/quantize.rs"]
#[allow(dead_code, reason = "the test calls `run`, not `main`")]
mod quantize;

use std::path::Path;

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).display().to_string()
}

#[test]
fn generates() {
    generate::run(&[fixture("tiny-qwen"), "Once upon a time".into()]).unwrap();
}

#[test]
fn chats() {
    chat::run(&[fixture("micro-qwen"), "Why?".into(), "Why not?".into()]).unwrap();
}

#[test]
fn quantizes() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("q4");
    let words = [fixture("tiny-qwen"), fixture("tiny-prose.txt"), folder.display().to_string()];
    quantize::run(&words).unwrap();
    assert!(folder.join("config.json").is_file());
}

#[test]
fn evaluates() {
    let data = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(data.path().join("snli")).unwrap();
    let rows: String = (0..6).map(|n| format!("A man has {n} dogs.\tHe has {} dogs\t{}\n", n % 5, n % 3)).collect();
    std::fs::write(data.path().join("snli/test.tsv"), format!("premise\thypothesis\tlabel\n{rows}")).unwrap();
    let [data, out] = [data.path().display().to_string(), data.path().join("out").display().to_string()];
    evaluate::run(&[fixture("tiny-qwen"), "snli".into(), data, out.clone()]).unwrap();
    assert!(Path::new(&out).join("journal.jsonl").is_file());
}

#[test]
fn adds_a_kernel() {
    add_kernel::run().unwrap();
}
