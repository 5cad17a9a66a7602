//! The command line: exit codes, JSON keys and types, streams.

use std::process::Stdio;

use crate::command::{ended, ends, json, qwgpu, stderr, stdout};
use serde_json::Value;

use crate::files::put;
use crate::micro;

fn micro() -> String {
    micro::folder().to_str().unwrap().to_owned()
}

/// Eight tokens after a short prompt.
fn generate(more: &[&str]) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["generate", "--model", &micro(), "--prompt", "hello", "--max-new-tokens", "8"].map(String::from).into();
    arguments.extend(more.iter().map(|a| (*a).to_owned()));
    arguments
}

#[track_caller]
fn strings(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value[key].is_string(), "{key} in {value}");
    }
}

#[track_caller]
fn numbers(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value[key].is_number(), "{key} in {value}");
    }
}

/// The software adapter of this machine, if it has one.
fn software() -> Option<String> {
    let list = json(&qwgpu(["devices", "--json"]).output().unwrap());
    let adapter = list.as_array()?.iter().find(|a| a["class"] == "software")?;
    Some(adapter["index"].to_string())
}

/// Returns every command without commands of its own, with the words that call it: `["bench", "kernels"]`.
fn commands() -> Vec<(Vec<String>, clap::Command)> {
    fn add(command: &clap::Command, words: &[String], all: &mut Vec<(Vec<String>, clap::Command)>) {
        for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            let words = [words, &[command.get_name().to_owned()]].concat();
            match command.has_subcommands() {
                true => add(command, &words, all),
                false => all.push((words, command.clone())),
            }
        }
    }
    let mut all = Vec::new();
    add(&qwgpu::cli::command(), &[], &mut all);
    assert!(all.len() > 10, "{all:?}");
    all
}

#[test]
fn every_command_has_a_page_of_help() {
    let page = stdout(&ends(0, ["--help"]));
    for word in ["Exit codes", "random:NAME", "WGPU_BACKEND"] {
        assert!(page.contains(word), "{page}");
    }
    for (words, command) in commands() {
        let long = stdout(&ends(0, words.iter().map(String::as_str).chain(["--help"])));
        let short = stdout(&ends(0, words.iter().map(String::as_str).chain(["-h"])));
        let about = command.get_about().unwrap().to_string();
        assert!(long.contains(&about) && short.contains(&about), "{long}");
        assert!(!about.ends_with('.'), "{about}");
        // The examples of commands below another one are on its page.
        if words.len() == 1 {
            assert!(page.contains(&about), "{about} is not in: {page}");
            let example = format!("\n  qwgpu {}", words[0]);
            assert!(["Example:", "Examples:"].iter().any(|t| long.contains(&format!("{t}{example}"))), "{long}");
            assert!(!short.contains("Example"), "{short}");
        }
    }
    assert!(stdout(&ends(0, ["--version"])).starts_with("qwgpu "));
}

#[test]
fn headings_end_with_their_own_options() {
    let mut below = std::collections::BTreeSet::new();
    for (words, command) in commands() {
        for argument in command.get_arguments() {
            let (name, heading) = (argument.get_id().as_str(), argument.get_help_heading());
            let general = ["json", "kv_cache", "autotune", "prompt", "out", "tasks"].contains(&name);
            assert!(heading.is_none() || !general, "{words:?}: {name} stands below {heading:?}");
            below.extend(heading.map(|heading| format!("{name} {heading}")));
        }
    }
    for option in ["device Device", "temperature Sampling", "calibration_seed Calibration", "lookup Speed"] {
        assert!(below.contains(option), "{option} is not in {below:?}");
    }
}

