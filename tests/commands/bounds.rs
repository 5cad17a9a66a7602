//! Requests without bounds: refused before memory runs out.

use crate::command::{ends, stderr};
use crate::errors::assert_says;
use crate::files::fixture;

/// A prompt without an end is refused and not read until memory ends.
#[cfg(unix)]
#[test]
fn a_prompt_without_an_end_is_refused() {
    let prompt = ["--prompt-file", "/dev/zero", "--path", "cpu"];
    let refused = ends(2, ["generate", "--model", fixture("tiny-qwen").to_str().unwrap()].iter().chain(&prompt));
    assert_says(stderr(&refused), &["/dev/zero", "at most 256 MiB of what is no plain file"]);
}

/// What does not fit into memory is refused before any of it is taken.
#[test]
fn a_model_larger_than_memory_is_refused() {
    let generate = ["generate", "--model", "random:qwen2.5-72b", "--prompt", "x", "--path", "cpu"];
    let context = ["--context", "32768"];
    let refused = ends(2, generate.iter().chain(&context));
    assert_says(stderr(&refused), &["out of device memory: qwen2.5-72b (weights", "of this machine's memory", "free"]);
}
