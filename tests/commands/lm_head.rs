//! `--lm-head 8` through each command.

use qwgpu::generate::{DeviceChoice, Spec, load};
use serde_json::Value;

use crate::command::{ended, ends, json, qwgpu, stderr};
use crate::errors::assert_says;
use crate::files::fixture;
use crate::study;

/// Bytes of tiny-qwen's one table in bf16, and in blocks of Q8_0.
const BYTES: [u64; 2] = [1280 * 256 * 2, 1280 * 256 / 32 * 34];

#[test]
fn each_command_quantizes_on_the_way() {
    let cache = tempfile::tempdir().unwrap();
    let (model, text) = (fixture("tiny-qwen").display().to_string(), fixture("tiny-prose.txt").display().to_string());
    let run = |arguments: &[&str], lm_head: bool| {
        let more = ["--model", &model, "--path", "cpu", "--quant", "rtn:4", "--lm-head", "8"];
        let mut command = qwgpu(arguments.iter().chain(&more[..if lm_head { 8 } else { 6 }]));
        ended(0, command.env("XDG_CACHE_HOME", cache.path()).output().unwrap())
    };
    let both = |arguments: &[&str]| [false, true].map(|lm_head| json(&run(arguments, lm_head)));
    let number = |value: &Value| value.as_u64().unwrap();

    let [plain, rounded] = both(&["ppl", "--text", &text, "--window", "32", "--windows", "2", "--json"]);
    let counted = |found: &Value| number(&found["packed_bytes_by_formula"]);
    assert_eq!(counted(&rounded), counted(&plain) + BYTES[1]);
    let [a, b] = [&plain, &rounded].map(|found| found["ppl"].as_f64().unwrap());
    assert!(a != b && (a / b - 1.0).abs() < 0.02, "{a} became {b}");

    let [plain, rounded] = both(&["generate", "--raw", "--prompt", "the fox", "--max-new-tokens", "4", "--json"]);
    assert_eq!(number(&plain["weight_bytes"]) - number(&rounded["weight_bytes"]), BYTES[0] - BYTES[1]);

    let [_, rounded] = both(&["bench", "decode", "--prompt", "4", "--gen", "2", "--repeats", "1", "--json"]);
    let name = rounded["measured"]["model"].as_str().unwrap();
    assert!(name.ends_with("rtn:4 lm_head 8"), "{name}");

    let checked = ["check", "--model", &model, "--quant", "rtn:4", "--lm-head", "8", "--tokens", "6", "--json"];
    let checked = json(&ended(0, qwgpu(checked).env("XDG_CACHE_HOME", cache.path()).output().unwrap()));
    let kernels: Vec<&str> =
        checked["kernels"].as_array().unwrap().iter().map(|k| k["kernel"].as_str().unwrap()).collect();
    for kernel in ["embed_gguf", "matvec_gguf", "matvec_grid"] {
        assert!(kernels.contains(&kernel), "{kernel} in {kernels:?}");
    }

    let (data, out) = (study::data(), tempfile::tempdir().unwrap());
    let [data, out] = [data.path(), out.path()].map(|path| path.to_str().unwrap());
    run(&["eval", "--tasks", "snli", "--limit", "2", "--data", data, "--out", out], true);
    // Answers without it are another model's.
    let mut other = qwgpu(["eval", "--tasks", "snli", "--limit", "2", "--data", data, "--out", out, "--path", "cpu"]);
    let other = other.args(["--model", &model, "--quant", "rtn:4"]).env("XDG_CACHE_HOME", cache.path());
    assert_says(stderr(&ended(2, other.output().unwrap())), &["journal.jsonl"]);
}

#[test]
fn quantize_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (fixture("tiny-qwen"), folder.path().join("out"));
    let arguments = ["quantize", "--method", "int8", "--lm-head", "8", "--path", "cpu", "--json", "--model"];
    let report = json(&ends(0, arguments.into_iter().chain([model.to_str().unwrap(), "--out", out.to_str().unwrap()])));
    assert_eq!(report["lm_head"][0]["weight_bytes"], BYTES[1]);
    let loaded = load(&Spec::files(&out), &DeviceChoice::cpu(), Some(16), &mut ()).unwrap();
    assert_eq!(loaded.engine.model.packed_bytes().1, report["weight_bytes"].as_u64().unwrap());
}

#[test]
fn it_goes_with_a_method_and_is_8() {
    let model = fixture("tiny-qwen").display().to_string();
    let generate = |more: &[&str]| {
        let arguments = ["generate", "--model", &model, "--prompt", "a", "--path", "cpu", "--lm-head"];
        stderr(&ends(2, arguments.iter().chain(more)))
    };
    assert_says(generate(&["8"]), &["--lm-head", "a method in --quant"]);
    assert_says(generate(&["8", "--quant", "q8_0"]), &["--lm-head", "q8_0"]);
    assert_says(generate(&["4", "--quant", "rtn:4"]), &["--lm-head", "possible values: 8"]);
}
