//! `qwgpu shader` and the emulated adapter: exit codes, JSON, the tokens of a model.

use serde_json::json as value;

use crate::command::{ends, json, stderr, stdout};
use crate::files::put;
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
    assert!(stdout(&annotated).contains("let value = x[from_row + c];"));
}
