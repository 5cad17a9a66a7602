//! Replies to prompts, piece by piece.

use std::time::{Duration, Instant};

use super::decode::Flow;
use super::load::Model;
use super::lookup::{Lookup, LookupCounts};
use super::sample::{Sampler, Sampling};
use crate::error::{Error, Result};
use crate::text::{Detokenizer, Message};

/// Options of the continuation of a prompt. The default takes the likeliest token each time, 1024 tokens at most.
#[derive(Clone, Copy, Debug)]
pub struct ReplyOptions {
    /// Longest reply in tokens.
    pub max_new_tokens: usize,
    /// Options of drawing tokens.
    pub sampling: Sampling,
    /// Continues past the tokens that end a reply.
    pub ignore_eos: bool,
    /// Most tokens that are proposed at a time from what stands earlier in prompt and reply, to be verified in one step;
    /// zero proposes none, [`MOST_PROPOSED`](super::MOST_PROPOSED) is the most. Changes the speed, never a token.
    pub lookup: usize,
}

impl Default for ReplyOptions {
    fn default() -> ReplyOptions {
        ReplyOptions { max_new_tokens: 1024, sampling: Sampling::GREEDY, ignore_eos: false, lookup: 0 }
    }
}

/// A continuation, and the time it took.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The new tokens; the last may be one that ends a reply.
    pub ids: Vec<u32>,
    /// Their text, without special tokens. Empty for a model without tokenizer.
    pub text: String,
    /// Number of prompt tokens that ran through the model; the cache held the others.
    pub fed: usize,
    /// Time from the first prompt token that runs to the first new token.
    pub prefill: Duration,
    /// Time from the first new token to the last.
    pub decode: Duration,
    /// Counts of proposed and accepted tokens; None where no proposals were asked for.
    pub lookup: Option<LookupCounts>,
}

impl Reply {
    /// Returns the prompt's tokens per second; None without a new token.
    pub fn prefill_tokens_per_s(&self) -> Option<f64> {
        rate(if self.ids.is_empty() { 0 } else { self.fed }, self.prefill)
    }

    /// Returns the tokens per second after the first new one; None if there are no others.
    pub fn decode_tokens_per_s(&self) -> Option<f64> {
        rate(self.ids.len().saturating_sub(1), self.decode)
    }
}

fn rate(tokens: usize, time: Duration) -> Option<f64> {
    (tokens > 0).then(|| tokens as f64 / time.as_secs_f64().max(1e-9))
}

impl Model {
    /// Continues a text as it is, without the chat template. `each` receives the new text piece by piece.
    ///
    /// # Errors
    /// The text is empty or does not fit the context; those of the device.
    pub fn generate(&mut self, text: &str, options: &ReplyOptions, mut each: impl FnMut(&str)) -> Result<Reply> {
        let ids = self.encode(text)?;
        self.fresh_reply(&ids, options, &mut each)
    }

    /// Continues `ids`, with nothing in the cache before.
    fn fresh_reply(&mut self, ids: &[u32], options: &ReplyOptions, each: &mut dyn FnMut(&str)) -> Result<Reply> {
        self.engine.truncate(0);
        self.reply(ids, options, &mut |piece| {
            each(piece);
            Ok(Flow::Continue)
        })
    }

    /// Answers one message by the chat template. `each` receives the answer piece by piece. A chat of several messages
    /// is a [`Conversation`](super::Conversation).
    ///
    /// # Errors
    /// The weights are random; the message does not fit the context; those of the device.
    pub fn chat(&mut self, message: &str, mut each: impl FnMut(&str)) -> Result<Reply> {
        let ids = self.encode_chat(&[Message::new("user", message)])?;
        self.fresh_reply(&ids, &ReplyOptions::default(), &mut each)
    }

    /// Continues `ids`, of which the engine's cache may hold the first ones already.
    ///
    /// `each` receives the text piece by piece, and an empty text after each chunk of a long prompt. It may stop the
    /// reply.
    ///
    /// # Errors
    /// [`Error::Request`] if the prompt is empty or does not fit the context.
    pub fn reply(
        &mut self,
        ids: &[u32],
        options: &ReplyOptions,
        each: &mut dyn FnMut(&str) -> Result<Flow>,
    ) -> Result<Reply> {
        let Model { engine, tokenizer, stop, .. } = self;
        if ids.len() <= engine.len() {
            return Err(Error::request("prompt", "at least one token", "none", "give some text"));
        }
        if ids.len() > engine.context() {
            let most = format!("at most {} tokens", engine.context());
            return Err(Error::request("prompt", most, ids.len(), "shorten it or give a larger `context`"));
        }
        let mut lookup = Lookup::new(options.lookup, ids)?;
        let mut reply = Reply { fed: ids.len() - engine.len(), ..Reply::default() };
        let start = Instant::now();
        // Chunk by chunk, so that a long prompt can be stopped.
        while ids.len() - engine.len() > engine.chunk() {
            let at = engine.len();
            engine.prefill(&ids[at..at + engine.chunk()])?;
            if each("")? == Flow::Stop {
                return Ok(reply);
            }
        }

        let mut words = tokenizer.as_ref().map(|t| Detokenizer::new(t, true));
        let mut first = None;
        let mut take = |token: u32| -> Result<Flow> {
            let now = Instant::now();
            reply.prefill = *first.get_or_insert(now) - start;
            reply.decode = now - start - reply.prefill;
            reply.ids.push(token);
            if !options.ignore_eos && stop.contains(&token) {
                return Ok(Flow::Stop);
            }
            let piece = words.as_mut().map_or(Ok(String::new()), |w| w.push(token))?;
            reply.text += &piece;
            each(&piece)
        };
        let rest = &ids[engine.len()..];
        let mut sampler = (!options.sampling.is_greedy()).then(|| Sampler::new(options.sampling, ids));
        engine.decode(rest, options.max_new_tokens, sampler.as_mut(), &mut lookup, &mut take)?;
        reply.lookup = (options.lookup > 0).then_some(lookup.counts);
        let rest = words.map(|mut w| w.finish()).unwrap_or_default();
        if !rest.is_empty() {
            reply.text += &rest;
            each(&rest)?;
        }
        Ok(reply)
    }
}
