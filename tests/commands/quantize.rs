//! `quantize` from a model to a folder that runs: every method, interruption, bad requests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use qwgpu::generate::{Compute, DeviceChoice, Model, Spec, load};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::command::{ended, ends, json, killed_at_line, qwgpu, stderr};
use crate::compare::{largest, largest_difference};
use crate::errors::assert_says;
use crate::files::fixture;

/// A calibration text of a few hundred tokens for the micro model, whose tokens are bytes.
fn text(folder: &Path) -> PathBuf {
    let file = folder.join("calibration.txt");
    let words: Vec<String> = (0..400u32).map(|i| format!("{}", i.wrapping_mul(2_654_435_761) % 9973)).collect();
    std::fs::write(&file, words.join(" the ")).unwrap();
    file
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The arguments of a quantization of `model`, on the CPU unless `more` has another path.
fn arguments<'a>(model: &'a Path, text: &'a Path, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["quantize", "--model", path(model), "--calibration", path(text), "--out", path(out)];
    all.extend(["--calibration-length", "64", "--json"]);
    if !more.contains(&"--path") {
        all.extend(["--path", "cpu"]);
    }
    if !more.contains(&"--calibration-samples") {
        all.extend(["--calibration-samples", "6"]);
    }
    all.extend(more);
    all
}

fn quantize(folder: &Path, name: &str, more: &[&str]) -> (PathBuf, Value) {
    let (model, text, out) = (fixture("micro-qwen"), text(folder), folder.join(name));
    let output = ends(0, arguments(&model, &text, &out, more));
    (out, json(&output))
}

fn loaded(folder: &Path, device: &DeviceChoice) -> Model {
    load(&Spec::files(folder), device, None, &mut ()).unwrap()
}

fn devices() -> Vec<DeviceChoice> {
    let on = |path| DeviceChoice { path, ..DeviceChoice::default() };
    [Compute::Cpu, Compute::Fast, Compute::Portable].map(on).into()
}

fn logits(folder: &Path, device: &DeviceChoice, ids: &[u32]) -> Vec<f32> {
    loaded(folder, device).engine.logits(ids).unwrap()
}

#[test]
fn every_method_runs_on_every_path() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<u32> = (0..40).map(|i| i * 7 % 250).collect();
    let original = logits(&fixture("micro-qwen"), &DeviceChoice::cpu(), &ids);
    let scale = largest(original.iter().map(|logit| logit.abs()));
    for (name, more, nominal, far) in [
        ("rtn8", &["--method", "rtn", "--bits", "8", "--group-size", "32"][..], 8.0, 0.02),
        ("rtn4", &["--method", "rtn", "--bits", "4", "--group-size", "-1", "--sym"], 4.0, 0.5),
        ("gptq4", &["--method", "gptq", "--bits", "4", "--group-size", "32"], 4.0, 0.5),
        ("gptq3", &["--method", "gptq", "--bits", "3", "--group-size", "32", "--act-order"], 3.0, 1.0),
        ("gptq2", &["--method", "gptq", "--bits", "2", "--group-size", "64", "--static-groups"], 2.0, 2.0),
        ("spqr3", &["--method", "spqr", "--bits", "3"], 3.0, 1.0),
        ("spqr2", &["--method", "spqr", "--bits", "2", "--outlier-share", "0.05"], 2.0, 1.0),
        ("int8", &["--method", "int8"], 8.0, 0.05),
    ] {
        let (out, report) = quantize(folder.path(), name, more);
        let bits = report["bits_per_weight"].as_f64().unwrap();
        assert!(bits > nominal && bits < nominal + 4.0, "{name}: {bits} true bits");
        assert!(out.join("quantize_report.json").exists() && !folder.path().join(format!("{name}.partial")).exists());
        let cpu = logits(&out, &DeviceChoice::cpu(), &ids);
        let off = largest_difference(&original, &cpu) / scale;
        assert!(off > 0.0 && off < far, "{name}: {off} of the largest logit away from the original");
        for device in &devices()[1..] {
            let off = largest_difference(&cpu, &logits(&out, device, &ids)) / scale;
            // LLM.int8() rounds activations: a last bit of x may move a code.
            let allowed = if name == "int8" { 1e-2 } else { 1e-4 };
            assert!(off < allowed, "{name} on {device:?}: {off}");
        }
    }
}

