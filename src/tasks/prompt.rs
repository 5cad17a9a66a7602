//! The whole of what a model is sent: description, shots and text, as plain text or as a conversation.

use super::{Ask, Prompt};

/// Between a shot and what follows it.
const BLANK_LINE: &str = "\n\n";

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    pub content: String,
}

/// Place of few-shot examples in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// All in the one message of the user, as in plain text.
    One,
    /// Each as a message of the user and one of the assistant.
    Each,
}

/// Returns a prompt as plain text: the context, and the continuation for each choice; none where a reply is asked for.
pub fn compose(prompt: &Prompt, shots: &[Prompt]) -> (String, Vec<String>) {
    let context = prompt.description.clone() + &shots_text(shots) + &prompt.text;
    let continuations = choices(&prompt.ask).iter().map(|choice| format!("{}{choice}", prompt.delimiter));
    (context, continuations.collect())
}

/// Returns a prompt as a conversation, which a chat template writes with its generation prompt, and the continuation
/// for each choice: without a delimiter, for the template ends where a reply begins.
pub fn messages(prompt: &Prompt, shots: &[Prompt], turns: Turns) -> (Vec<Message>, Vec<String>) {
    let mut messages = Vec::new();
    let mut say = |role, content: &str| messages.push(Message { role, content: content.to_owned() });
    if !prompt.description.is_empty() {
        say("system", &prompt.description);
    }
    match turns {
        Turns::One => say("user", &(shots_text(shots) + &prompt.text)),
        Turns::Each => {
            for shot in shots {
                say("user", &shot.text);
                if !shot.target.is_empty() {
                    say("assistant", &shot.target);
                }
            }
            say("user", &prompt.text);
        }
    }
    (messages, choices(&prompt.ask).to_vec())
}

/// Shots with their right answers. One without an answer has no blank line either, as in lm-evaluation-harness.
fn shots_text(shots: &[Prompt]) -> String {
    let shots = shots.iter().map(|shot| match shot.target.is_empty() {
        true => shot.text.clone(),
        false => format!("{}{}{}{BLANK_LINE}", shot.text, shot.delimiter, shot.target),
    });
    shots.collect()
}

fn choices(ask: &Ask) -> &[String] {
    match ask {
        Ask::Choices(choices) => choices,
        Ask::Reply { .. } => &[],
    }
}
