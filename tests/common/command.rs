//! Runs the built command.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

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