#[test]
fn error_feedback_pays() {
    let folder = tempfile::tempdir().unwrap();
    let error = |report: &Value| {
        let layers = report["layers"].as_array().unwrap().iter();
        layers.map(|l| l["mean_relative_error"].as_f64().unwrap()).sum::<f64>()
    };
    for bits in ["4", "3", "2"] {
        let run = |method: &str| {
            let more = ["--method", method, "--bits", bits, "--group-size", "32"];
            error(&quantize(folder.path(), &format!("{method}{bits}"), &more).1)
        };
        let (gptq, rtn) = (run("gptq"), run("rtn"));
        assert!(gptq < rtn, "{bits} bits: gptq {gptq}, rtn {rtn}");
    }
}

/// The outliers a search finds are about the share that was asked for.
#[test]
fn a_wanted_share_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (_, report) = quantize(folder.path(), "share", &["--method", "spqr", "--bits", "3", "--outlier-share", "0.03"]);
    let share = report["outlier_share"].as_f64().unwrap();
    assert!((0.015..0.06).contains(&share), "{share}");
    let more = ["--method", "spqr", "--bits", "3", "--bits-per-weight", "4.5"];
    let (_, report) = quantize(folder.path(), "bits", &more);
    // The micro model's row starts and orders, which the formula leaves out, weigh more than a large one's.
    let bits = report["bits_per_weight"].as_f64().unwrap();
    assert!((4.2..5.6).contains(&bits), "{bits}");
}

/// All files of a folder but for the times in its report.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let mut bytes = std::fs::read(&file).unwrap();
        if name == "quantize_report.json" {
            let text = String::from_utf8(bytes).unwrap();
            bytes = text.lines().filter(|l| !l.contains("seconds\":")).collect::<String>().into_bytes();
        }
        files.insert(name, bytes);
    }
    files
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (model, text) = (fixture("tiny-qwen"), text(folder.path()));
    for (name, more) in [
        ("gptq", &["--method", "gptq", "--bits", "3", "--group-size", "32", "--act-order"][..]),
        ("spqr", &["--method", "spqr", "--bits", "2", "--outlier-share", "0.02"]),
        ("gptq-device", &["--method", "gptq", "--group-size", "32", "--path", "portable", "--feedback", "device"]),
        ("spqr-device", &["--method", "spqr", "--bits", "3", "--path", "portable", "--feedback", "device"]),
    ] {
        let whole = folder.path().join(format!("{name}-whole"));
        ends(0, arguments(&model, &text, &whole, more));
        let killed = folder.path().join(format!("{name}-killed"));
        // Every run is killed after its first layer, the last goes on to the end.
        let kill = || killed_at_line(qwgpu(arguments(&model, &text, &killed, more)), |line| line.starts_with("layer "));
        let kills = std::iter::repeat_with(kill).take_while(|killed| *killed).count();
        assert!(kills > 0, "{name}: no run was killed before its end");
        assert!(contents(&whole) == contents(&killed), "{name}: other bytes after {kills} kills");
        // Given once more, a finished run says so; another run is refused.
        let again = ends(0, arguments(&model, &text, &killed, more));
        assert_says(stderr(&again), &["finished by a run before"]);
        let other = ends(2, arguments(&model, &text, &killed, &[more, &["--percdamp", "0.5"]].concat()));
        assert_says(stderr(&other), &["not there yet"]);
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (model, text) = (fixture("micro-qwen"), text(folder.path()));
    let refused = |more: &[&str], what: &str| {
        let out = folder.path().join("refused");
        let output = ends(2, arguments(&model, &text, &out, more));
        assert_says(stderr(&output), &[what]);
        assert!(!out.exists() && !folder.path().join("refused.partial").exists(), "{more:?}");
    };
    refused(&["--method", "gptq", "--bits", "5"], "--bits");
    refused(&["--method", "int8", "--bits", "4"], "--bits");
    refused(&["--method", "gptq", "--bits", "4", "--group-size", "48"], "groups");
    refused(&["--method", "gptq", "--bits", "4", "--group-size", "32", "--percdamp", "0"], "--percdamp");
    refused(&["--method", "spqr", "--bits", "3", "--bits-per-weight", "3"], "--bits-per-weight");
    refused(
        &["--method", "gptq", "--bits", "4", "--group-size", "32", "--calibration-samples", "999"],
        "calibration samples",
    );
    let out = folder.path().join("no-calibration");
    let none = ["quantize", "--model", path(&model), "--method", "gptq", "--out", path(&out), "--path", "cpu"];
    assert_says(stderr(&ends(2, none)), &["--calibration"]);
    let quantized = fixture("quantized/gptq");
    let again = ends(2, arguments(&quantized, &text, &out, &["--method", "rtn", "--bits", "4"]));
    assert_says(stderr(&again), &["quantized already"]);
}

