//! `qwgpu eval` and `merge` on the bundled model: the same bytes however a run is cut in pieces, killed or shared
//! out.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use qwgpu::eval::{EvalSettings, Evaluation};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{ended, qwgpu, stderr};
use crate::errors::assert_says;
use crate::files::{fixture, put};

/// Made-up data of three tasks: one with a long common beginning, one with examples drawn, one with replies.
fn data() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: String| put(folder.path(), name, text);
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

#[track_caller]
fn done(mut command: Command) {
    ended(0, command.output().unwrap());
}

/// Returns the messages of a command that fails.
#[track_caller]
fn fails(mut command: Command) -> String {
    stderr(&ended(2, command.output().unwrap()))
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
fn shards_and_shared_beginnings_change_nothing() {
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
        fails(merge(shares.path()));
        done(eval(data.path(), shares.path(), &["--shard", share]));
    }
    done(merge(shares.path()));
    assert_same(&expected, &files(shares.path()), "three shares");
}

/// The system kills a run that writes more bytes to a file than it may: in the midst of a line, mostly.
#[cfg(unix)]
#[test]
fn kills_change_nothing() {
    use std::os::unix::process::{CommandExt, ExitStatusExt};

    use nix::sys::resource::{Resource, setrlimit};
    use nix::sys::signal::Signal;

    let data = data();
    let few = ["--context", "700", "--tasks", "snli,gsm8k", "--limit", "6", "--shots", "0", "--max-new-tokens", "8"];
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    done(asking("tiny-qwen", data.path(), whole.path(), &few));
    let bytes = std::fs::metadata(whole.path().join("journal.jsonl")).unwrap().len();
    for part in 1..6 {
        let most = bytes * part / 6;
        let mut command = asking("tiny-qwen", data.path(), killed.path(), &few);
        // SAFETY: between fork and exec, setrlimit is a system call alone.
        unsafe { command.pre_exec(move || Ok(setrlimit(Resource::RLIMIT_FSIZE, most, most)?)) };
        let status = command.output().unwrap().status;
        assert_eq!(status.signal(), Some(Signal::SIGXFSZ as i32), "at {most} of {bytes} bytes: {status}");
        assert_eq!(std::fs::metadata(killed.path().join("journal.jsonl")).unwrap().len(), most);
    }
    done(asking("tiny-qwen", data.path(), killed.path(), &few));
    assert_same(&files(whole.path()), &files(killed.path()), "after five kills");
}

#[test]
fn a_shard_prints_where_its_answers_are() {
    let (data, out) = (data(), tempfile::tempdir().unwrap());
    let few = ["--context", "100", "--tasks", "snli", "--limit", "5", "--shard", "2/2", "--json"];
    let ended = ended(0, asking("tiny-qwen", data.path(), out.path(), &few).output().unwrap());
    let written: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let journal = out.path().join("journal-2-of-2.jsonl");
    assert_eq!(written, json!({ "journal": journal, "shard": "2/2", "answers": 2 }));
    // One more line says what the answers are of.
    assert_eq!(std::fs::read_to_string(journal).unwrap().lines().count(), 3);
}

#[test]
fn a_journal_of_another_model_is_refused_by_name() {
    let data = data();
    let out = tempfile::tempdir().unwrap();
    let few = ["--context", "60", "--tasks", "snli", "--limit", "2"];
    done(asking("tiny-qwen", data.path(), out.path(), &few));
    let error = fails(asking("micro-qwen", data.path(), out.path(), &few));
    assert_says(error, &["tiny-qwen", "micro-qwen", "--fresh"]);
    done(asking("micro-qwen", data.path(), out.path(), &[&few[..], &["--fresh"]].concat()));
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
    assert_says(fails(few()), &["line 4", "check sum"]);
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
    assert_says(fails(merge(out.path())), &["limit", "9, as the other shares"]);
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

    // The harness's names of options mean the same.
    let harness = ["--limit", "3", "--num_fewshot", "1", "--log_samples", "--batch_size", "8"];
    done(ask(&harness));
    assert_eq!((count("results"), count("samples")), (2, 2));

    let twice = asking("tiny-qwen", data.path(), out.path(), &["--tasks", "snli,gsm8k,snli"]);
    assert_says(fails(twice), &["each task once"]);
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
    let few = ["--context", "700", "--tasks", "truthfulqa_gen", "--max-new-tokens", "8"];
    let (shared, unshared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    done(asking("tiny-qwen", data.path(), shared.path(), &few));
    done(asking("tiny-qwen", data.path(), unshared.path(), &[&few[..], &["--no-share"]].concat()));
    assert_same(&files(shared.path()), &files(unshared.path()), "without sharing");
}

/// Replies leave token ids on the device, which choices behind them must not take for rows. The choices in front give
/// the rows that no reply fills other ids than 0.
#[test]
fn choices_may_follow_replies() {
    let data = data();
    let (alone, behind) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let common = ["--context", "700", "--limit", "2", "--shots", "1", "--max-new-tokens", "4", "--tasks"];
    done(asking("tiny-qwen", data.path(), alone.path(), &[&common[..], &["snli"]].concat()));
    done(asking("tiny-qwen", data.path(), behind.path(), &[&common[..], &["truthfulqa_mc1,gsm8k,snli"]].concat()));
    let samples = |out: &TempDir| files(out.path()).into_iter().find(|(name, _)| name == "samples_snli").unwrap();
    assert_eq!(samples(&alone), samples(&behind));
}

fn settings(data: &Path) -> EvalSettings {
    let (model, tasks) = (fixture("tiny-qwen"), vec!["snli".to_owned()]);
    EvalSettings { model, data: data.to_owned(), tasks, context: 700, ..EvalSettings::default() }
}

#[test]
fn only_one_run_writes_a_journal() {
    let (data, out) = (data(), tempfile::tempdir().unwrap());
    let journal =
        Evaluation::prepare(settings(data.path())).unwrap().journal(&out.path().join("journal.jsonl"), false).unwrap();
    assert_says(fails(eval(data.path(), out.path(), &[])), &["under way"]);
    drop(journal);
}

#[test]
fn names_of_models_become_folders() {
    let (data, out) = (data(), tempfile::tempdir().unwrap());
    let settings = EvalSettings { label: "a/b:c//d".to_owned(), ..settings(data.path()) };
    let results = Evaluation::prepare(settings).unwrap().finish(&HashMap::new(), 951_782_400).write(out.path());
    assert_eq!(results.unwrap(), out.path().join("a__b__c__d/results_2000-02-29T00-00-00.json"));
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
    for (arguments, why) in [
        (&["--tasks", "nothing"][..], "one of mmlu"),
        (&["--tasks", "mmlu"], "mmlu"),
        (&["--tasks", "snli", "--profile", "qwen"], "one of own, chat"),
        (&["--tasks", "snli", "--shard", "4/3"], "2/3"),
        (&["--tasks", "gsm8k", "--shots", "21"], "at most 20"),
        (&["--tasks", "gsm8k", "--context", "100"], "--context"),
    ] {
        assert_says(fails(asking("tiny-qwen", data.path(), out.path(), arguments)), &[why]);
    }
}
