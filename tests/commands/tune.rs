//! `qwgpu tune` and `--autotune`: the table, the file that is kept, and faults.

use std::path::{Path, PathBuf};

use qwgpu::generate::DeviceChoice;
use qwgpu::gpu::tuning;
use serde_json::Value;

use crate::command::{ended, json, qwgpu, stderr, stdout};
use crate::files::{fixture, put};
use crate::micro;

/// Runs a command on the micro model whose cache is in `cache`.
#[track_caller]
fn run(code: i32, cache: &Path, arguments: &[&str]) -> std::process::Output {
    let model = micro::folder();
    let words = [&[arguments[0], "--model", model.to_str().unwrap()], &arguments[1..]].concat();
    ended(code, qwgpu(words).env("XDG_CACHE_HOME", cache).output().unwrap())
}

/// Generates with the choices that are kept. Returns the ids and what was said.
#[track_caller]
fn kept(cache: &Path) -> (Value, String) {
    let words = ["generate", "--prompt", "hello", "--max-new-tokens", "8", "--temperature", "0", "--json"];
    let output = run(0, cache, &[&words[..], &["--autotune", "kept"]].concat());
    (json(&output)["generated_ids"].clone(), stderr(&output))
}

fn kernel<'a>(table: &'a Value, name: &str) -> &'a Value {
    let kernels = table["kernels"].as_array().unwrap();
    kernels.iter().find(|kernel| kernel["kernel"] == name).unwrap_or_else(|| panic!("no {name} in {table}"))
}

