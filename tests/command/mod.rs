//! Runs the built command.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// `qwgpu` with these arguments, its three streams piped.
pub fn qwgpu<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qwgpu"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("WGPU_BACKEND");
    command
}

#[allow(dead_code, reason = "not every test file that has this module needs it")]
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8 on standard output")
}

#[allow(dead_code, reason = "not every test file that has this module needs it")]
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The output, after checking the exit code and that nothing panicked.
#[track_caller]
#[allow(dead_code, reason = "not every test file that has this module needs it")]
pub fn ends<A: AsRef<OsStr>>(code: i32, arguments: impl IntoIterator<Item = A>) -> Output {
    ended(code, qwgpu(arguments).output().unwrap())
}

#[track_caller]
#[allow(dead_code, reason = "not every test file that has this module needs it")]
pub fn ended(code: i32, output: Output) -> Output {
    let messages = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{messages}");
    assert!(!messages.contains("panicked"), "{messages}");
    output
}

/// The one JSON value on standard output.
#[track_caller]
#[allow(dead_code, reason = "not every test file that has this module needs it")]
pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stdout(output)))
}
