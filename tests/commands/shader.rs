//! `qwgpu shader` and the emulated adapter: exit codes, JSON, the tokens of a model.

use serde_json::json as value;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::command::{ends, json, qwgpu, stderr, stdout};
use crate::files::{fixture, put};
use crate::micro;

#[test]
fn check_runs_a_model_on_an_emulated_adapter() {
    let model = micro::folder().to_str().unwrap().to_owned();
    let on =
        |device: &str| ["check", "--model", &model, "--tokens", "4", "--json", "--device", device].map(str::to_owned);
    let found = json(&ends(0, on("emulated:64")));
    assert_eq!(found["adapter"], "emulated, subgroups of 64");
    assert_eq!(found["passed"], true, "{found}");
    let refused = ends(2, on("emulated:5"));
    assert!(stderr(&refused).contains("emulated:32"), "{}", stderr(&refused));
}

#[test]
fn a_folder_of_shaders_must_replace_some_that_run() {
    let folder = tempfile::tempdir().unwrap();
    let shaders = folder.path().to_str().unwrap();
    let chosen = ["--case", "last_of_5x100", "--shaders", shaders];
    let sanitize = [&["shader", "sanitize", "--kernel", "rms_norm"], &chosen[..]].concat();
    let profile = [&["shader", "profile", "rms_norm"], &chosen[..]].concat();
    put(folder.path(), "argmax.wgsl", include_str!("../../shaders/argmax.wgsl"));
    for command in [&sanitize, &profile] {
        let refused = stderr(&ends(2, command));
        assert!(refused.contains("--shaders") && refused.contains("argmax.wgsl"), "{refused}");
    }
    put(folder.path(), "rms_norm.wgsl", include_str!("../../shaders/rms_norm.wgsl"));
    let named = stderr(&ends(0, &sanitize));
    assert!(named.contains("rms_norm.wgsl") && !named.contains("argmax.wgsl"), "{named}");
    let model = micro::folder().to_str().unwrap().to_owned();
    put(folder.path(), "rms_nrom.wgsl", "");
    let emulated = ["generate", "--model", &model, "--prompt", "a", "--device", "emulated:32", "--shaders", shaders];
    let refused = stderr(&ends(2, emulated));
    assert!(refused.contains("rms_nrom.wgsl"), "{refused}");
}

#[test]
fn sanitize_lists_faults_and_ends_with_one() {
    let clean = ends(0, ["shader", "sanitize", "--kernel", "rms_norm", "--case", "last_of_5x100", "--json"]);
    assert_eq!(json(&clean).as_array().map(Vec::len), Some(0));
    let folder = tempfile::tempdir().unwrap();
    let shader = include_str!("../../shaders/lib/reduce.wgsl").replacen("    workgroupBarrier();\n", "", 1);
    put(folder.path(), "lib/reduce.wgsl", shader);
    let shaders = folder.path().to_str().unwrap();
    let chosen = ["shader", "sanitize", "--kernel", "rms_norm", "--case", "last_of_5x100", "--shaders", shaders];
    let faults = json(&ends(1, chosen.iter().chain(&["--json"])));
    let fault = &faults[0];
    assert_eq!((fault["kind"].as_str(), fault["file"].as_str()), (Some("data-race"), Some("lib/reduce.wgsl")));
    for key in ["kernel", "variant", "case", "subgroup", "line", "message"] {
        assert!(!fault[key].is_null(), "{key} in {fault}");
    }
    assert!(stdout(&ends(1, chosen)).contains("lib/reduce.wgsl:"));
}

#[test]
fn profile_counts_the_same_each_time() {
    let profile =
        || ends(0, ["shader", "profile", "rms_norm", "--case", "last_of_5x100", "--subgroup", "32,64", "--json"]);
    let found = json(&profile());
    assert_eq!(found, json(&profile()));
    for key in ["requests", "lines", "fewest_lines", "bytes_moved", "bytes_needed", "workgroups"] {
        assert!(found[0][key].as_u64() > Some(0), "{key} in {}", found[0]);
    }
    let instructions = found[0]["instructions"].as_object().unwrap().values();
    let lanes = 32.0 * instructions.map(|count| count.as_u64().unwrap() as f64).sum::<f64>();
    // The row that is normed has 100 values.
    assert_eq!(found[0]["instructions_per_output"], value!(lanes / 100.0));
    assert!(found[0]["instructions_per_weight"].is_null(), "{}", found[0]);
    assert!(found[0]["instructions"]["float"].as_u64() > Some(0), "{}", found[0]);
    let annotated = ends(0, ["shader", "profile", "rms_norm", "--case", "last_of_5x100", "--annotate"]);
    assert!(stdout(&annotated).contains("let loaded = vec4(x[i.x], x[i.y], x[i.z], x[i.w]);"));
}