#[test]
fn every_command_refuses_an_option_it_does_not_have() {
    for (words, _) in commands() {
        let output = ends(2, words.iter().map(String::as_str).chain(["--no-such-option"]));
        assert!(stderr(&output).contains("--no-such-option"), "{words:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn every_command_is_in_the_readme() {
    let readme = include_str!("../../README.md");
    for (words, _) in commands() {
        assert!(readme.contains(&format!("qwgpu {}", words.join(" "))), "README.md: no `qwgpu {}`", words.join(" "));
    }
}

#[test]
fn json_is_one_value_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    put(folder.path(), "text", "the quick brown fox ".repeat(40));
    put(folder.path(), "data/snli/test.tsv", "premise\thypothesis\tlabel\nA.\tB.\t0\n");
    let [text, data, results, shards, rtn] = ["text", "data", "results", "shards", "rtn"].map(path);
    let model = micro();
    let on_cpu = ["--model", &model, "--path", "cpu"];
    let eval = [&on_cpu[..], &["--tasks", "snli", "--data", &data, "--out"]].concat();
    ends(0, [&["eval"], &eval[..], &[&shards, "--shard", "1/1"]].concat());
    let runs: &[(&str, &[&str])] = &[
        ("doctor", &[]),
        ("devices", &[]),
        ("generate", &[&on_cpu[..], &["--prompt", "hello", "--max-new-tokens", "2"]].concat()),
        ("ppl", &[&on_cpu[..], &["--text", &text, "--window", "32", "--windows", "1"]].concat()),
        ("check", &["--model", &model, "--tokens", "4"]),
        ("eval", &[&eval[..], &[&results]].concat()),
        ("merge", &["--out", &shards]),
        ("quantize", &[&on_cpu[..], &["--method", "rtn", "--group-size", "32", "--out", &rtn]].concat()),
        ("tune", &["--model", &model]),
        ("bench kernels", &["--filter", "rms_norm"]),
        ("shader sanitize", &["--kernel", "copy"]),
        ("shader profile", &["copy"]),
        ("shader compile", &["--kernel", "copy"]),
        ("shader predict", &["--model", "random:qwen2.5-0.5b", "--card", "RTX 4090", "--context", "64"]),
        ("bench decode", &[&on_cpu[..], &["--prompt", "8", "--gen", "2", "--repeats", "1"]].concat()),
    ];
    let has_json = |command: &clap::Command| command.get_arguments().any(|arg| arg.get_long() == Some("json"));
    for (words, _) in commands().iter().filter(|(_, command)| has_json(command)) {
        let name = words.join(" ");
        // The first times every kernel, and what it prints is the file that it writes; manners.rs runs the second.
        assert!(
            ["bench all", "study"].contains(&&*name) || runs.iter().any(|(known, _)| *known == name),
            "no run of {name}"
        );
    }
    for (name, arguments) in runs {
        if *name == "shader compile" && qwgpu::lab::radv::manifest().is_err() {
            continue;
        }
        let output = ends(0, name.split(' ').chain(arguments.iter().copied()).chain(["--json"]));
        let value = json(&output);
        assert!(value.is_object() || value.is_array(), "{name}: {value}");
    }
}

#[test]
fn devices_is_a_list_of_adapters() {
    let list = json(&ends(0, ["devices", "--json"]));
    let list = list.as_array().unwrap();
    assert!(!list.is_empty());
    for (number, adapter) in list.iter().enumerate() {
        assert_eq!(adapter["index"], number);
        strings(adapter, &["name", "backend", "class", "driver", "path"]);
        numbers(adapter, &["subgroup_min", "subgroup_max", "max_binding", "max_buffer"]);
        assert!(adapter["has"].is_array() && adapter["timestamps"].is_boolean());
        strings(&adapter["kernels"]["rms_norm"], &["variant"]);
    }
    let text = stdout(&ends(0, ["devices"]));
    assert!(text.contains(list[0]["name"].as_str().unwrap()), "{text}");
}

#[test]
fn without_an_adapter_the_exit_code_is_3() {
    let absent = if cfg!(target_os = "windows") { "metal" } else { "dx12" };
    let run = |arguments: &[&str]| ended(3, qwgpu(arguments).env("WGPU_BACKEND", absent).output().unwrap());
    assert_eq!(json(&run(&["devices", "--json"])), serde_json::json!([]));
    let report = json(&run(&["doctor", "--json"]));
    assert_eq!((&report["can_run"], &report["adapter"]), (&Value::Bool(false), &Value::Null));
    let output = run(&["generate", "--model", &micro(), "--prompt", "a"]);
    assert!(stderr(&output).contains("--path cpu"), "{}", stderr(&output));
}

#[test]
fn generate_prints_one_object() {
    let result = json(&ends(0, generate(&["--path", "cpu", "--json"])));
    strings(&result, &["model", "text", "adapter"]);
    let counts = ["weight_bytes", "cache_bytes", "scratch_bytes"];
    numbers(&result, &counts);
    numbers(&result, &["prefill_tokens_per_s", "decode_tokens_per_s", "first_token_s"]);
    assert!(counts.iter().all(|key| result[key].is_u64()));
    assert_eq!(result["path"], "cpu");
    assert_eq!(result["software"], true);
    assert_eq!(result["generated_ids"].as_array().unwrap().len(), 8);
    assert!(result["prompt_ids"].as_array().unwrap().iter().all(Value::is_u64));
    // One token gives no rate of decoding.
    let one = ["generate", "--model", &micro(), "--prompt", "a", "--path", "cpu", "--max-new-tokens", "1", "--json"];
    let one = json(&ends(0, one));
    assert!(one["decode_tokens_per_s"].is_null());
}

#[test]
fn every_path_generates_the_same() {
    let expected = json(&ends(0, generate(&["--path", "cpu", "--json"])));
    for how in [&["--path", "portable"][..], &["--path", "fast"], &["--limits", "webgpu"], &["--without", "subgroup"]] {
        let result = json(&ends(0, generate(&[how, &["--json"]].concat())));
        for key in ["prompt_ids", "generated_ids", "text", "weight_bytes"] {
            assert_eq!(result[key], expected[key], "{how:?}");
        }
        let path = if how[0] == "--path" { how[1] } else { "fast" };
        assert_eq!(result["path"], path);
    }
}

#[test]
fn lookup_changes_the_steps_and_not_the_text() {
    let plain = json(&ends(0, generate(&["--path", "cpu", "--json"])));
    assert_eq!(plain["lookup"], Value::Null);
    let proposed = json(&ends(0, generate(&["--path", "cpu", "--json", "--lookup", "7"])));
    assert_eq!(proposed["generated_ids"], plain["generated_ids"]);
    assert_eq!(proposed["lookup"]["tokens"], 7);
    numbers(&proposed["lookup"], &["steps", "tokens", "proposed", "accepted"]);
    let said = stderr(&ends(0, generate(&["--path", "cpu", "--lookup", "7"]))).to_owned();
    assert!(said.contains("proposed tokens, ") && said.contains(" tokens a step"), "{said}");
}

#[test]
fn a_cache_in_f16_is_half_as_large() {
    for (words, command) in commands() {
        let has = |name: &str| command.get_arguments().any(|argument| argument.get_long() == Some(name));
        // Quantizing has a cache of its own, in f32.
        assert_eq!(has("kv-cache"), has("model") && words != ["quantize"], "{words:?}");
    }
    let run = |more: &[&str]| json(&ends(0, generate(&[more, &["--json"]].concat())));
    for path in ["cpu", "fast", "portable"] {
        let [default, f16, f32] = [&[][..], &["--kv-cache", "f16"], &["--kv-cache", "f32"]]
            .map(|cache| run(&[&["--path", path], cache].concat()));
        assert_eq!((&f16["kv_cache"], &f32["kv_cache"]), (&Value::from("f16"), &Value::from("f32")));
        assert_eq!(default["kv_cache"], "f32", "{path}");
        let bytes = |result: &Value| result["cache_bytes"].as_u64().unwrap();
        assert_eq!(bytes(&f32), 2 * bytes(&f16), "{path}");
        assert_eq!(f16["generated_ids"], f32["generated_ids"], "{path}");
    }
    let passed = |cache: &str| json(&ends(0, ["check", "--model", &micro(), "--kv-cache", cache, "--json"]));
    for cache in ["f16", "f32"] {
        let result = passed(cache);
        assert_eq!((&result["passed"], &result["kv_cache"]), (&Value::Bool(true), &Value::from(cache)));
    }
    assert!(stderr(&ends(2, generate(&["--kv-cache", "f8"]))).contains("--kv-cache"));
}

#[test]
fn sampling_follows_the_seed() {
    let run = |seed| json(&ends(0, generate(&["--path", "cpu", "--json", "--temperature", "5", "--seed", seed])));
    let (one, again, other) = (run("1"), run("1"), run("2"));
    assert_eq!(one["generated_ids"], again["generated_ids"]);
    assert_ne!(one["generated_ids"], other["generated_ids"]);
}

#[test]
fn text_goes_to_stdout_and_all_else_to_stderr() {
    let object = json(&ends(0, generate(&["--path", "cpu", "--json"])));
    let output = ends(0, generate(&["--path", "cpu"]));
    assert_eq!(stdout(&output), format!("{}\n", object["text"].as_str().unwrap()));
    let first = stderr(&output).lines().next().unwrap().to_owned();
    assert!(first.starts_with("adapter: CPU reference"), "{first}");
    if let Some(software) = software() {
        let output = qwgpu(generate(&["--device", &software])).env_remove("XDG_RUNTIME_DIR").output().unwrap();
        let output = ended(0, output);
        let first = stderr(&output).lines().next().unwrap().to_owned();
        assert!(first.contains("[software: computes on the CPU]"), "{first}");
    }
}

#[test]
fn the_prompt_may_come_from_a_file_or_standard_input() {
    let expected = json(&ends(0, generate(&["--path", "cpu", "--json"])));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hello").unwrap();
    let from = |prompt: &str| {
        let model = micro();
        let words = ["generate", "--model", &model, "--prompt-file", prompt, "--max-new-tokens", "8", "--path", "cpu"];
        let mut command = qwgpu(words.iter().chain(&["--json"]));
        let output = command.stdin(Stdio::from(std::fs::File::open(file.path()).unwrap())).output().unwrap();
        json(&ended(0, output))["generated_ids"].clone()
    };
    assert_eq!(from(file.path().to_str().unwrap()), expected["generated_ids"]);
    assert_eq!(from("-"), expected["generated_ids"]);
    std::fs::write(file.path(), b"ab\xffcd").unwrap();
    let bad = ["generate", "--model", &micro(), "--prompt-file", file.path().to_str().unwrap()];
    assert!(stderr(&ends(2, bad)).contains("byte 2"));
}

#[cfg(unix)]
#[test]
fn a_prompt_that_is_no_text_is_refused_by_offset() {
    use std::os::unix::ffi::OsStringExt;
    let prompt = std::ffi::OsString::from_vec(b"ab\xffcd".to_vec());
    for option in ["--prompt", "--system"] {
        let mut command = qwgpu(["generate", "--model", &micro(), option]);
        let output = ended(2, command.arg(&prompt).output().unwrap());
        assert!(stderr(&output).contains("0xFF at offset 2"), "{}", stderr(&output));
    }
}

#[test]
fn ppl_prints_one_object() {
    let text = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(text.path(), "the quick brown fox ".repeat(10)).unwrap();
    let text = text.path().to_str().unwrap();
    let ppl = ["ppl", "--model", &micro(), "--text", text, "--path", "cpu", "--window"];
    let result = json(&ends(0, ppl.iter().chain(&["32", "--windows", "3", "--json"])));
    let nll: Vec<f64> = result["nll_per_window"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!((nll.len(), &result["tokens"]), (3, &serde_json::json!(3 * 31)));
    let expected = (nll.iter().sum::<f64>() / 3.0).exp();
    assert!((result["ppl"].as_f64().unwrap() - expected).abs() < 1e-9 * expected);
    strings(&result, &["adapter", "path", "model", "tokenizer"]);
    assert!(result["weight_bytes"].is_u64());
    assert!(stdout(&ends(0, ppl.iter().chain(&["32"]))).contains("perplexity"));
    assert!(stderr(&ends(2, ppl.iter().chain(&["400"]))).contains("expected at least 400 tokens"));
    // More windows than there are: it says how many there were.
    let all = ends(0, ppl.iter().chain(&["32", "--windows", "999999", "--json"]));
    let windows = json(&all)["windows"].to_string();
    assert!(stderr(&all).contains(&format!("--windows 999999: the text has {windows}, and all")), "{}", stderr(&all));
}

#[test]
fn check_passes_and_a_wrong_shader_fails_it_by_name() {
    let result = json(&ends(0, ["check", "--model", &micro(), "--tokens", "8", "--json"]));
    assert_eq!((&result["passed"], &result["first_parting"]), (&Value::Bool(true), &Value::Null));
    numbers(&result, &["steps"]);
    for kernel in result["kernels"].as_array().unwrap() {
        strings(kernel, &["kernel"]);
        numbers(kernel, &["steps", "worst_nmse", "allowed"]);
    }

    let shaders = tempfile::tempdir().unwrap();
    let file = shaders.path().join("rope_kv.wgsl");
    let source = include_str!("../../shaders/rope_kv.wgsl");
    std::fs::write(&file, source.replace("put_value(vec4(a, b)", "put_value(vec4(b, b)")).unwrap();
    let folder = shaders.path().to_str().unwrap();
    let arguments = ["check", "--model", &micro(), "--tokens", "8", "--shaders", folder, "--json"];
    let checked = ends(1, arguments);
    assert!(stderr(&checked).contains("shaders replaced: rope_kv.wgsl"), "{}", stderr(&checked));
    let result = json(&checked);
    assert_eq!(result["passed"], false);
    assert_eq!(result["first_parting"]["step"], "model.layers.0.self_attn.rope_kv.v_cache");
    std::fs::write(&file, source.replace("fn main", "fun main")).unwrap();
    let message = stderr(&ends(2, arguments));
    assert!(message.contains("rope_kv") && message.contains("fun main"), "{message}");
    assert!(stderr(&ends(2, ["check", "--model", &micro(), "--tokens", "512"])).contains("--tokens"));
}

#[test]
fn bad_usage_ends_with_2_and_says_why() {
    let known = "qwen2.5-7b";
    for (arguments, why) in [
        (vec![], "Usage"),
        (vec!["nonsense"], "nonsense"),
        (vec!["generate", "--prompt", "a"], "--model"),
        (vec!["generate", "--model", "/no/such/model", "--prompt", "a"], "/no/such/model"),
        (vec!["generate", "--model", "random:nonsense", "--prompt", "a"], known),
        (vec!["ppl", "--model", "random:qwen2.5-7b", "--text", file!()], "tokenizer"),
        (vec!["chat", "--model", "random:qwen2.5-7b"], "tokenizer"),
        (vec!["ppl", "--model", "M", "--text", "/no/such/text"], "/no/such/text"),
        (
            vec!["generate", "--model", "M", "--prompt", "a", "--calibration", file!()],
            "add --quant, or leave --calibration",
        ),
        (vec!["generate", "--model", "M"], "--prompt"),
        (vec!["generate", "--model", "M", "--prompt-file", "/no/such/prompt"], "/no/such/prompt"),
        (vec!["generate", "--model", "M", "--prompt", "", "--raw", "--path", "cpu"], "at least one token"),
        (vec!["generate", "--model", "M", "--prompt", "a", "--max-new-tokens", "0"], "from 1 to"),
        (vec!["generate", "--model", "M", "--prompt", "a", "--temperature", "-1"], "--temperature"),
        (vec!["generate", "--model", "M", "--prompt", "a", "--top-p", "0"], "--top-p"),
        (vec!["generate", "--model", "M", "--prompt", "a", "--min-p", "2"], "--min-p"),
        (vec!["generate", "--model", "M", "--prompt", "a", "--lookup", "0"], "from 1 to 7"),
        (vec!["chat", "--model", "M", "--lookup", "8"], "from 1 to 7"),
        (vec!["generate", "--model", "M", "--prompt", "a", "--without", "magic"], "subgroup"),
        (vec!["generate", "--model", "M", "--prompt", "a", "--context", "513", "--path", "cpu"], "1 to 512"),
        (vec!["generate", "--model", "M", "--prompt", "a", "--context", "8", "--path", "cpu"], "--context"),
        (vec!["generate", "--model", "M", "--prompt", "a", "--path", "cpu", "--device", "0"], "--device"),
        (vec!["generate", "--model", "M", "--prompt", "a", "--path", "cpu", "--shaders", "shaders"], "--shaders"),
        (vec!["check", "--model", "M", "--shaders", "/no/such/folder"], "none in /no/such/folder"),
        (vec!["check", "--model", "M", "--shaders", "shaders/lib"], "names of built-in shaders"),
        (vec!["ppl", "--model", "M", "--text", file!(), "--window", "600", "--path", "cpu"], "at most 513 tokens"),
        (vec!["quantize", "--model", "random:qwen2.5-0.5b", "--method", "rtn", "--out", "x"], "trained weights"),
    ] {
        let model = micro();
        let arguments = arguments.into_iter().map(|a| if a == "M" { model.as_str() } else { a });
        let output = ends(2, arguments);
        assert!(stderr(&output).contains(why), "{why:?} is not in: {}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_device_that_is_not_there_or_no_gpu_ends_with_3() {
    assert!(stderr(&ends(3, generate(&["--device", "nonsense"]))).contains("nonsense"));
    ends(3, generate(&["--path", "cpu", "--require-gpu"]));
    if let Some(software) = software() {
        let output = ends(3, generate(&["--device", &software, "--require-gpu"]));
        assert!(stderr(&output).contains("--require-gpu") && output.stdout.is_empty());
    }
}
