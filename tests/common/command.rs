//! Runs the built command.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Returns `qwgpu` with these arguments: standard input empty, the other streams piped.
pub fn qwgpu<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qwgpu"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("WGPU_BACKEND");
    command
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8 on standard output")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs `qwgpu` and returns its output, after checking the exit code and that nothing panicked.
#[track_caller]
pub fn ends<A: AsRef<OsStr>>(code: i32, arguments: impl IntoIterator<Item = A>) -> Output {
    ended(code, qwgpu(arguments).output().unwrap())
}

/// Returns `output`, after checking the exit code and that nothing panicked.
#[track_caller]
pub fn ended(code: i32, output: Output) -> Output {
    let messages = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{messages}");
    assert!(!messages.contains("panicked"), "{messages}");
    output
}

/// Returns the one JSON value on standard output.
#[track_caller]
pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stdout(output)))
}

/// Starts a command whose output nobody reads and waits until it has come to `point`. Returns the run, or nothing if
/// it ended well before.
pub fn running_at(mut command: Command, mut point: impl FnMut() -> bool) -> Option<Child> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !point() {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{command:?}: {status}");
            return None;
        }
        // Only leaves the processor to the command: no result depends on how long this takes.
        std::thread::sleep(Duration::from_millis(1));
    }
    Some(child)
}

/// Kills a command as soon as it has written a line to standard error that `is_point` accepts. Returns whether there
/// was such a line.
pub fn killed_at_line(mut command: Command, mut is_point: impl FnMut(&str) -> bool) -> bool {
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let met = lines.any(|line| is_point(&line));
    if met {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    assert!(met || status.success(), "{command:?}: {status}");
    met
}

/// Kills a command as soon as it has come to `point`. Returns whether the kill met a run under way.
pub fn killed_at(command: Command, point: impl FnMut() -> bool) -> bool {
    let Some(mut child) = running_at(command, point) else { return false };
    child.kill().unwrap();
    let status = child.wait().unwrap();
    // On Unix a killed process has no exit code.
    if cfg!(unix) { status.code().is_none() } else { !status.success() }
}
