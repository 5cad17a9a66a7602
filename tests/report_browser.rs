//! report.html in a real browser, at phone and desktop width, light and dark: nothing wider than the window, no error,
//! every figure in sight, no text over another. Screenshots are left in target/report/.
//!
//! It needs Node.js, and Chromium: `QWGPU_CHROMIUM`, or one of the usual names on the path. Where either is missing the
//! tests are ignored, with the reason.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Arguments, Trial as Test};
use qwgpu::report;
use qwgpu::report::data::StudyResult;

static NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome", "chrome-headless-shell"];

static VIEWS: &[&str] = &["360 light", "360 dark", "1280 light", "1280 dark"];

fn main() {
    let arguments = Arguments::from_args();
    let missing = if arguments.list { Err("not run for a listing".to_owned()) } else { chromium() };
    let found = missing.map(|chromium| look(&chromium));
    if let Err(missing) = &found {
        eprintln!("The browser is skipped: {missing}");
    }
    let tests = VIEWS.iter().map(|&view| {
        let faults = found.as_ref().ok().map(|all| all.get(view).cloned());
        let test = Test::test(view, move || match faults.flatten() {
            Some(faults) if faults.is_empty() => Ok(()),
            Some(faults) => Err(faults.join("\n").into()),
            None => Err("the browser did not show it".into()),
        });
        if found.is_err() { test.with_kind("no browser").with_ignored_flag(true) } else { test }
    });
    libtest_mimic::run(&arguments, tests.collect()).exit();
}

/// Returns the browser, or what is missing.
fn chromium() -> Result<PathBuf, String> {
    let runs = |program: &Path| {
        let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !runs(Path::new("node")) {
        return Err("no Node.js; install version 20 or newer".to_owned());
    }
    if let Some(named) = std::env::var_os("QWGPU_CHROMIUM").map(PathBuf::from) {
        let missing = format!("QWGPU_CHROMIUM names {}, which does not run", named.display());
        return if runs(&named) { Ok(named) } else { Err(missing) };
    }
    let found = NAMES.iter().map(PathBuf::from).find(|name| runs(name));
    found.ok_or_else(|| format!("none of {} on the path; name one in QWGPU_CHROMIUM", NAMES.join(", ")))
}

/// Returns the faults that scripts/check_report.mjs finds in the made-up study's page, by view.
fn look(chromium: &Path) -> HashMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/report");
    let mut study = StudyResult::read(&root.join("fixtures/report/study.json")).expect("a sound study");
    // One with a name as long as files have them.
    let first = study.runs[0].model.clone();
    for run in study.runs.iter_mut().filter(|run| run.model == first) {
        run.model = "qwen2.5-coder-0.5b-instruct-q4_k_m".to_owned();
    }
    report::write(&study, &folder).expect("a folder to write to");
    let mut node = Command::new("node");
    node.arg(root.join("scripts/check_report.mjs")).arg(chromium).arg(folder.join("report.html"));
    let output = node.arg(folder.join("screenshots")).stderr(Stdio::inherit()).output().expect("node ran before");
    assert!(output.status.success(), "scripts/check_report.mjs failed");
    serde_json::from_slice(&output.stdout).expect("scripts/check_report.mjs prints JSON")
}
