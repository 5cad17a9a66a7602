//! `qwgpu study` from a model to its report, on the bundled model and made-up data.

use std::path::Path;
use std::process::Command;

use qwgpu::report::data::{Memory, Purpose, RunResult, StudyResult};
use serde_json::json;

use crate::command::{ended, killed_at_line, qwgpu, stderr, stdout};
use crate::files::{copy_folder, fixture, put};

pub fn study(data: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = qwgpu([
        "study",
        "--path",
        "cpu",
        "--context",
        "200",
        "--tasks",
        "snli",
        "--limit",
        "6",
        "--texts",
        "ptb",
        "--window",
        "64",
        "--windows",
        "2",
        "--bits",
        "2",
        "--calibration-samples",
        "2",
        "--calibration-length",
        "64",
    ]);
    command.arg("--model").arg(fixture("tiny-qwen")).arg("--calibration").arg(fixture("tiny-prose.txt"));
    command.arg("--data").arg(data).arg("--out").arg(out).args(more);
    if !more.contains(&"--speed") {
        command.args(["--speed", "8/4"]);
    }
    command.env("XDG_CACHE_HOME", data.join("cache"));
    command
}

/// Made-up data of one task and one text.
pub fn data() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let put = |name: &str, text: String| put(data.path(), name, text);
    let rows = (0..9).map(|n| format!("A man has {n} dogs.\tHe has {} dogs\t{}\n", n % 5, n % 3));
    put("snli/test.tsv", "premise\thypothesis\tlabel\n".to_owned() + &rows.collect::<String>());
    put("ptb/ptb.test.txt", (0..60).map(|n| format!(" the cat sat on mat {n} \n")).collect());
    data
}

#[test]
fn a_study_is_measured_once_and_reported() {
    let data = data();
    let out = tempfile::tempdir().unwrap();

    // The matrix alone: what it costs, and nothing measured.
    let new = out.path().join("new");
    let plan = ended(0, study(data.path(), &new, &["--plan", "--equal-bits"]).output().unwrap());
    let text = stdout(&plan);
    assert!(
        text.contains("forms: bf16, int8-8, gptq-2, spqr-2, spqr-2-equal-bits")
            && text.contains("takes less than a minute"),
        "{text}"
    );
    assert!(!new.exists(), "a plan writes nothing");

    let arguments = ["--equal-bits"];
    let first = ended(0, study(data.path(), out.path(), &arguments).output().unwrap());
    assert!(stderr(&first).contains("PTB: perplexity"));
    let found = StudyResult::read(&out.path().join("study.json")).unwrap();
    let forms: Vec<_> = found.runs.iter().map(|run| (run.method.as_str(), run.bits, run.purpose)).collect();
    assert_eq!(
        forms,
        [
            ("bf16", 16, Purpose::Preset),
            // Its only width, though --bits names another.
            ("int8", 8, Purpose::Preset),
            ("gptq", 2, Purpose::Preset),
            ("spqr", 2, Purpose::Preset),
            ("spqr", 2, Purpose::EqualBits)
        ]
    );
    for run in &found.runs {
        let score = run.scores.iter().find(|score| score.primary).unwrap();
        assert_eq!((score.documents, score.items.len(), score.errors), (6, 6, 0));
        for file in [score.samples.as_ref().unwrap(), run.perplexities[0].samples.as_ref().unwrap()] {
            assert!(out.path().join(file).is_file(), "{file}");
        }
        assert_eq!(run.perplexities[0].windows.len(), 2);
        match (run.method.as_str(), run.perplexities[0].distance) {
            ("bf16", distance) => assert_eq!(distance, None),
            (_, None) => panic!("{:?} has no divergence from 16 bits", run.method),
            (_, Some(distance)) => assert!(distance.positions == 63 && distance.mean > 0.0, "{distance:?}"),
        }
        assert!(run.memory.weights.unwrap() > 0 && !run.speeds[0].decode.is_empty());
    }
    assert_eq!(found.runs[1].scores[0].digest, found.runs[0].scores[0].digest, "the same prompts");
    let page = std::fs::read_to_string(out.path().join("report.html")).unwrap();
    assert!(page.contains("tiny-qwen") && page.contains("SpQR"));

    // Again: all is there, so no model is loaded, and the numbers are the same.
    let second = ended(0, study(data.path(), out.path(), &arguments).output().unwrap());
    assert!(!stderr(&second).contains("perplexity"), "{}", stderr(&second));
    let [_, int8, gptq, ..] = &found.runs[..] else { unreachable!("asserted above") };
    let mean = |run: &RunResult| run.perplexities[0].distance.unwrap().mean;
    assert!(mean(int8) < mean(gptq), "8 bits are nearer to 16 than 2 are: {} {}", mean(int8), mean(gptq));
    let again = StudyResult::read(&out.path().join("study.json")).unwrap();
    assert_eq!(json!(again.runs), json!(found.runs));
}