#[test]
fn emit_prints_each_text_or_writes_the_one_chosen() {
    let listing = stdout(&ends(0, ["shader", "emit", "copy", "--to", "msl"]));
    assert!(listing.starts_with("=== copy/portable\n") && listing.contains("kernel void main_"), "{listing}");
    let words = stdout(&ends(0, ["shader", "emit", "matvec_grid", "--variant", "subgroup", "--to", "spirv"]));
    for width in [2, 3, 4, 8] {
        assert!(words.contains(&format!("=== matvec_grid/subgroup/{width}\n")), "{width}");
    }
    assert!(words.contains("\nOpMemoryModel "), "{words}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.spv");
    let chosen = ["shader", "emit", "copy", "--to", "spirv", "--out", file.to_str().unwrap()];
    assert!(stdout(&ends(0, chosen)).is_empty());
    assert_eq!(std::fs::read(&file).unwrap()[..4], 0x0723_0203u32.to_le_bytes());
    let several = ends(2, ["shader", "emit", "matvec_grid", "--to", "spirv", "--out", file.to_str().unwrap()]);
    assert!(stderr(&several).contains("matvec_grid/subgroup/4"), "{}", stderr(&several));
    put(folder.path(), "copy.wgsl", "fn main() {");
    let edited = ["shader", "emit", "copy", "--to", "msl", "--shaders", folder.path().to_str().unwrap()];
    assert!(stderr(&ends(2, edited)).contains("kernel copy, variant portable"));
    for wrong in [["--to", "wgsl"], ["--to", "aco"]] {
        let named = ["shader", "emit", "copy", "--card", "voodoo2"].iter().chain(&wrong);
        ends(2, named);
    }
}

#[test]
fn compile_reports_on_each_card_or_names_the_package() {
    let chosen = ["shader", "compile", "--kernel", "matvec_grid", "--variant", "subgroup", "--width", "4"];
    if qwgpu::lab::radv::manifest().is_err() {
        assert!(stderr(&ends(3, chosen)).contains("mesa-vulkan-drivers"));
        return;
    }
    let reports = json(&ends(0, chosen.iter().chain(&["--json"])));
    let cards: Vec<_> = reports.as_array().unwrap().iter().map(|report| report["card"].as_str().unwrap()).collect();
    assert_eq!(cards, ["gfx1100", "navi21"]);
    for report in reports.as_array().unwrap() {
        for key in ["vgprs", "waves", "valu_per_weight", "loads_before_wait", "seconds"] {
            assert!(report[key].as_f64() > Some(0.0), "{key} in {report}");
        }
        let fixed = ["kernel", "variant", "width", "lds"].map(|key| report[key].clone());
        assert_eq!(serde_json::json!(fixed), serde_json::json!(["matvec_grid", "subgroup", 4, 1536]));
    }
    assert!(stdout(&ends(0, chosen)).contains("matvec_grid/subgroup/4 *"));
    // What a card lacks has its reason instead of numbers.
    let coop = json(&ends(0, ["shader", "compile", "--kernel", "matmul_int8", "--variant", "coop", "--json"]));
    assert!(coop[0]["vgprs"].is_null() && coop[0]["error"].as_str().unwrap().contains("coop_matrix"), "{coop}");
    let assembly = ends(0, ["shader", "emit", "copy", "--to", "aco", "--card", "navi21"]);
    assert!(stdout(&assembly).contains("buffer_store_dwordx4"), "{}", stdout(&assembly));
}

fn predict(more: &[&str]) -> serde_json::Value {
    let model = ["shader", "predict", "--model", "random:qwen2.5-0.5b", "--json"];
    json(&ends(0, model.iter().chain(more)))
}

