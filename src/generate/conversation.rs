//! A chat with a model: its messages, and the tokens of them that the cache holds.

use super::decode::Flow;
use super::load::Model;
use super::reply::{Reply, ReplyOptions};
use crate::error::{Error, Result};
use crate::text::Message;

/// The messages of a chat. Every turn renders all of them by the model's template. Only tokens that differ from those
/// in the cache run through the model: usually the new message, or all messages if the template changes earlier ones.
#[derive(Debug, Default)]
pub struct Conversation {
    messages: Vec<Message>,
    /// The tokens in the engine's cache.
    cached: Vec<u32>,
    turns: u64,
}

impl Conversation {
    /// Begins a conversation.
    pub fn new(system: Option<&str>) -> Conversation {
        let mut conversation = Conversation::default();
        conversation.set_system(system);
        conversation
    }

    /// Returns the messages so far.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Removes all messages but the system message.
    pub fn reset(&mut self) {
        self.messages.retain(|m| m.role == "system");
    }

    /// Sets, replaces or removes the system message. Other messages stay.
    pub fn set_system(&mut self, text: Option<&str>) {
        self.messages.retain(|m| m.role != "system");
        if let Some(text) = text {
            self.messages.insert(0, Message::new("system", text));
        }
    }

    /// Sends the user's `text` to the model, and adds it and the reply to the messages. A reply that is stopped early is
    /// added as far as it was generated.
    ///
    /// # Errors
    /// [`Error::Request`] if the messages no longer fit the context; after any error the conversation
    /// is as it was before.
    pub fn say(
        &mut self,
        model: &mut Model,
        text: &str,
        options: &ReplyOptions,
        each: &mut dyn FnMut(&str) -> Result<Flow>,
    ) -> Result<Reply> {
        self.messages.push(Message::new("user", text));
        let reply = self.answer(model, options, each);
        match &reply {
            Ok(reply) => self.messages.push(Message::new("assistant", &reply.text)),
            Err(_) => {
                self.messages.pop();
                self.cached.clear();
            }
        }
        reply
    }

    fn answer(
        &mut self,
        model: &mut Model,
        options: &ReplyOptions,
        each: &mut dyn FnMut(&str) -> Result<Flow>,
    ) -> Result<Reply> {
        let ids = model.encode_chat(&self.messages)?;
        let context = model.engine.context();
        if ids.len() >= context {
            return Err(Error::request(
                "conversation",
                format!("at most {} tokens", context - 1),
                ids.len(),
                "`Conversation::reset` starts afresh, a larger `context` holds more",
            ));
        }
        // Logits need at least one token that runs through the model.
        let same = ids.iter().zip(&self.cached).take_while(|(new, old)| new == old).count();
        model.engine.truncate(same.min(ids.len() - 1));
        self.turns += 1;
        let mut options = *options;
        // Each turn has random numbers of its own, which are the same in every run.
        options.sampling.seed = options.sampling.seed.wrapping_add(self.turns - 1);
        let reply = model.reply(&ids, &options, each)?;
        self.cached = ids;
        self.cached.extend(&reply.ids);
        self.cached.truncate(model.engine.len());
        Ok(reply)
    }
}
