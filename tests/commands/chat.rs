//! `qwgpu chat` through a pipe, Ctrl-C, and streams that close early.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Output, Stdio};

use crate::command::{ended, ends, qwgpu, stderr, stdout};
use crate::micro;

/// What `qwgpu chat` makes of these lines.
fn chat(model: &Path, more: &[&str], lines: &str) -> Output {
    chat_ends(0, model, more, lines)
}

fn chat_ends(code: i32, model: &Path, more: &[&str], lines: &str) -> Output {
    let arguments = ["chat", "--model", model.to_str().unwrap(), "--path", "cpu", "--max-new-tokens", "12"];
    let mut child = start(arguments.iter().chain(more));
    // The program may have ended before it reads.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    ended(code, child.wait_with_output().unwrap())
}

fn start<'a>(arguments: impl IntoIterator<Item = &'a &'a str>) -> Child {
    qwgpu(arguments).stdin(Stdio::piped()).spawn().unwrap()
}

/// The lines about each reply, such as `[12 tokens at 9.1/s; read 61 at 9.1/s; 72 of 512 in context]`.
fn summaries(output: &Output) -> Vec<String> {
    stderr(output).lines().filter(|line| line.starts_with('[')).map(str::to_owned).collect()
}

/// The tokens that a reply's prompt fed.
fn fed(summary: &str) -> usize {
    let (_, rest) = summary.split_once("read ").unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_script_drives_it_and_only_new_tokens_are_read() {
    let output = chat(&micro::folder(), &[], "hello\n\nwhat\n/reset\nhello\n/quit\nnever read\n");
    let replies = stdout(&output);
    let replies: Vec<&str> = replies.lines().collect();
    let said = summaries(&output);
    assert_eq!((replies.len(), said.len()), (3, 3), "{replies:?} {said:?}");
    assert_eq!(replies[0], replies[2]);
    // The whole prompt; the new message with its frame; the last token of a prompt in the cache.
    assert_eq!(fed(&said[0]), 62);
    assert!((10..62).contains(&fed(&said[1])), "{said:?}");
    assert_eq!(fed(&said[2]), 1);
}

#[test]
fn the_end_of_input_ends_it() {
    assert_eq!(stdout(&chat(&micro::folder(), &[], "")), "");
    // A last line without its newline counts.
    assert_eq!(summaries(&chat(&micro::folder(), &[], "hello")).len(), 1);
}

#[test]
fn commands_are_carried_out() {
    let lines = "/system Be brief.\nhello\n/system\nhello\n/nonsense\n/help\n";
    let output = chat(&micro::folder(), &["--system", "Be long."], lines);
    let messages = stderr(&output);
    for word in ["system message set", "system message removed", "unknown command /nonsense", "/reset  ", "Ctrl-C"] {
        assert!(messages.contains(word), "{word:?} is not in: {messages}");
    }
    // Another start of the conversation is read anew, but for what the template puts in front.
    let said = summaries(&output);
    assert!(fed(&said[1]) > 60, "{said:?}");
}

#[test]
fn a_full_context_is_said_and_reset_mends_it() {
    // A script hears that a message was refused.
    let output = chat_ends(1, &micro::folder(), &["--context", "80"], "hello\nand more of it\n/reset\nhello\n");
    let messages = stderr(&output);
    assert_eq!(summaries(&output).len(), 2, "{messages}");
    assert!(messages.contains("conversation: expected at most 79 tokens"), "{messages}");
    assert!(messages.contains("/reset starts afresh"), "{messages}");
    let output = chat(&micro::folder(), &["--context", "66"], "hello\n");
    assert!(summaries(&output)[0].contains("the context is full"), "{:?}", summaries(&output));
}

#[test]
fn the_models_own_sampling_is_the_default() {
    let hot = micro::with_config(|_| ());
    let recommended = r#"{ "do_sample": true, "temperature": 9.0, "top_k": 0, "eos_token_id": [258, 256] }"#;
    std::fs::write(hot.path().join("generation_config.json"), recommended).unwrap();
    let greedy = stdout(&chat(&micro::folder(), &[], "hello\n"));
    assert_ne!(stdout(&chat(hot.path(), &[], "hello\n")), greedy);
    assert_eq!(stdout(&chat(hot.path(), &["--temperature", "0"], "hello\n")), greedy);
    assert_eq!(stdout(&chat(hot.path(), &["--top-k", "1"], "hello\n")), greedy);
    let wrong = r#"{ "do_sample": true, "temperature": "hot" }"#;
    std::fs::write(hot.path().join("generation_config.json"), wrong).unwrap();
    let model = hot.path().to_str().unwrap();
    let message = stderr(&ends(2, ["chat", "--model", model, "--path", "cpu"]));
    assert!(message.contains("generation_config.json: temperature"), "{message}");
}

#[cfg(unix)]
mod signals {
    use std::io::{BufRead, BufReader, Read};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use tempfile::TempDir;

    use super::*;

    /// Returns a model whose replies end only with the context: the rows of the tokens that end one are zero.
    fn endless() -> TempDir {
        let context = |config: &mut serde_json::Map<String, serde_json::Value>| {
            config.insert("max_position_embeddings".into(), 65_536.into());
        };
        micro::with_weights(context, |name, mut weight| {
            if name == "lm_head.weight" {
                for token in 256..259 {
                    weight.bytes[token * 128..(token + 1) * 128].fill(0);
                }
            }
            Some(weight)
        })
    }

    fn interrupt(child: &Child) {
        kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    }

    /// Waits for the end of a program. One that does not stop shows as a test that does not end.
    fn exit_code(child: &mut Child) -> Option<i32> {
        child.wait().unwrap().code()
    }

    const LONG: [&str; 4] = ["--max-new-tokens", "60000", "--context", "65536"];

    /// Waits for the reply's first byte.
    fn await_text(child: &mut Child) -> std::process::ChildStdout {
        let mut text = child.stdout.take().unwrap();
        text.read_exact(&mut [0]).unwrap();
        text
    }

    #[test]
    fn ctrl_c_ends_a_generation() {
        let endless = endless();
        let model = endless.path().to_str().unwrap();
        for how in [&["--path", "cpu"][..], &["--path", "fast"]] {
            let words = ["generate", "--model", model, "--prompt", "hello"];
            let mut child = start(words.iter().chain(how).chain(&LONG));
            let _text = await_text(&mut child);
            interrupt(&child);
            assert_eq!(exit_code(&mut child), Some(130));
        }
    }

    #[test]
    fn ctrl_c_ends_the_loading() {
        let mut child = start(&["generate", "--model", "random:qwen2.5-0.5b", "--prompt", "a", "--path", "cpu"]);
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("adapter"), "{line}");
        interrupt(&child);
        assert_eq!(exit_code(&mut child), Some(130));
    }

    #[test]
    fn ctrl_c_ends_a_reply_and_not_the_chat() {
        let endless = endless();
        let words = ["chat", "--model", endless.path().to_str().unwrap(), "--path", "cpu"];
        let mut child = start(words.iter().chain(&LONG));
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"hello\n").unwrap();
        let mut text = await_text(&mut child);
        interrupt(&child);
        // The reply ends with its line, then the next one comes.
        let mut byte = [0];
        while byte != *b"\n" {
            text.read_exact(&mut byte).unwrap();
        }
        stdin.write_all(b"/quit\n").unwrap();
        assert_eq!(exit_code(&mut child), Some(0));
        let mut messages = String::new();
        child.stderr.take().unwrap().read_to_string(&mut messages).unwrap();
        assert!(messages.contains("; stopped]"), "{messages}");
    }

    #[test]
    fn ctrl_c_between_replies_ends_the_chat() {
        let model = micro::folder();
        let mut child = start(&["chat", "--model", model.to_str().unwrap(), "--path", "cpu"]);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"/reset\n").unwrap();
        // Once this is answered, it waits for a line.
        let mut messages = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(messages.any(|line| line.contains("afresh")));
        interrupt(&child);
        assert_eq!(exit_code(&mut child), Some(130));
    }

    #[test]
    fn a_closed_standard_output_ends_it_quietly() {
        let endless = endless();
        let model = endless.path().to_str().unwrap();
        for how in [&["--path", "cpu"][..], &["--path", "fast"]] {
            let words = ["generate", "--model", model, "--prompt", "hello"];
            let mut child = start(words.iter().chain(how).chain(&LONG));
            drop(await_text(&mut child));
            assert_eq!(exit_code(&mut child), Some(0));
            let mut messages = String::new();
            child.stderr.take().unwrap().read_to_string(&mut messages).unwrap();
            assert_eq!(messages.lines().count(), 1, "{messages}");
        }
    }

    #[test]
    fn a_closed_standard_error_changes_nothing() {
        let model = micro::folder();
        let words = ["generate", "--model", model.to_str().unwrap(), "--prompt", "hello", "--path", "cpu"];
        let mut child = start(&words);
        drop(child.stderr.take());
        assert_eq!(exit_code(&mut child), Some(0));
    }
}
