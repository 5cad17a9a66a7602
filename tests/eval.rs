//! `qwgpu eval` and `merge` on the bundled model: the same bytes however a run is cut in pieces, killed or shared
//! out; and, where the real model is, the numbers of lm-evaluation-harness.

mod command;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use command::qwgpu;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Made-up data of three tasks: one with a long common beginning, one with examples drawn, one with replies.
fn data() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |path: &str, text: String| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let truths: Vec<Value> = (0..14)
        .map(|n| {
            let mut targets = serde_json::Map::new();
            targets.insert(format!("Number {n} is {}.", n + 1), json!(1));
            for wrong in 0..1 + n % 4 {
                targets.insert(format!("It is {}", "very ".repeat(wrong) + &(n * 7 + wrong).to_string()), json!(0));
            }
            json!({ "question": format!("What is number {n}?"), "mc1_targets": targets, "mc2_targets": targets })
        })
        .collect();
    put("truthfulqa/data/mc_task.json", json!(truths).to_string());
    let rows = (0..23).map(|n| format!("A man has {n} dogs.\tHe has {} dogs\t{}\n", n % 5, n % 3));
    put("snli/test.tsv", "premise\thypothesis\tlabel\n".to_owned() + &rows.collect::<String>());
    let line = |n: usize| {
        json!({ "question": format!("What is {n} and {}?", n + 2), "answer": format!("It is {}.\n#### {}", 2 * n + 2, 2 * n + 2) })
            .to_string()
            + "\n"
    };
    put("gsm8k/test.jsonl", (0..2).map(line).collect());
    put("gsm8k/train.jsonl", (20..40).map(line).collect());
    folder
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// `qwgpu eval` of a bundled model, on the CPU.
fn asking(model: &str, data: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = qwgpu(["eval", "--path", "cpu"]);
    command.arg("--model").arg(fixture(model)).arg("--data").arg(data).arg("--out").arg(out).args(more);
    command
}

const TASKS: &str = "truthfulqa_mc1,snli,gsm8k";

fn eval(data: &Path, out: &Path, more: &[&str]) -> Command {
    let common = ["--context", "700", "--tasks", TASKS, "--limit", "20", "--shots", "2"];
    asking("tiny-qwen", data, out, &[&common, more].concat())
}

fn merge(out: &Path) -> Command {
    let mut command = qwgpu(["merge"]);
    command.arg("--out").arg(out);
    command
}

fn done(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The files below `out` but for journals, by names without their time, and with the time taken out.
fn files(out: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for model in std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for path in std::fs::read_dir(model).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let stem = name.rsplit_once("_2").unwrap().0.to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("  \"date\":")).collect();
            found.push((stem, lines.join("\n")));
        }
    }
    found.sort();
    found
}

fn assert_same(expected: &[(String, String)], found: &[(String, String)], what: &str) {
    let names = |files: &[(String, String)]| files.iter().map(|file| file.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(expected), names(found), "{what}");
    for (expected, found) in expected.iter().zip(found) {
        assert!(expected.1 == found.1, "{what}: {} differs", expected.0);
    }
}

#[test]
fn shares_and_kills_and_sharing_change_nothing() {
    let data = data();
    let whole = tempfile::tempdir().unwrap();
    done(eval(data.path(), whole.path(), &[]));
    let expected = files(whole.path());
    assert_eq!(expected.len(), 4, "results and three samples");

    let unshared = tempfile::tempdir().unwrap();
    done(eval(data.path(), unshared.path(), &["--no-share"]));
    assert_same(&expected, &files(unshared.path()), "without sharing");

    let shares = tempfile::tempdir().unwrap();
    for share in ["1/3", "2/3", "3/3"] {
        let merged = merge(shares.path()).output().unwrap();
        assert!(!merged.status.success(), "merged before {share}");
        done(eval(data.path(), shares.path(), &["--shard", share]));
    }
    done(merge(shares.path()));
    assert_same(&expected, &files(shares.path()), "three shares");

    // Killed at twenty moments of its first quarter, in no order, and started again each time.
    let killed = tempfile::tempdir().unwrap();
    let start = Instant::now();
    done(eval(data.path(), tempfile::tempdir().unwrap().path(), &[]));
    let time = start.elapsed();
    for moment in 1..=20 {
        let mut child = eval(data.path(), killed.path(), &[]).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(time * (moment * 7 % 20 + 1) / 80);
        let _ = child.kill();
        child.wait().unwrap();
    }
    done(eval(data.path(), killed.path(), &[]));
    assert_same(&expected, &files(killed.path()), "after twenty kills");
}