#[test]
fn choices_are_kept_read_and_made_anew() {
    let cache = tempfile::tempdir().unwrap();
    let (expected, said) = kept(cache.path());
    assert!(said.contains("no tuning") && said.contains("qwgpu tune"), "{said}");

    let table = json(&run(0, cache.path(), &["tune", "--json"]));
    let kernels = table["kernels"].as_array().unwrap();
    for choice in kernels {
        let candidates = choice["candidates"].as_array().unwrap();
        let names: Vec<&Value> = candidates.iter().map(|tried| &tried["name"]).collect();
        assert!(names.contains(&&choice["winner"]) && choice["earlier"] == *names[0], "{choice}");
        assert!(choice["cases"].as_u64().unwrap() > 0 && !choice["shapes"].as_array().unwrap().is_empty(), "{choice}");
        assert!(candidates.iter().all(|tried| tried["fault"].is_null()), "{choice}");
    }
    assert!(kernel(&table, "top_k")["candidates"][0]["seconds"].as_f64().unwrap() > 0.0, "{table}");
    let file = PathBuf::from(table["file"].as_str().unwrap());
    assert!(file.starts_with(cache.path()) && table["adapter"]["name"].is_string());
    let read = || serde_json::from_slice::<Value>(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(read()["kernels"].as_array().unwrap().len(), kernels.len());

    let (ids, said) = kept(cache.path());
    assert_eq!(ids, expected);
    assert!(!said.contains("no tuning"), "{said}");

    // What stands in the file runs, and what was at fault is said again.
    let mut edited = read();
    for choice in edited["kernels"].as_array_mut().unwrap() {
        let last = choice["candidates"].as_array().unwrap().len() - 1;
        choice["winner"] = choice["candidates"][last]["name"].clone();
        if last > 0 {
            choice["candidates"][0]["fault"] = "nmse 3e0 above 1e-10".into();
        }
    }
    put(file.parent().unwrap(), file.file_name().unwrap().to_str().unwrap(), edited.to_string());
    let (ids, said) = kept(cache.path());
    assert_eq!(ids, expected);
    let choice = kernel(&edited, "top_k");
    let winner = choice["winner"].as_str().unwrap();
    assert!(said.contains(&format!("top_k {winner}")), "{said}");
    for word in ["top_k: variant", choice["candidates"][0]["name"].as_str().unwrap(), "nmse 3e0", "runs instead"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let text = stdout(&run(0, cache.path(), &["tune"]));
    assert!(text.contains("top_k: ") && text.contains("agrees with the reference"), "{text}");
    assert!(
        text.lines().any(|line| line.trim().starts_with(winner) && line.contains("ran before")),
        "{winner}: {text}"
    );

    // A file that is damaged, of something else or names what is no candidate counts as none, and is replaced.
    let whole = std::fs::read(&file).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let unknown = text.replace("\"winner\": \"", "\"winner\": \"un");
    let other = text.replace("\"adapter\": \"", "\"adapter\": \"other ");
    let half = whole[..whole.len() / 2].to_vec();
    for bytes in [half, Vec::new(), vec![0xff; 300], unknown.into_bytes(), other.into_bytes(), b"[1]".to_vec()] {
        std::fs::write(&file, &bytes).unwrap();
        let (ids, said) = kept(cache.path());
        assert_eq!(ids, expected);
        assert!(said.contains("no tuning"), "{said}");
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "only tuning writes the file");
    }
    run(0, cache.path(), &["tune"]);
    assert_eq!(read()["kernels"].as_array().unwrap().len(), kernels.len());
    let names = std::fs::read_dir(file.parent().unwrap()).unwrap().count();
    assert_eq!(names, 1, "temporary files were left");
}

#[test]
fn software_adapters_are_not_timed_at_a_start() {
    let cache = tempfile::tempdir().unwrap();
    let devices = json(&ended(0, qwgpu(["devices", "--json"]).output().unwrap()));
    let software = devices.as_array().unwrap().iter().find(|adapter| adapter["class"] == "software");
    let Some(software) = software.map(|adapter| adapter["index"].to_string()) else { return };
    let said = stderr(&run(0, cache.path(), &["generate", "--prompt", "hello", "--device", &software]));
    assert!(!said.contains("tun"), "{said}");
    assert!(!cache.path().join("qwgpu/tuning").exists());
}

#[test]
fn a_variant_that_does_not_compile_is_named_and_another_runs() {
    let (cache, shaders) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gpu = DeviceChoice::default().open_gpu().unwrap();
    let matvec = qwgpu::formats::kernels().find(|kernel| kernel.name == "matvec_bf16").unwrap();
    let candidates = tuning::candidates(matvec, gpu.facts.class, gpu.usable());
    // Some software adapters have one candidate alone.
    if candidates.len() == 1 {
        return;
    }
    let variant = candidates[0].variant;
    put(shaders.path(), &format!("{}.wgsl", variant.wgsl[0].stem), "@compute fn main() { nonsense }");
    let options = ["--shaders", shaders.path().to_str().unwrap(), "--json"];
    let output = run(0, cache.path(), &[&["tune"], &options[..]].concat());
    let said = stderr(&output);
    for word in ["matvec_bf16: variant", variant.name, "nonsense", "runs instead"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let table = json(&output);
    assert!(kernel(&table, "matvec_bf16")["winner"] != variant.name && table["file"].is_null(), "{table}");
    assert!(!cache.path().join("qwgpu/tuning").exists(), "choices among edited shaders were kept");
}

#[test]
fn a_kernel_without_a_right_variant_fails_and_other_devices_are_refused() {
    let (cache, shaders) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = std::fs::read_to_string(fixture("../shaders/advance.wgsl")).unwrap();
    put(shaders.path(), "advance.wgsl", text.replace("params.by;", "params.by + 1u;"));
    let said = stderr(&run(1, cache.path(), &["tune", "--shaders", shaders.path().to_str().unwrap()]));
    assert!(said.contains("advance: variant portable is at fault") && said.contains("no variant is right"), "{said}");
    for device in [["--path", "cpu"], ["--device", "emulated:32"]] {
        let said = stderr(&run(2, cache.path(), &[&["tune"], &device[..]].concat()));
        assert!(said.contains("--device") && said.contains("an adapter"), "{said}");
    }
}
