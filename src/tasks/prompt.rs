//! The whole of what a model is sent: description, shots and text, as plain text or as a conversation.

use super::{OutputType, Prompt};

/// Between a shot and what follows it.
const BLANK_LINE: &str = "\n\n";

/// Returns a prompt as plain text: the context, and the continuation for each choice; none where a reply is asked for.
pub fn compose(prompt: &Prompt, shots: &[Prompt]) -> (String, Vec<String>) {
    let context = prompt.description.clone() + &shots_text(shots) + &prompt.text;
    let continuations = choices(&prompt.output).iter().map(|choice| format!("{}{choice}", prompt.delimiter));
    (context, continuations.collect())
}

/// Returns a prompt as a conversation, which a chat template writes with its generation prompt: role and content of each
/// message. With `multiturn` few-shot examples are turns of their own, else part of the user's one message. The
/// continuation for each choice has no delimiter, for the template ends where a reply begins.
pub fn messages(prompt: &Prompt, shots: &[Prompt], multiturn: bool) -> (Vec<(&'static str, String)>, Vec<String>) {
    let mut messages = Vec::new();
    if !prompt.description.is_empty() {
        messages.push(("system", prompt.description.clone()));
    }
    if multiturn {
        for shot in shots {
            messages.push(("user", shot.text.clone()));
            if !shot.target.is_empty() {
                messages.push(("assistant", shot.target.clone()));
            }
        }
    }
    let before = if multiturn { String::new() } else { shots_text(shots) };
    messages.push(("user", before + &prompt.text));
    (messages, choices(&prompt.output).to_vec())
}

/// Writes shots with their right answers. One without an answer has no blank line either, as in lm-evaluation-harness.
fn shots_text(shots: &[Prompt]) -> String {
    let shots = shots.iter().map(|shot| match shot.target.is_empty() {
        true => shot.text.clone(),
        false => format!("{}{}{}{BLANK_LINE}", shot.text, shot.delimiter, shot.target),
    });
    shots.collect()
}

fn choices(ask: &OutputType) -> &[String] {
    match ask {
        OutputType::Choices(choices) => choices,
        OutputType::Reply { .. } => &[],
    }
}