/// Two models whose names differ behind a dot only, of which one has a weight that is no number.
#[test]
fn a_form_that_cannot_be_measured_is_left_out() {
    let data = data();
    let out = tempfile::tempdir().unwrap();
    let names = ["tiny-0.5b", "tiny-0.7b"];
    for name in names {
        copy_folder(&fixture("tiny-qwen"), &data.path().join(name));
    }
    let weights = data.path().join(names[1]).join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let end = bytes.len();
    bytes[end - 2..].copy_from_slice(&[0xff, 0x7f]);
    std::fs::write(&weights, bytes).unwrap();

    let [sound, broken] = names.map(|name| data.path().join(name).display().to_string());
    let both = ["--methods", "int8", "--model", &sound, "--model", &broken];
    let ended = ended(1, study(data.path(), out.path(), &both).output().unwrap());
    assert!(stderr(&ended).contains("tiny-0.7b bf16 is left out"), "{}", stderr(&ended));
    let found = StudyResult::read(&out.path().join("study.json")).unwrap();
    let measured: Vec<&str> = found.runs.iter().map(|run| run.model.as_str()).collect();
    assert_eq!(measured, ["tiny-qwen", "tiny-qwen", names[0], names[0]]);
    let left_out: Vec<&str> = found.failures.iter().map(|failure| failure.name.as_str()).collect();
    assert_eq!(left_out, ["tiny-0.7b bf16", "tiny-0.7b int8-8"]);
    assert!(found.failures[0].value.contains("NaN"), "{}", found.failures[0].value);
    assert!(found.missing.is_empty());
    let page = std::fs::read_to_string(out.path().join("report.html")).unwrap();
    assert!(page.contains("tiny-0.7b int8-8"), "the page says what was left out");
}

/// A text with the same beginning is another text.
#[test]
fn another_text_is_measured_anew() {
    let data = data();
    let out = tempfile::tempdir().unwrap();
    let perplexity = || {
        ended(0, study(data.path(), out.path(), &["--methods", "int8"]).output().unwrap());
        let study = StudyResult::read(&out.path().join("study.json")).unwrap();
        study.runs.iter().map(|run| (run.perplexities[0].value, run.perplexities[0].distance)).collect::<Vec<_>>()
    };
    let first = perplexity();
    let file = data.path().join("ptb/ptb.test.txt");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("mat 3", "hat 3")).unwrap();
    let second = perplexity();
    assert!(first[0].0 != second[0].0 && first[1].0 != second[1].0, "{first:?} {second:?}");
    assert!(first[1].1 != second[1].1, "{first:?} {second:?}");
}

#[test]
fn a_study_that_cannot_be_is_refused_before_it_begins() {
    let data = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    let error = |more: &[&str]| stderr(&ended(2, study(data.path(), out.path(), more).output().unwrap()));
    assert!(error(&[]).contains("ptb.test.txt"));
    let tiny = fixture("tiny-qwen").display().to_string();
    put(data.path(), "ptb/ptb.test.txt", "the cat sat on the mat ".repeat(60));
    put(data.path(), "snli/test.tsv", "premise\thypothesis\tlabel\nA.\tB.\t0\n");
    assert!(error(&["--model", &tiny]).contains("different names"));
    assert!(error(&["--methods", "nothing"]).contains("rtn, int8, gptq, spqr"));
    assert!(error(&["--preset", "nothing"]).contains("correlation"));
    let long = error(&["--speed", "512/128", "--plan"]);
    assert!(long.contains("--speed: expected at most 200 tokens") && long.contains("found 512/128"), "{long}");
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0, "what is refused leaves nothing");
}