#[test]
fn a_journal_of_another_model_is_refused_by_name() {
    let data = data();
    let out = tempfile::tempdir().unwrap();
    let few = ["--context", "60", "--tasks", "snli", "--limit", "2"];
    done(asking("tiny-qwen", data.path(), out.path(), &few));
    let mut other = asking("micro-qwen", data.path(), out.path(), &few);
    let output = other.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(error.contains("tiny-qwen") && error.contains("micro-qwen") && error.contains("--fresh"), "{error}");
    other.arg("--fresh");
    done(other);
}

#[test]
fn a_torn_last_line_is_dropped_and_a_changed_one_refused() {
    let data = data();
    let out = tempfile::tempdir().unwrap();
    let few = || asking("tiny-qwen", data.path(), out.path(), &["--context", "700", "--tasks", "snli", "--limit", "6"]);
    done(few());
    let expected = files(out.path());
    let journal = out.path().join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    assert_eq!(text.lines().count(), 7);
    std::fs::write(&journal, &text[..text.len() - 9]).unwrap();
    done(few());
    assert_same(&expected, &files(out.path()), "a torn line");
    assert_eq!(std::fs::read_to_string(&journal).unwrap().lines().count(), 7);

    let mut changed: Vec<String> = text.lines().map(str::to_owned).collect();
    changed[3] = changed[3].replace("-", "+");
    std::fs::write(&journal, changed.join("\n") + "\n").unwrap();
    let output = few().output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("line 4") && error.contains("check sum"), "{error}");
}