#[test]
fn samples_from_documents_and_instructions() {
    let folder = tempfile::tempdir().unwrap();
    let model = fixture("micro-qwen");
    let lines: Vec<String> =
        (0..20).map(|i| serde_json::json!({ "body": format!("{i} ").repeat(60 + i) }).to_string()).collect();
    let documents = folder.path().join("documents.jsonl");
    std::fs::write(&documents, lines.join("\n")).unwrap();
    let records: Vec<Value> = (0..20)
        .map(|i| serde_json::json!({ "instruction": format!("Count to {i}."), "input": "", "output": "1 2 3".repeat(i) }))
        .collect();
    let instructions = folder.path().join("instructions.json");
    std::fs::write(&instructions, serde_json::to_string(&records).unwrap()).unwrap();
    let method = ["--method", "gptq", "--bits", "4", "--group-size", "32"];
    let run = |name: &str, file: &Path, more: &[&str]| {
        let out = folder.path().join(name);
        ends(0, arguments(&model, file, &out, &[&method[..], more].concat()));
        contents(&out)
    };
    let weights = |files: &BTreeMap<String, Vec<u8>>| files["model.safetensors"].clone();
    let a = run("a", &documents, &["--calibration-field", "body", "--calibration-seed", "1"]);
    let b = run("b", &documents, &["--calibration-field", "body", "--calibration-seed", "1"]);
    let c = run("c", &documents, &["--calibration-field", "body", "--calibration-seed", "2"]);
    assert!(weights(&a) == weights(&b), "one seed, other samples");
    assert!(weights(&a) != weights(&c), "another seed, the same samples");
    run("d", &instructions, &["--calibration-seed", "1"]);
    let out = folder.path().join("e");
    let wrong = ends(2, arguments(&model, &documents, &out, &method));
    assert_says(stderr(&wrong), &["line 1", "--calibration-field"]);
}

/// Folders that GPTQModel and bitsandbytes wrote give the logits of transformers.
#[test]
fn folders_of_other_tools_run() {
    let bytes = std::fs::read(fixture("quantized/golden.safetensors")).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    for name in ["gptq", "int8"] {
        let ids = golden.tensor(&format!("{name}.input_ids")).unwrap();
        let ids: Vec<u32> =
            ids.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as u32).collect();
        let floats = |key: &str| -> Vec<f32> {
            let tensor = golden.tensor(&format!("{name}.{key}")).unwrap();
            tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
        };
        // Of the decoded weights in f32; for int8 also with activations in eight bits, as the tool has them.
        let expected = if name == "int8" { floats("tool") } else { floats("logits") };
        let scale = largest(expected.iter().map(|logit| logit.abs()));
        for device in devices() {
            let found = logits(&fixture("quantized").join(name), &device, &ids);
            let off = largest_difference(&expected, &found) / scale;
            let allowed = if name == "int8" { 3e-2 } else { 1e-2 };
            assert!(off < allowed, "{name} on {device:?}: {off}");
        }
    }
}