/// The longest prompt and reply that `--plan` lets pass can be measured.
#[test]
fn speed_may_fill_the_context() {
    let data = data();
    let out = tempfile::tempdir().unwrap();
    let run = |speed| study(data.path(), out.path(), &["--methods", "int8", "--speed", speed]).output().unwrap();
    ended(2, run("196/5"));
    ended(0, run("196/4"));
    // Memory alone is measured without speed,.
    ended(0, run("0/0"));
    let runs = StudyResult::read(&out.path().join("study.json")).unwrap().runs;
    assert!(runs.iter().all(|run| run.speeds.is_empty() && run.memory.scratch.is_some()));
}

/// Memory does not depend on what a process did before: measured in any order, or gone on with after a kill.
#[test]
fn memory_is_the_same_in_any_order() {
    let data = data();
    let forms = ["int8", "gptq", "spqr"];
    let measured = |kill_at: Option<&str>, methods: &[&str]| {
        let out = tempfile::tempdir().unwrap();
        let methods = methods.join(",");
        let command = || study(data.path(), out.path(), &["--methods", &methods]);
        if let Some(line) = kill_at {
            assert!(killed_at_line(command(), |found| found.contains(line)), "{line}");
        }
        ended(0, command().output().unwrap());
        let study = StudyResult::read(&out.path().join("study.json")).unwrap();
        study.runs.into_iter().map(|run| (run.method, run.memory)).collect::<Vec<_>>()
    };
    let whole = measured(None, &forms);
    let killed = measured(Some("tiny-qwen gptq-2: 3 of 4"), &forms);
    let device = |all: &[(String, Memory)]| {
        all.iter().map(|(method, m)| (method.clone(), [m.weights, m.kv, m.scratch])).collect::<Vec<_>>()
    };
    assert_eq!(device(&whole), device(&killed));
    for alone in device(&measured(None, &forms[..1])) {
        assert!(device(&whole).contains(&alone), "{alone:?} {whole:?}");
    }
    if cfg!(target_os = "linux") {
        assert!(whole.iter().all(|(_, memory)| memory.host_rss_peak.is_some()), "{whole:?}");
    }
}

#[test]
fn a_second_study_does_not_write_the_same_folder() {
    let data = data();
    let out = tempfile::tempdir().unwrap();
    // As a study that is under way holds it.
    let held = std::fs::File::create(out.path().join("lock")).unwrap();
    held.lock().unwrap();
    let run = || study(data.path(), out.path(), &["--methods", "int8"]).output().unwrap();
    let second = ended(2, run());
    assert!(stderr(&second).contains("no other process writes"), "{}", stderr(&second));
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 1, "nothing but the lock");
    drop(held);
    ended(0, run());
    // Its own lock ended with it.
    ended(0, run());
}

/// Two forms may give the same line, and the adapter is named once.
#[test]
fn lines_of_results_are_all_printed() {
    let data = data();
    let out = tempfile::tempdir().unwrap();
    let two = data.path().join("two");
    copy_folder(&fixture("tiny-qwen"), &two);
    let both = ["--methods", "int8", "--model", two.to_str().unwrap()];
    let messages = stderr(&ended(0, study(data.path(), out.path(), &both).output().unwrap()));
    let perplexities: Vec<&str> = messages.lines().filter(|line| line.starts_with("PTB: perplexity")).collect();
    assert!(perplexities.len() == 4 && perplexities[0] == perplexities[2], "{messages}");
    let (_, measured) = messages.split_once("== tiny-qwen").unwrap();
    assert!(!measured.contains("adapter:"), "{messages}");
}
