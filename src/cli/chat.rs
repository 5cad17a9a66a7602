//! `qwgpu chat`: a conversation, line by line.

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use clap::builder::{OsStringValueParser, TypedValueParser};
use rustyline::error::ReadlineError;
use rustyline::{
    Behavior, Cmd, ConditionalEventHandler, Config, DefaultEditor, Event, EventContext, EventHandler, KeyEvent,
    RepeatCount,
};

use super::interrupt::{self, InterruptGuard};
use super::model::ModelArgs;
use super::options::with_options;
use super::output::{ExitStatus, note, print_out};
use super::sampling::SamplingArgs;
use super::values::{count, utf8};
use crate::error::Error;
use crate::generate::{Conversation, Flow, Model, Reply, ReplyOptions, Sampling};

const HELP: &str = "\
Commands:
  /reset        forget the conversation, keep the system message
  /system TEXT  set the system message (none removes it), keep the conversation
  /help         list the commands and keys
  /quit         leave, as Ctrl-D does

Ctrl-C stops a reply and keeps what came; at the prompt it drops the line, and on an empty line leaves.

Examples:
  qwgpu chat --model Qwen2.5-0.5B-Instruct --system 'Answer in one sentence.'
  qwgpu chat --model model.gguf --temperature 0
  printf 'What is a river?\\nAnd a lake?\\n' | qwgpu chat --model model.gguf";

const COMMANDS: &str = "\
/reset        forget the conversation, keep the system message
/system TEXT  set the system message (none removes it), keep the conversation
/help         this list
/quit         leave, as Ctrl-D does
Ctrl-C stops a reply; at the prompt it drops the line, and on an empty line leaves.
A message that starts with / needs a space in front.";

/// Chat with a model
///
/// Each line is a message. Replies go to standard output as they come, everything else to standard error. The model sees
/// the whole conversation; a message that no longer fits in --context is refused, and /reset starts afresh. Without a
/// terminal, messages are the lines of standard input.
///
/// Sampling options that are not given are those of the model's generation_config.json, as in transformers. The same seed
/// and messages give the same replies.
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// System message; without one the model's template may put in its own
    #[arg(long, value_name = "TEXT", value_parser = OsStringValueParser::new().try_map(utf8))]
    system: Option<String>,
    /// Longest reply in tokens
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = count)]
    max_new_tokens: usize,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Command of a line.
#[derive(Debug, PartialEq)]
enum ChatLine<'a> {
    Nothing,
    Say(&'a str),
    Reset,
    System(Option<&'a str>),
    Help,
    Quit,
    Unknown(&'a str),
}

fn parse(line: &str) -> ChatLine<'_> {
    if !line.starts_with('/') {
        return if line.trim().is_empty() { ChatLine::Nothing } else { ChatLine::Say(line.trim()) };
    }
    let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match (command, rest.trim()) {
        ("/reset", "") => ChatLine::Reset,
        ("/system", "") => ChatLine::System(None),
        ("/system", text) => ChatLine::System(Some(text)),
        ("/help", "") => ChatLine::Help,
        ("/quit", "") => ChatLine::Quit,
        _ => ChatLine::Unknown(command),
    }
}

pub fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    args.model.expect_tokenizer()?;
    let mut model = args.model.load_for_chat()?;
    let recommended = Sampling::recommended(&model.generation, Path::new(&args.model.model))?;
    let sampling = args.sampling.over(recommended)?;
    let lookup = args.sampling.lookup();
    let options = ReplyOptions { max_new_tokens: args.max_new_tokens, sampling, ignore_eos: false, lookup };
    let mut conversation = Conversation::new(args.system.as_deref());
    let mut refused = false;
    let mut input = Input::open()?;
    if let Input::Terminal(_) = input {
        note("/help lists the commands, Ctrl-D leaves");
    }
    while let Some(line) = input.next()? {
        match parse(&line) {
            ChatLine::Nothing => {}
            ChatLine::Say(text) => refused |= !say(&mut conversation, &mut model, text, &options)?,
            ChatLine::Reset => {
                conversation.reset();
                note("the conversation starts afresh");
            }
            ChatLine::System(text) => {
                conversation.set_system(text);
                note(if text.is_some() { "system message set" } else { "system message removed" });
            }
            ChatLine::Help => note(COMMANDS),
            ChatLine::Quit => break,
            ChatLine::Unknown(command) => note(&format!("unknown command {command}; /help lists them")),
        }
    }
    // At a terminal the user has seen it, and gone on.
    Ok(if refused && matches!(input, Input::Pipe(_)) { ExitStatus::Failed } else { ExitStatus::Done })
}

