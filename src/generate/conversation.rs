//! A chat with a model: the history, and what of it the cache holds already.

use super::reply::{Reply, Settings};
use super::{Flow, Loaded};
use crate::error::{Error, Result};
use crate::text::Message;

/// The messages of a chat. Every turn renders all of them by the model's template and feeds what
/// differs from the tokens in the cache: as a rule the new message alone, and all of it where a
/// template rewrites what was said before.
#[derive(Debug, Default)]
pub struct Conversation {
    messages: Vec<Message>,
    /// The tokens in the engine's cache.
    cached: Vec<u32>,
    turns: u64,
}

impl Conversation {
    pub fn new(system: Option<&str>) -> Conversation {
        let mut conversation = Conversation::default();
        conversation.set_system(system);
        conversation
    }

    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Forgets all but the system message.
    pub fn reset(&mut self) {
        self.messages.retain(|m| m.role == "system");
    }

    /// Sets, replaces or removes the system message; what was said stays.
    pub fn set_system(&mut self, text: Option<&str>) {
        self.messages.retain(|m| m.role != "system");
        if let Some(text) = text {
            self.messages.insert(0, message("system", text));
        }
    }

    /// Sends the user's `text` to the model, and keeps both it and the reply, as far as it came.
    ///
    /// # Errors
    /// [`Error::Request`] if the messages no longer fit the context; after any error the conversation
    /// is as it was before.
    pub fn say(
        &mut self,
        loaded: &mut Loaded,
        text: &str,
        settings: &Settings,
        each: &mut dyn FnMut(&str) -> Result<Flow>,
    ) -> Result<Reply> {
        self.messages.push(message("user", text));
        let reply = self.answer(loaded, settings, each);
        match &reply {
            Ok(reply) => self.messages.push(message("assistant", &reply.text)),
            Err(_) => {
                self.messages.pop();
                self.cached.clear();
            }
        }
        reply
    }

    fn answer(
        &mut self,
        loaded: &mut Loaded,
        settings: &Settings,
        each: &mut dyn FnMut(&str) -> Result<Flow>,
    ) -> Result<Reply> {
        let (Some(tokenizer), Some(template)) = (&loaded.tokenizer, &loaded.chat) else {
            let fix = "give a model folder or a .gguf file";
            return Err(Error::request("--model", "a model with a tokenizer", "random weights", fix));
        };
        let ids = tokenizer.encode(&template.render(&self.messages, true)?)?;
        let context = loaded.engine.context();
        if ids.len() >= context {
            return Err(Error::request(
                "conversation",
                format!("at most {} tokens", context - 1),
                ids.len(),
                "/reset starts afresh, a larger --context holds more",
            ));
        }
        // At least one token must be fed for logits to come out.
        let same = ids.iter().zip(&self.cached).take_while(|(new, old)| new == old).count();
        loaded.engine.truncate(same.min(ids.len() - 1));
        self.turns += 1;
        let mut settings = *settings;
        // Another turn draws other numbers, the same in every run.
        settings.sampling.seed = settings.sampling.seed.wrapping_add(self.turns - 1);
        let reply = loaded.reply(&ids, &settings, each)?;
        self.cached = ids;
        self.cached.extend(&reply.ids);
        self.cached.truncate(loaded.engine.len());
        Ok(reply)
    }
}

fn message(role: &str, content: &str) -> Message {
    Message { role: role.into(), content: content.into() }
}