#[test]
fn predictions_have_the_fields_of_the_contract_and_are_the_same_each_time() {
    let asked = ["--card", "rtx 4090", "--quant", "gptq:4", "--context", "256", "--prompt", "40"];
    let found = predict(&asked);
    assert_eq!(found, predict(&asked));
    assert!(found["notice"].as_str().unwrap().starts_with("Predicted, not measured"), "{found}");
    for phase in [&found, &found["prefill"]] {
        assert!(phase["tokens_per_s"].as_f64() > Some(0.0), "{phase}");
        let share = phase["share_of_copy"].as_f64().unwrap();
        assert!(share > 0.0 && share <= 1.0, "{phase}");
        let steps = phase["steps"].as_array().unwrap();
        let (mut seconds, mut dispatches) = (0.0, 0);
        for step in steps {
            assert!(step["kernel"].is_string() && step["limit"].is_string(), "{step}");
            let count = step["count"].as_u64().unwrap();
            seconds += step["microseconds"].as_f64().unwrap() * 1e-6 * count as f64;
            dispatches += count * step["dispatches"].as_u64().unwrap();
        }
        assert_eq!(phase["dispatches"].as_u64(), Some(dispatches));
        let tokens = phase["tokens"].as_f64().unwrap();
        assert!((tokens / seconds / phase["tokens_per_s"].as_f64().unwrap() - 1.0).abs() < 1e-9, "{phase}");
    }
    let longer = predict(&["--card", "RTX 4090", "--quant", "gptq:4", "--context", "2048"]);
    assert!(longer["tokens_per_s"].as_f64() < found["tokens_per_s"].as_f64(), "more keys take more time");
    let refused = ends(2, ["shader", "predict", "--card", "Voodoo", "--model", "random:qwen2.5-0.5b"]);
    assert!(stderr(&refused).contains("RTX 4090"), "{}", stderr(&refused));
}

#[test]
fn predictions_take_models_from_files() {
    let of = |model: &str, more: &[&str]| {
        let asked = ["shader", "predict", "--card", "M2", "--context", "64", "--json", "--model", model];
        ends(if more.is_empty() { 0 } else { 2 }, asked.iter().chain(more))
    };
    // How often a pass runs the gates of the layers, by the step's name, and by which kernel.
    let gates = |found: &serde_json::Value| -> Vec<(String, String, u64)> {
        let gates =
            found["steps"].as_array().unwrap().iter().filter(|s| s["step"].as_str().unwrap().contains("mlp.gate_"));
        let text = |step: &serde_json::Value, key: &str| step[key].as_str().unwrap().to_owned();
        gates.map(|s| (text(s, "step"), text(s, "kernel"), s["count"].as_u64().unwrap())).collect()
    };
    let gate = |step: &str, kernel: &str, count| (step.to_owned(), kernel.to_owned(), count);
    let folder = micro::folder().to_str().unwrap().to_owned();
    let found = json(&of(&folder, &[]));
    assert_eq!(gates(&found), [gate("layers.mlp.gate_up_proj", "matvec_bf16", 2)]);
    assert!(found["tokens_per_s"].as_f64() > Some(0.0), "{found}");
    let quantized = fixture("quantized/gptq").to_str().unwrap().to_owned();
    assert_eq!(gates(&json(&of(&quantized, &[]))), [gate("layers.mlp.gate_up_proj", "matvec_grid", 2)]);
    // The layers of this file are of two kinds, and gate and up of two types.
    let gguf = fixture("families/qwen2-k.gguf").to_str().unwrap().to_owned();
    let kinds = [0, 1].map(|n| gate(&format!("layers.{n}.mlp.gate_proj"), "matvec_gguf", 1));
    assert_eq!(gates(&json(&of(&gguf, &[]))), kinds);
    let refused = of(&folder, &["--quant", "gptq:4"]);
    assert!(stderr(&refused).contains("--quant"), "{}", stderr(&refused));
}

/// Tokens a second of prefill and decode on the software adapter of the list, two threads by their CPU time, measured
/// on 2026-11-30 by `qwgpu bench decode --model random:qwen2.5-0.5b --prompt 128 --gen 16`.
const MEASURED: [(&[&str], f64, f64); 2] = [(&[], 39.7, 7.4), (&["--quant", "gptq:4"], 41.6, 11.1)];

#[test]
fn predictions_for_the_software_adapter_are_within_a_factor_of_two() {
    for (quant, prefill, decode) in MEASURED {
        let asked = [&["--card", "llvmpipe", "--context", "136", "--prompt", "128"], quant].concat();
        let found = predict(&asked);
        for (phase, measured) in [(&found["prefill"], prefill), (&found, decode)] {
            let ratio = phase["tokens_per_s"].as_f64().unwrap() / measured;
            assert!(ratio > 0.5 && ratio < 2.0, "{quant:?}: predicted {ratio} of {measured} tokens/s");
        }
    }
}