/// Gives a message to the model and prints its reply. Returns false where the message did not fit.
fn say(conversation: &mut Conversation, model: &mut Model, text: &str, options: &ReplyOptions) -> anyhow::Result<bool> {
    let hold: InterruptGuard = interrupt::hold();
    let result = conversation.say(model, text, options, &mut |piece| {
        if interrupt::pressed() {
            return Ok(Flow::Stop);
        }
        // Only a closed standard output fails, and that ends the program in `print_out`.
        let _ = print_out(piece);
        Ok(Flow::Continue)
    });
    let stopped = interrupt::pressed();
    drop(hold);
    match result {
        Ok(reply) => {
            print_out("\n")?;
            note(&summary(model, &reply, options, stopped));
            Ok(true)
        }
        // The message did not fit; the conversation goes on without it.
        Err(error @ Error::Request { .. }) => {
            note(&with_options(&format!("qwgpu: {error}")));
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// `[9 tokens at 41.3/s; read 12 at 210.0/s; 64 of 4096 in context]`
fn summary(model: &Model, reply: &Reply, options: &ReplyOptions, stopped: bool) -> String {
    let at = |rate: Option<f64>| rate.map(|r| format!(" at {r:.1}/s")).unwrap_or_default();
    let engine = &model.engine;
    let finished = reply.ids.last().is_some_and(|id| model.stop.contains(id));
    let why = if stopped {
        "; stopped"
    } else if finished {
        ""
    } else if reply.ids.len() >= options.max_new_tokens {
        "; cut at --max-new-tokens"
    } else {
        "; the context is full: /reset starts afresh, a larger --context holds more"
    };
    format!(
        "[{} tokens{}{}; read {}{}; {} of {} in context{why}]",
        reply.ids.len(),
        at(reply.decode_tokens_per_s()),
        reply.lookup.map(|counts| format!(", {counts}")).unwrap_or_default(),
        reply.fed,
        at(reply.prefill_tokens_per_s()),
        engine.len(),
        engine.context(),
    )
}

/// Source of lines.
enum Input {
    Terminal(Box<DefaultEditor>),
    Pipe(std::io::StdinLock<'static>),
}

impl Input {
    fn open() -> anyhow::Result<Input> {
        if !std::io::stdin().is_terminal() {
            return Ok(Input::Pipe(std::io::stdin().lock()));
        }
        // The terminal itself, so that a redirected standard output holds the replies alone.
        let config = Config::builder().behavior(Behavior::PreferTerm).auto_add_history(true).build();
        let mut editor = DefaultEditor::with_config(config)?;
        editor.bind_sequence(KeyEvent::ctrl('c'), EventHandler::Conditional(Box::new(CtrlC)));
        Ok(Input::Terminal(Box::new(editor)))
    }

    /// The next line; none at the end.
    fn next(&mut self) -> anyhow::Result<Option<String>> {
        match self {
            Input::Terminal(editor) => loop {
                match editor.readline("> ") {
                    Ok(line) => return Ok(Some(line)),
                    Err(ReadlineError::Interrupted) => {}
                    Err(ReadlineError::Eof) => return Ok(None),
                    Err(error) => return Err(error.into()),
                }
            },
            Input::Pipe(stdin) => {
                let mut line = Vec::new();
                if stdin.read_until(b'\n', &mut line)? == 0 {
                    return Ok(None);
                }
                let line = String::from_utf8(line).map_err(|e| {
                    let at = format!("other bytes at offset {} of a line", e.utf8_error().valid_up_to());
                    Error::request("standard input", "UTF-8 text", at, "convert it to UTF-8")
                })?;
                Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
            }
        }
    }
}

/// Ctrl-C drops a line, and leaves where there is none.
struct CtrlC;

impl ConditionalEventHandler for CtrlC {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        Some(if context.line().is_empty() { Cmd::EndOfFile } else { Cmd::Interrupt })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_or_commands() {
        assert_eq!(parse("  "), ChatLine::Nothing);
        assert_eq!(parse(" /etc is a folder "), ChatLine::Say("/etc is a folder"));
        assert_eq!(parse("/system Be brief. "), ChatLine::System(Some("Be brief.")));
        assert_eq!(parse("/system"), ChatLine::System(None));
        assert_eq!(parse("/quit"), ChatLine::Quit);
        assert_eq!(parse("/quit now"), ChatLine::Unknown("/quit"));
        assert_eq!(parse("/etc"), ChatLine::Unknown("/etc"));
    }
}
