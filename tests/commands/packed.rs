//! GGUF files whose blocks stay packed, through each command.

use std::io::Write;
use std::process::Stdio;

use qwgpu::checkpoint::Checkpoint;
use qwgpu::formats::gguf::blocks::{BLOCKS, Block};
use qwgpu::report::data::StudyResult;
use serde_json::Value;

use crate::command::{ended, ends, json, qwgpu, stderr, stdout};
use crate::errors::assert_says;
use crate::files::fixture;
use crate::{micro, study};

/// Files that together have every block type.
const FILES: &[&str] = &["qwen3", "qwen2-k"];

fn file(name: &str) -> String {
    fixture(&format!("families/{name}.gguf")).display().to_string()
}

/// Bytes of a file's tensors in blocks, of all its tensors, and of all in bf16, vectors in f32.
fn bytes(name: &str) -> [u64; 3] {
    let mut bytes = [0; 3];
    for tensor in Checkpoint::open(file(name).as_ref()).unwrap().tensors.infos() {
        let packed = Block::named(tensor.storage.name).is_some();
        let element = if tensor.shape.len() > 1 { 2 } else { 4 };
        let wide = element * tensor.elements() as u64;
        for (sum, bytes) in bytes.iter_mut().zip([if packed { tensor.bytes } else { 0 }, tensor.bytes, wide]) {
            *sum += bytes;
        }
    }
    bytes
}

fn types(name: &str) -> Vec<&'static str> {
    let checkpoint = Checkpoint::open(file(name).as_ref()).unwrap();
    checkpoint.tensors.infos().iter().map(|tensor| tensor.storage.name).collect()
}

fn generate(model: &str, more: &[&str]) -> Value {
    let arguments = ["generate", "--model", model, "--raw", "--prompt", "the fox", "--max-new-tokens", "6", "--json"];
    json(&ends(0, arguments.iter().chain(more)))
}

#[test]
fn the_files_have_every_block_type() {
    let all: Vec<&str> = FILES.iter().flat_map(|name| types(name)).collect();
    for block in BLOCKS {
        assert!(all.contains(&block.name), "no file has {}", block.name);
    }
}

#[test]
fn weights_stay_packed_unless_they_are_to_be_dequantized() {
    for name in FILES {
        let [_, held, wide] = bytes(name);
        for path in ["cpu", "fast", "portable"] {
            let packed = generate(&file(name), &["--path", path]);
            let weights = packed["weight_bytes"].as_u64().unwrap();
            // Rows of 64 columns are padded to 128.
            let most = if *name == "qwen2-k" { 1.02 * held as f64 } else { wide as f64 - 1.0 };
            assert!(weights as f64 <= most, "{name}: {weights} bytes on the device, {held} in the file");
            assert_eq!(packed["generated_ids"], generate(&file(name), &["--path", "cpu"])["generated_ids"], "{path}");
        }
        let widened = generate(&file(name), &["--path", "cpu", "--dequantize"]);
        assert_eq!(widened["weight_bytes"], wide);
    }
}

#[test]
fn ppl_check_chat_and_bench_run_packed() {
    let text = fixture("tiny-prose.txt").display().to_string();
    for name in FILES {
        let (file, counted) = (file(name), bytes(name)[0]);
        let ppl =
            ["ppl", "--model", &file, "--text", &text, "--window", "32", "--windows", "2", "--path", "cpu", "--json"];
        let packed = json(&ends(0, ppl));
        assert_eq!(packed["packed_bytes_by_formula"], counted, "{name}");
        assert!(packed["packed_bytes"].as_u64().unwrap() >= counted);
        let widened = json(&ends(0, ppl.iter().chain(&["--dequantize"])));
        assert_eq!(widened["packed_bytes"], 0);
        let [a, b] = [&packed, &widened].map(|found| found["ppl"].as_f64().unwrap());
        assert!(a != b && (a / b - 1.0).abs() < 0.05, "{name}: {a} packed, {b} widened");

        let checked = json(&ends(0, ["check", "--model", &file, "--tokens", "6", "--json"]));
        let kernels: Vec<&str> =
            checked["kernels"].as_array().unwrap().iter().map(|k| k["kernel"].as_str().unwrap()).collect();
        for kernel in ["embed_gguf", "matvec_gguf", "matmul_gguf"] {
            assert!(kernels.contains(&kernel), "{name}: {kernel} in {kernels:?}");
        }

        let bench = ["bench", "decode", "--prompt", "4", "--gen", "2", "--repeats", "1", "--path", "cpu", "--json"];
        let measured = json(&ends(0, bench.iter().chain(&["--model", file.as_str()])));
        assert!(measured["measured"]["weight_bytes"].as_u64().unwrap() < bytes(name)[2]);

        let mut chat = qwgpu(["chat", "--model", &file, "--path", "cpu", "--max-new-tokens", "3"]);
        let mut chat = chat.stdin(Stdio::piped()).spawn().unwrap();
        chat.stdin.take().unwrap().write_all(b"hello\n").unwrap();
        assert!(stderr(&ended(0, chat.wait_with_output().unwrap())).contains("[3 tokens"), "{name}");
    }
}

