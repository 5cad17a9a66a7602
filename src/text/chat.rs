//! A conversation as the one string that a model was trained on.

use std::error::Error as _;
use std::{io, thread};

use chrono::{DateTime, NaiveDateTime};
use minijinja::{ErrorKind, Value};

use super::builtins::environment;
use crate::{Error, Result, date};

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

impl Message {
    /// Returns a message of `role`.
    pub fn new(role: &str, content: &str) -> Message {
        Message { role: role.to_owned(), content: content.to_owned() }
    }
}

/// A model's own Jinja template, rendered as `transformers` renders it.
///
/// A template comes with the weights and has no access to anything. Its length, its instructions (by the number of
/// messages), its output and the text that a filter makes are bounded: beyond the bounds it ends in
/// [`Error::Template`]. A value that it doubles again and again, as `s ~ s` in a loop does, is not bounded: the engine
/// has no way to count it, so a template made to do harm can still use up memory and time. One that prints a namespace
/// which contains itself ends the process, since the engine follows it without end.
pub struct ChatTemplate {
    source: String,
    bos_token: Option<String>,
    eos_token: Option<String>,
    time: Option<NaiveDateTime>,
    /// True if the model has none.
    assumed: bool,
}

const NAME: &str = "chat_template";
/// The largest template seen has 30 thousand bytes.
const MAX_SOURCE: usize = 64 << 10;
/// The parser recurses for each `elif` and each operator of a chain: the stack holds as many as [`MAX_SOURCE`] has.
const STACK: usize = 256 << 20;
/// Instructions of a render.
const FUEL: u64 = 20_000;
const FUEL_PER_MESSAGE: u64 = 2_000;
/// Bytes of a prompt.
const MAX_OUTPUT: usize = 16 << 20;
const MAX_OUTPUT_PER_INPUT: usize = 16;

impl ChatTemplate {
    /// Reads a template; the tokens are those that it calls `bos_token` and `eos_token`.
    ///
    /// # Errors
    /// The template is too long or not Jinja.
    pub fn new(source: &str, bos_token: Option<&str>, eos_token: Option<&str>) -> Result<ChatTemplate> {
        if source.len() > MAX_SOURCE {
            let length = source.len();
            return Err(Error::Template(format!("{length} bytes long; at most {MAX_SOURCE} are read")));
        }
        apart(|| {
            environment(0, date::date_time())?.template_from_named_str(NAME, source)?;
            Ok(())
        })?;
        let [bos_token, eos_token] = [bos_token, eos_token].map(|token| token.map(str::to_owned));
        Ok(ChatTemplate { source: source.to_owned(), bos_token, eos_token, time: None, assumed: false })
    }

    /// Returns the template as it was given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the format of Qwen models that have no template of their own.
    pub fn chatml() -> ChatTemplate {
        let turn = "<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n";
        let source = format!(
            "{{% for message in messages %}}{{{{ '{turn}' }}}}{{% endfor %}}\
             {{% if add_generation_prompt %}}{{{{ '<|im_start|>assistant\\n' }}}}{{% endif %}}"
        );
        ChatTemplate { source, bos_token: None, eos_token: None, time: None, assumed: true }
    }

    /// Returns whether this is ChatML, taken because the model has no template.
    pub fn is_assumed(&self) -> bool {
        self.assumed
    }

    /// Sets the time that templates are told, in seconds since 1970. Otherwise it is that of the clock.
    pub fn at(self, seconds: i64) -> ChatTemplate {
        ChatTemplate { time: DateTime::from_timestamp(seconds, 0).map(|time| time.naive_utc()), ..self }
    }

    /// Returns the prompt. `add_generation_prompt` ends it with the start of the assistant's turn.
    ///
    /// # Errors
    /// The template refuses the messages, uses something unknown, or exceeds a bound.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let input: usize = messages.iter().map(|message| message.content.len() + message.role.len()).sum();
        let mut prompt = BoundedWriter { bytes: Vec::new(), limit: MAX_OUTPUT + MAX_OUTPUT_PER_INPUT * input };
        apart(|| {
            let time = self.time.unwrap_or_else(date::date_time);
            let environment = environment(FUEL + FUEL_PER_MESSAGE * messages.len() as u64, time)?;
            let template = environment.template_from_named_str(NAME, &self.source)?;
            template.render_captured_to(self.variables(messages, add_generation_prompt), &mut prompt)?;
            Ok(())
        })?;
        String::from_utf8(prompt.bytes).map_err(|error| Error::Template(error.to_string()))
    }

    fn variables(&self, messages: &[Message], add_generation_prompt: bool) -> Value {
        // transformers passes None for what the caller did not give, and leaves out the tokens a model lacks.
        let fields = |message: &Message| Value::from_pairs([("role", &*message.role), ("content", &*message.content)]);
        let mut variables = vec![
            ("messages", messages.iter().map(fields).collect()),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(add_generation_prompt)),
        ];
        for (name, token) in [("bos_token", &self.bos_token), ("eos_token", &self.eos_token)] {
            variables.extend(token.as_ref().map(|token| (name, Value::from(token.as_str()))));
        }
        Value::from_pairs(variables)
    }
}

/// A writer that refuses more than `limit` bytes.
struct BoundedWriter {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for BoundedWriter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if text.len() > self.limit - self.bytes.len() {
            return Err(io::Error::other(format!("the template writes more than {} bytes", self.limit)));
        }
        self.bytes.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs on a stack of known size: how deep a template goes must not depend on who calls.
fn apart<T: Send>(work: impl FnOnce() -> Result<T, minijinja::Error> + Send) -> Result<T> {
    thread::scope(|scope| {
        let failed = |why: &str| Error::Template(format!("its thread {why}"));
        let thread = thread::Builder::new()
            .name(NAME.to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || work().map_err(|error| template_error(&error)))
            .map_err(|error| failed(&format!("did not start: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(failed("panicked")))
    })
}

fn template_error(error: &minijinja::Error) -> Error {
    let cause = error.source().filter(|_| error.kind() == ErrorKind::WriteFailure).map(ToString::to_string);
    let why = cause.or(error.detail().map(str::to_owned)).unwrap_or_else(|| error.kind().to_string());
    Error::Template(match error.line() {
        Some(line) => format!("line {line}: {why}"),
        None => why,
    })
}