/// An AWQ folder gives the logits of its decoded weights.
#[test]
fn an_awq_folder_runs() {
    let bytes = std::fs::read(fixture("quantized/awq.safetensors")).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let data = |name: &str| golden.tensor(name).unwrap().data().to_vec();
    let ids: Vec<u32> =
        data("input_ids").chunks_exact(8).map(|b| u32::from_le_bytes(b[..4].try_into().unwrap())).collect();
    let expected: Vec<f32> =
        data("logits").chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let scale = largest(expected.iter().map(|logit| logit.abs()));
    for device in devices() {
        let off = largest_difference(&expected, &logits(&fixture("quantized/awq"), &device, &ids)) / scale;
        assert!(off < 1e-5, "on {device:?}: {off}");
    }
}

/// `--quant` quantizes once and takes the kept result from then on.
#[test]
fn quant_on_the_fly_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (model, text) = (fixture("micro-qwen"), text(folder.path()));
    let run = |more: &[&str]| {
        let mut all =
            vec!["generate", "--model", path(&model), "--prompt", "12", "--raw", "--max-new-tokens", "8", "--json"];
        all.extend(["--quant", "spqr:3", "--calibration", path(&text), "--calibration-samples", "4"]);
        all.extend(["--calibration-length", "64", "--path", "cpu"]);
        all.extend(more);
        ended(0, qwgpu(all).env("XDG_CACHE_HOME", folder.path()).output().unwrap())
    };
    let (first, second) = (run(&[]), run(&[]));
    assert!(!stderr(&first).contains("quantized before") && stderr(&second).contains("quantized before"));
    let ids = |output| json(&output)["generated_ids"].clone();
    let first = ids(first);
    assert!(first.as_array().is_some_and(|ids| !ids.is_empty()), "{first}");
    assert_eq!(first, ids(second));
    // What a disk has changed since is found, and made anew.
    let kept = std::fs::read_dir(folder.path().join("qwgpu/quantized")).unwrap();
    let kept = kept.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let weights = kept.join("model.safetensors");
    let sound = std::fs::read(&weights).unwrap();
    let mut flipped = sound.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    for damaged in [&sound[..1000], &flipped] {
        std::fs::write(&weights, damaged).unwrap();
        let mended = run(&[]);
        assert_says(stderr(&mended), &["model.safetensors is damaged: the model is quantized anew"]);
        assert!(std::fs::read(&weights).unwrap() == sound && first == ids(mended));
    }
    assert!(stderr(&run(&[])).contains("quantized before"));
    // What a kill leaves while such a folder is removed is made anew, too.
    std::fs::remove_file(&weights).unwrap();
    assert_says(stderr(&run(&[])), &["model.safetensors is damaged"]);
}

/// The best recipe has smaller errors in the same bits, and an option of the user's still wins.
#[test]
fn the_best_recipe_has_smaller_errors() {
    let folder = tempfile::tempdir().unwrap();
    let two_bits = ["--method", "gptq", "--bits", "2", "--group-size", "64"];
    let report = |name: &str, more: &[&str]| quantize(folder.path(), name, &[&two_bits, more].concat()).1;
    let paper = report("paper", &[]);
    let best = report("best", &["--recipe", "best"]);
    let error = |report: &Value| report["geometric_mean_relative_error"].as_f64().unwrap();
    assert!(error(&best) < 0.8 * error(&paper), "{} {}", error(&best), error(&paper));
    assert_eq!(best["bits_per_weight"], paper["bits_per_weight"]);
    let settings = |report: &Value, name: &str| report["settings"][name].clone();
    assert_eq!([settings(&best, "act_order"), settings(&best, "static_groups")], [true, true]);
    let mixed = report("mixed", &["--recipe", "best", "--act-order=false", "--static-groups=false"]);
    assert_eq!([settings(&mixed, "act_order"), settings(&mixed, "static_groups")], [false, false]);
    assert_eq!(settings(&mixed, "mse"), settings(&best, "mse"));
    // At 4 bits the paper's options are the best known.
    let four = |name: &str, more: &[&str]| {
        quantize(folder.path(), name, &[&["--method", "gptq", "--group-size", "64"], more].concat()).1
    };
    assert_eq!(four("four", &["--recipe", "best"])["settings"], four("four-paper", &[])["settings"]);
}