#[test]
fn a_larger_limit_goes_on_and_shares_that_differ_are_not_merged() {
    let data = data();
    let (out, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ask = |out: &TempDir, limit: &str, more: &[&str]| {
        let common = ["--context", "700", "--tasks", "snli", "--limit", limit];
        done(asking("tiny-qwen", data.path(), out.path(), &[&common, more].concat()));
    };
    ask(&whole, "9", &[]);
    ask(&out, "4", &["--shard", "1/2"]);
    ask(&out, "9", &["--shard", "1/2"]);
    ask(&out, "4", &["--shard", "2/2"]);
    let output = merge(out.path()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("limit") && error.contains("9, as the other shares"), "{error}");
    ask(&out, "9", &["--shard", "2/2"]);
    done(merge(out.path()));
    assert_same(&files(whole.path()), &files(out.path()), "after other limits");
}

#[test]
fn other_settings_keep_the_results_of_the_first() {
    let data = data();
    let out = tempfile::tempdir().unwrap();
    let ask = |more: &[&str]| {
        let common = ["--context", "700", "--tasks", "snli"];
        asking("tiny-qwen", data.path(), out.path(), &[&common, more].concat())
    };
    let count = |kind: &str| files(out.path()).iter().filter(|(name, _)| name.starts_with(kind)).count();
    done(ask(&["--limit", "2", "--shots", "0"]));
    done(ask(&["--limit", "2", "--shots", "1"]));
    assert_eq!((count("results"), count("samples")), (2, 2));
    // The same again, and more documents of it, go on where they were.
    done(ask(&["--limit", "2", "--shots", "1"]));
    done(ask(&["--limit", "3", "--shots", "1"]));
    assert_eq!((count("results"), count("samples")), (2, 2));

    let twice = asking("tiny-qwen", data.path(), out.path(), &["--tasks", "snli,gsm8k,snli"]).output().unwrap();
    let error = String::from_utf8_lossy(&twice.stderr).into_owned();
    assert!(!twice.status.success() && error.contains("each task once"), "{error}");
}

/// What two prompts have in common must leave something of each, the first of them too.
#[test]
fn a_prompt_may_begin_another() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("truthfulqa");
    std::fs::create_dir_all(&folder).unwrap();
    let row = |question: &str| format!("Adversarial,Any,{question},Yes.,Yes.; It is.,No.,made up\n");
    let head = "Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\n";
    let text = head.to_owned() + &row("Is it so?") + &row("Is it so? And why is it so?") + &row("Is it so? Or not?");
    std::fs::write(folder.join("TruthfulQA.csv"), text).unwrap();
    let few = ["--context", "700", "--tasks", "truthfulqa_gen", "--reply-tokens", "8"];
    let (shared, unshared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    done(asking("tiny-qwen", data.path(), shared.path(), &few));
    done(asking("tiny-qwen", data.path(), unshared.path(), &[&few[..], &["--no-share"]].concat()));
    assert_same(&files(shared.path()), &files(unshared.path()), "without sharing");
}

#[test]
fn only_one_run_writes_a_journal() {
    let data = data();
    let out = tempfile::tempdir().unwrap();
    let mut first = eval(data.path(), out.path(), &[]).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while std::fs::metadata(out.path().join("journal.jsonl")).map_or(0, |file| file.len()) == 0 {
        assert!(start.elapsed() < Duration::from_secs(60) && first.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = eval(data.path(), out.path(), &[]).output().unwrap();
    let error = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && error.contains("under way"), "{error}");
    let _ = first.kill();
    first.wait().unwrap();
}

#[test]
fn prompts_are_shown_without_a_model_run() {
    let data = data();
    let mut command = qwgpu(["eval", "--show-prompt", "--tasks", "snli", "--data"]);
    let output = command.arg(data.path()).arg("--model").arg(fixture("tiny-qwen")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("A man has 0 dogs.\nQuestion: He has 0 dogs. True, False or Neither?\nAnswer:"), "{text}");
    assert!(text.contains("choice \" Neither\""));
}

#[test]
fn what_cannot_be_asked_is_named() {
    let data = data();
    let out = tempfile::tempdir().unwrap();
    let fails = |arguments: &[&str]| {
        let output = asking("tiny-qwen", data.path(), out.path(), arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(fails(&["--tasks", "nothing"]).contains("one of mmlu"));
    assert!(fails(&["--tasks", "mmlu"]).contains("mmlu"));
    assert!(fails(&["--tasks", "snli", "--profile", "qwen"]).contains("one of own, chat"));
    assert!(fails(&["--tasks", "snli", "--shard", "4/3"]).contains("2/3"));
    assert!(fails(&["--tasks", "gsm8k", "--shots", "21"]).contains("at most 20"));
    assert!(fails(&["--tasks", "gsm8k", "--context", "100"]).contains("--context"));
}

/// Against lm-evaluation-harness on the real model: the same texts, and log-probabilities within 1e-2 of its exact
/// sums (docs/NUMERICS.md says why its logged ones are a little off).
#[test]
fn real_model_gives_what_the_harness_gave() {
    let paths = ["QWGPU_MODEL", "QWGPU_GOLDEN", "QWGPU_DATA"].map(|name| std::env::var_os(name).map(PathBuf::from));
    let [Some(model), Some(golden), Some(data)] = paths else {
        eprintln!("not run: set QWGPU_MODEL, QWGPU_GOLDEN and QWGPU_DATA");
        return;
    };
    for (task, set, local, limit, shots) in [
        ("mmlu:abstract_algebra", "mmlu_abstract_algebra", "mmlu_abstract_algebra", "8", "5"),
        ("truthfulqa_mc1", "truthfulqa_mc1", "truthfulqa_mc1", "6", "0"),
        ("truthfulqa_mc2", "truthfulqa_mc2", "truthfulqa_mc2", "6", "0"),
        ("snli", "snli", "snli_mnli_form", "6", "0"),
    ] {
        let out = tempfile::tempdir().unwrap();
        let mut command = qwgpu(["eval", "--path", "cpu", "--tasks", task, "--limit", limit, "--shots", shots]);
        command.arg("--model").arg(&model).arg("--data").arg(&data).arg("--out").arg(out.path());
        done(command);
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
