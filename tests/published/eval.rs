//! `qwgpu eval` of a real model against lm-evaluation-harness.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::external::External;

pub static TESTS: &[External] = &[External {
    name: "eval/a_real_model_gives_what_the_harness_gave",
    needs: &["QWGPU_MODEL", "QWGPU_GOLDEN", "QWGPU_DATA"],
    run: a_real_model_gives_what_the_harness_gave,
}];

/// The texts are the same, and for weights rounded to bf16 log-probabilities are within 1e-2 of the exact sums of the harness's tokens.
fn a_real_model_gives_what_the_harness_gave(paths: &[PathBuf]) {
    let [model, golden, data] = paths else { unreachable!("three variables") };
    for (task, set, local, limit, shots) in [
        ("mmlu:abstract_algebra", "mmlu_abstract_algebra", "mmlu_abstract_algebra", "8", "5"),
        ("truthfulqa_mc1", "truthfulqa_mc1", "truthfulqa_mc1", "6", "0"),
        ("truthfulqa_mc2", "truthfulqa_mc2", "truthfulqa_mc2", "6", "0"),
        ("snli", "snli", "snli_mnli_form", "6", "0"),
    ] {
        let out = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_qwgpu"));
        command.args(["eval", "--path", "cpu", "--dequantize", "--tasks", task, "--limit", limit, "--shots", shots]);
        command.arg("--model").arg(model).arg("--data").arg(data).arg("--out").arg(out.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = |path: &Path| -> Vec<Value> {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let folder = std::fs::read_dir(out.path()).unwrap().map(|e| e.unwrap().path()).find(|p| p.is_dir()).unwrap();
        let ours = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let prefix = format!("samples_{set}_2");
        let ours = ours.filter(|p| p.file_name().unwrap().to_str().unwrap().starts_with(&prefix)).max().unwrap();
        let ours = lines(&ours);
        let theirs = lines(&golden.join(format!("lm-eval/samples/local_{local}.jsonl")));
        let tokens = lines(&golden.join(format!("lm-eval/tokens/local_{local}.jsonl")));
        assert_eq!(ours.len(), theirs.len());
        for ((ours, theirs), tokens) in ours.iter().zip(&theirs).zip(&tokens) {
            for key in ["doc_hash", "prompt_hash", "target_hash", "target", "arguments", "doc_id", "doc", "filter"] {
                assert_eq!(ours[key], theirs[key], "{key} of {set}");
            }
            let keys = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            // Ours has more metrics behind theirs: the confusion of SNLI.
            assert!(keys(ours).starts_with(&keys(theirs)), "{:?}", keys(ours));
            let (replies, choices) =
                (ours["filtered_resps"].as_array().unwrap(), tokens["choices"].as_array().unwrap());
            assert_eq!(replies.len(), choices.len());
            for ((reply, choice), theirs) in
                replies.iter().zip(choices).zip(theirs["filtered_resps"].as_array().unwrap())
            {
                let sum: f64 = reply[0].as_str().unwrap().parse().unwrap();
                let expected = choice["sum"].as_f64().unwrap();
                assert!((sum - expected).abs() < 1e-2, "{set}: {sum} {expected}");
                assert_eq!(reply[1], theirs[1], "greedy, {set}");
            }
            let metric = if set.ends_with("mc2") { 1e-2 } else { 0.0 };
            let acc = |line: &Value| line["acc"].as_f64().unwrap();
            assert!((acc(ours) - acc(theirs)).abs() <= metric, "{set}: {} {}", ours["acc"], theirs["acc"]);
        }
    }
}
