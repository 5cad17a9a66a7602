//! Requests without bounds: refused before memory runs out.
#![cfg(unix)]

use crate::command::{ends, stderr};
use crate::errors::assert_says;
use crate::files::fixture;

/// A prompt without an end is refused and not read until memory ends.
#[test]
fn a_prompt_without_an_end_is_refused() {
    let prompt = ["--prompt-file", "/dev/zero", "--path", "cpu"];
    let refused = ends(2, ["generate", "--model", fixture("tiny-qwen").to_str().unwrap()].iter().chain(&prompt));
    assert_says(stderr(&refused), &["/dev/zero", "at most 256 MiB of what is no plain file"]);
}
