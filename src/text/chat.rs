//! A conversation as the one string that a model was trained on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use minijinja::machinery::{self, CodeGenerator, Instructions, Token};
use minijinja::{AutoEscape, Value};

use super::budget::{Budget, guarded};
use super::builtins::{environment, syntax};
use crate::{Error, Result};

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
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
/// The template is data from a file. It has no access to anything, runs within a count of instructions, and may make
/// so many bytes and take so much time, or else ends in [`Error::Template`]; see `budget.rs`.
pub struct ChatTemplate {
    source: String,
    bos_token: Option<String>,
    eos_token: Option<String>,
}

/// A variable that is 1; see [`prepared`].
const ONE: &str = "qwgpu_one";
const NAME: &str = "chat_template";
/// The largest template seen has 30 thousand bytes. The parser recurses for each `elif`, so the stack must hold as
/// many as fit in here.
const MAX_SOURCE: usize = 64 << 10;
const STACK: usize = 256 << 20;
/// Brackets and dots count too: all that makes an expression deep.
const MAX_OPERATORS: usize = 500;

impl ChatTemplate {
    /// Reads a template; the tokens are what it calls `bos_token` and `eos_token`.
    pub fn new(source: &str, bos_token: Option<&str>, eos_token: Option<&str>) -> Result<ChatTemplate> {
        if source.len() > MAX_SOURCE {
            let length = source.len();
            return Err(Error::Template(format!("{length} bytes long; at most {MAX_SOURCE} are read")));
        }
        let template = ChatTemplate {
            source: prepared(source)?,
            bos_token: bos_token.map(str::to_owned),
            eos_token: eos_token.map(str::to_owned),
        };
        apart(|| template.program().map(drop))?;
        Ok(template)
    }

    /// The template as it was given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The format of Qwen models that bring no template. Without a system message in the conversation, it starts
    /// with `default_system`, if there is one.
    pub fn chatml(default_system: Option<&str>) -> ChatTemplate {
        let turn = "<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n";
        let system = match default_system {
            Some(text) => {
                let text = text.replace('\\', "\\\\").replace('\'', "\\'");
                format!(
                    "{{% if not messages or messages[0].role != 'system' %}}\
                     {{{{ '<|im_start|>system\\n{text}<|im_end|>\\n' }}}}{{% endif %}}"
                )
            }
            None => String::new(),
        };
        ChatTemplate {
            source: format!(
                "{system}{{% for message in messages %}}{{{{ '{turn}' }}}}{{% endfor %}}\
                 {{% if add_generation_prompt %}}{{{{ '<|im_start|>assistant\\n' }}}}{{% endif %}}"
            ),
            bos_token: None,
            eos_token: None,
        }
    }

    /// The prompt. `add_generation_prompt` ends it with the start of the assistant's turn.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        apart(|| {
            let input = messages.iter().map(|message| message.content.len() + message.role.len());
            let budget = Arc::new(Budget::new(input.sum()));
            let environment = environment(&budget).map_err(|error| template_error(&error))?;
            let program = self.program()?;
            let mut prompt = String::new();
            machinery::eval(
                &environment,
                &program,
                self.variables(messages, add_generation_prompt),
                &BTreeMap::new(),
                &mut machinery::make_string_output(&mut prompt),
                AutoEscape::None,
            )
            .map_err(|error| template_error(&error))?;
            Ok(prompt)
        })
    }

    fn variables(&self, messages: &[Message], add_generation_prompt: bool) -> Value {
        // transformers passes None for what the caller did not give, and leaves out the tokens a model lacks.
        let fields = |message: &Message| Value::from_pairs([("role", &*message.role), ("content", &*message.content)]);
        let mut variables = vec![
            ("messages", messages.iter().map(fields).collect()),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(add_generation_prompt)),
            (ONE, Value::from(1)),
        ];
        for (name, token) in [("bos_token", &self.bos_token), ("eos_token", &self.eos_token)] {
            variables.extend(token.as_ref().map(|token| (name, Value::from(token.as_str()))));
        }
        Value::from_pairs(variables)
    }

    fn program(&self) -> Result<Instructions<'_>> {
        let compile = || {
            let tree = machinery::parse(&self.source, NAME, syntax()?)?;
            let mut generator = CodeGenerator::new(NAME, &self.source);
            generator.compile_stmt(&tree);
            let (program, blocks) = generator.finish();
            if let Some(name) = blocks.keys().next() {
                let why = format!("block {name:?}: blocks are not supported");
                return Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, why));
            }
            guarded(&program, NAME, &self.source)
        };
        compile().map_err(|error: minijinja::Error| template_error(&error))
    }
}

/// Refuses long chains of operators, and multiplies by a variable where the template has `*`. The compiler would
/// look through such a chain once for each of its links, and multiply a constant string before a guard sees it.
fn prepared(source: &str) -> Result<String> {
    let mut prepared = String::with_capacity(source.len());
    let (mut copied, mut operators, mut unpacking) = (0, 0, true);
    for token in machinery::tokenize(source, false, syntax().map_err(|error| template_error(&error))?) {
        let (token, span) = token.map_err(|error| template_error(&error))?;
        match token {
            Token::BlockStart | Token::VariableStart => operators = 0,
            Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Int128(_) | Token::Float(_) => {}
            Token::Comma | Token::Colon => {}
            Token::Ident(name) if !matches!(name, "not" | "and" | "or" | "in" | "is" | "if") => {}
            _ => operators += 1,
        }
        if operators > MAX_OPERATORS {
            let line = span.start_line;
            return Err(Error::Template(format!("line {line}: more than {MAX_OPERATORS} operators in one tag")));
        }
        if matches!(token, Token::Mul) && !unpacking {
            let end = span.end_offset as usize;
            prepared.push_str(&source[copied..end]);
            prepared.push_str(&format!(" {ONE} * "));
            copied = end;
        }
        unpacking = matches!(token, Token::ParenOpen | Token::BracketOpen | Token::Comma);
    }
    prepared.push_str(&source[copied..]);
    Ok(prepared)
}

/// Runs on a stack of known size: how deep a template goes must not depend on who calls.
fn apart<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let failed = |why: &str| Error::Template(format!("its thread {why}"));
        let thread = thread::Builder::new()
            .name(NAME.to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .map_err(|error| failed(&format!("did not start: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(failed("panicked")))
    })
}

fn template_error(error: &minijinja::Error) -> Error {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    Error::Template(match error.line() {
        Some(line) => format!("line {line}: {what}"),
        None => what,
    })
}