#[test]
fn a_block_type_is_taken_where_the_file_has_it() {
    for block in BLOCKS {
        let quant = block.name.to_lowercase();
        for name in FILES.iter().filter(|name| types(name).contains(&block.name)) {
            let named = generate(&file(name), &["--path", "cpu", "--quant", &quant]);
            assert_eq!(named["generated_ids"], generate(&file(name), &["--path", "cpu"])["generated_ids"], "{quant}");
        }
        let folder = micro::folder().display().to_string();
        let arguments = ["generate", "--model", &folder, "--prompt", "a", "--path", "cpu", "--quant", &quant];
        let refused = stderr(&ends(2, arguments));
        assert_says(&refused, &["--quant", block.name, "no method here makes such blocks"]);
        let refused = stderr(&ends(2, arguments.iter().chain(&["--dequantize"])));
        assert_says(&refused, &["--quant", "--dequantize", block.name]);
    }
    let arguments = ["generate", "--model", "M", "--prompt", "a", "--quant", "q9_z"];
    let refused = stderr(&ends(2, arguments));
    for block in BLOCKS {
        assert_says(&refused, &["gptq:BITS", &block.name.to_lowercase()]);
    }
}

/// Rows of 896 columns are no whole blocks of 256: they take a wider type, as in files.
#[test]
fn random_weights_have_blocks_too() {
    let arguments = ["--prompt", "1", "--gen", "1", "--repeats", "1", "--path", "cpu", "--json"];
    let bench = ["bench", "decode", "--model", "random:qwen2.5-0.5b", "--quant", "q4_k"].iter().chain(&arguments);
    let measured = json(&ends(0, bench));
    let bits = measured["measured"]["weight_bytes"].as_u64().unwrap() as f64 * 8.0 / 494e6;
    assert!((4.5..5.6).contains(&bits), "{bits} bits a weight");
    assert_eq!(measured["measured"]["model"], "random:qwen2.5-0.5b q4_k");
}

#[test]
fn quantizing_reads_the_file_dequantized() {
    let cache = tempfile::tempdir().unwrap();
    let generate = |more: &[&str]| {
        let model = file("qwen3");
        let arguments = ["generate", "--model", &model, "--prompt", "a", "--path", "cpu", "--quant", "int8", "--json"];
        let mut command = qwgpu(arguments.iter().chain(more));
        json(&ended(0, command.env("XDG_CACHE_HOME", cache.path()).output().unwrap()))
    };
    let (plain, widened) = (generate(&[]), generate(&["--dequantize"]));
    for key in ["generated_ids", "weight_bytes"] {
        assert_eq!(plain[key], widened[key], "{key}");
    }
}

/// The answers of one form are never taken for those of the other.
#[test]
fn answers_of_packed_and_widened_weights_are_kept_apart() {
    let data = study::data();
    let out = tempfile::tempdir().unwrap();
    let eval = |code: i32, more: &[&str]| {
        let mut command = qwgpu(["eval", "--path", "cpu", "--tasks", "snli", "--limit", "4"]);
        command.arg("--model").arg(file("qwen3")).arg("--data").arg(data.path()).arg("--out").arg(out.path());
        ended(code, command.args(more).output().unwrap())
    };
    eval(0, &["--dequantize"]);
    assert_says(stderr(&eval(2, &[])), &["journal.jsonl", "blocks widened to bf16"]);
    eval(0, &["--fresh"]);
    assert_says(stderr(&eval(2, &["--dequantize"])), &["journal.jsonl", "blocks packed"]);
    // The same again is answered already: no model is loaded, and a merge finds which it was.
    assert!(!stderr(&eval(0, &[])).contains("packed weights"));
    ends(0, ["merge", "--out", out.path().to_str().unwrap()]);
}

#[test]
fn a_study_has_both_forms_of_a_file() {
    let data = study::data();
    let out = tempfile::tempdir().unwrap();
    let model = file("qwen3");
    let arguments = ["--methods", "int8", "--packed", "--model", &model];
    ended(0, study::study(data.path(), out.path(), &arguments).output().unwrap());
    let found = StudyResult::read(&out.path().join("study.json")).unwrap();
    let forms: Vec<_> = found.runs.iter().map(|run| (run.model.as_str(), run.method.as_str())).collect();
    let tiny = [("tiny-qwen", "bf16"), ("tiny-qwen", "int8")];
    assert_eq!(forms, [&tiny[..], &[("qwen3", "bf16"), ("qwen3", "gguf"), ("qwen3", "int8")]].concat());
    let [bf16, packed, _] = &found.runs[2..] else { unreachable!("asserted above") };
    assert!((4.5..10.0).contains(&packed.true_bits.unwrap()), "{:?}", packed.true_bits);
    assert_eq!(packed.bits, packed.true_bits.unwrap().round() as u32);
    assert!(packed.memory.weights.unwrap() < bf16.memory.weights.unwrap());
    let distance = packed.perplexities[0].distance.unwrap();
    assert!(distance.positions == 63 && distance.mean > 0.0, "{distance:?}");
    assert_ne!(packed.perplexities[0].value, bf16.perplexities[0].value);
    let page = std::fs::read_to_string(out.path().join("report.html")).unwrap();
    assert!(page.contains(&format!("GGUF {} bit", packed.bits)));

    // A folder has no blocks.
    let refused = study::study(data.path(), out.path(), &["--methods", "int8", "--packed"]).output().unwrap();
    assert_says(stderr(&ended(2, refused)), &["--packed", "GGUF"]);
}

#[test]
fn help_names_the_choice() {
    for command in ["generate", "chat", "ppl", "check", "eval"] {
        assert!(stdout(&ends(0, [command, "--help"])).contains("--dequantize"), "{command}");
    }
}