#[test]
fn every_figure_of_a_card_has_a_source() {
    let text = include_str!("../../src/lab/cards.json");
    let cards: serde_json::Value = serde_json::from_str(text).unwrap();
    let parsed = qwgpu::lab::cards::cards();
    assert_eq!(cards.as_array().unwrap().len(), parsed.len());
    for (card, parsed) in cards.as_array().unwrap().iter().zip(&parsed) {
        for (field, value) in card.as_object().unwrap() {
            if ["name", "adapters", "class", "checked"].contains(&field.as_str()) {
                continue;
            }
            let source = value[1].as_str().unwrap_or_default();
            assert!(source.len() > 6, "{}: {field} has no source", parsed.name);
        }
        let positive = [&parsed.copy_gb_s, &parsed.cores, &parsed.clock_ghz, &parsed.lanes, &parsed.l1_bytes];
        assert!(positive.iter().all(|figure| figure.0 > 0.0), "{}", parsed.name);
        assert!(parsed.int_lanes.0 > 0.0 && parsed.int_lanes.0 <= parsed.lanes.0, "{}", parsed.name);
        assert!(parsed.copy_gb_s.0 <= parsed.bandwidth_gb_s.0, "{}: a copy above the peak", parsed.name);
        let has = parsed.has().unwrap();
        let tiles = has.intersects(qwgpu::plan::Needs::COOP_MATRIX | qwgpu::plan::Needs::COOP_MATRIX8);
        assert!(!tiles || parsed.matrix_tflops.0 > 0.0, "{}: cooperative matrices without a rate", parsed.name);
        for adapter in &parsed.adapters {
            let found = qwgpu::lab::Card::of_adapter(&format!("Some {adapter} (driver)")).unwrap();
            assert_eq!(found.name, parsed.name);
        }
    }
    assert!(qwgpu::lab::Card::of_adapter("Voodoo 2").is_none());
}

#[test]
fn profile_compares_two_versions() {
    let shader = include_str!("../../shaders/rms_norm.wgsl");
    let (same, twice) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(same.path(), "rms_norm.wgsl", shader);
    put(twice.path(), "rms_norm.wgsl", shader.replacen("vec4(0.0), loaded,", "vec4(0.0), loaded + x[i.x] * 0.0,", 1));
    let against = |folder: &tempfile::TempDir| {
        let folder = folder.path().to_str().unwrap().to_owned();
        let chosen = ["shader", "profile", "rms_norm", "--case", "last_of_5x100", "--against"].map(str::to_owned);
        chosen.into_iter().chain([folder]).collect::<Vec<_>>()
    };
    let equal = stdout(&ends(0, against(&same)));
    assert!(!equal.contains('%') && equal.contains("counters are equal"), "{equal}");
    let text = stdout(&ends(0, against(&twice)));
    // The last row of 100 columns takes four of the workgroup's subgroups: one more load for each.
    let line = text.lines().find(|line| line.trim_start().starts_with("requests ")).expect("a line of requests");
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers[1], numbers[0] + 4, "{text}");
    let found = json(&ends(0, against(&twice).into_iter().chain(["--json".to_owned()])));
    assert_eq!(found[0]["before"]["requests"], numbers[0]);
    assert_eq!(found[0]["after"]["requests"], numbers[1]);
}

#[test]
fn watch_tells_what_each_edit_does() {
    let folder = tempfile::tempdir().unwrap();
    let shader = include_str!("../../shaders/rms_norm.wgsl");
    put(folder.path(), "rms_norm.wgsl", shader);
    let shaders = folder.path().to_str().unwrap();
    let watch = ["shader", "watch", shaders, "rms_norm", "--case", "last_of_5x100"];
    let mut child = qwgpu(watch).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The lines of an edit, up to its last one.
    let mut next = || {
        let mut text = String::new();
        loop {
            let line = lines.next().unwrap_or_else(|| panic!("the watch ended after {text}"));
            text += &format!("{line}\n");
            if [" takes ", "not timed", "stays the last good one"].iter().any(|end| line.contains(end)) {
                return text;
            }
        }
    };
    let first = next();
    assert!(first.starts_with("edit 1: good; before is the built-in version\n"), "{first}");
    put(folder.path(), "rms_norm.wgsl", shader.replacen("squares += values", "squares += valeus", 1));
    let broken = next();
    let line = 1 + shader.lines().position(|line| line.contains("squares += values")).unwrap();
    assert!(broken.contains(&format!("rms_norm.wgsl:{line}:20: ")) && broken.contains("valeus"), "{broken}");
    assert!(broken.ends_with("edit 1 stays the last good one\n"), "{broken}");
    put(folder.path(), "rms_norm.wgsl", shader.replacen("y[to_row + c] = weight", "y[to_row] = weight", 1));
    let racy = next();
    assert!(racy.contains("data-race") && racy.ends_with("edit 1 stays the last good one\n"), "{racy}");
    put(folder.path(), "rms_norm.wgsl", shader.replacen("values.x * values.x", "values.x * values.x * 1.0", 1));
    let good = next();
    assert!(good.starts_with("edit 4: good; before is edit 1\n") && good.contains("instructions.float"), "{good}");
    #[cfg(unix)]
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGINT).unwrap();
    #[cfg(not(unix))]
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(cfg!(not(unix)) || status.code() == Some(130), "{status}");
}
