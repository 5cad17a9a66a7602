//! A reply: the ids of a prompt in, text out as it comes.

use std::time::{Duration, Instant};

use super::{Flow, Loaded, Sampler, Sampling};
use crate::error::{Error, Result};
use crate::text::Detokenizer;

/// How to continue a prompt.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub max_new_tokens: usize,
    pub sampling: Sampling,
    /// Go on past the tokens that end a reply.
    pub ignore_eos: bool,
}

/// A continuation, and how long it took.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The new tokens; the last may be one that ends a reply.
    pub ids: Vec<u32>,
    /// Their text, without special tokens. Empty for a model without tokenizer.
    pub text: String,
    /// Prompt tokens that were fed: those the cache did not hold yet.
    pub fed: usize,
    /// From the first prompt token fed to the first new one.
    pub prefill: Duration,
    /// From the first new token to the last.
    pub decode: Duration,
}

impl Reply {
    pub fn prefill_tokens_per_s(&self) -> Option<f64> {
        rate(if self.ids.is_empty() { 0 } else { self.fed }, self.prefill)
    }

    /// The rate of the tokens after the first; none if there are none.
    pub fn decode_tokens_per_s(&self) -> Option<f64> {
        rate(self.ids.len().saturating_sub(1), self.decode)
    }
}

fn rate(tokens: usize, time: Duration) -> Option<f64> {
    (tokens > 0).then(|| tokens as f64 / time.as_secs_f64().max(1e-9))
}

impl Loaded {
    /// Continues `ids`, of which the engine's cache may hold the first ones already.
    ///
    /// `each` gets the text as it comes, and an empty text now and then while the prompt is read, and
    /// may stop it.
    ///
    /// # Errors
    /// [`Error::Request`] if the prompt is empty or does not fit the context.
    pub fn reply(
        &mut self,
        ids: &[u32],
        settings: &Settings,
        each: &mut dyn FnMut(&str) -> Result<Flow>,
    ) -> Result<Reply> {
        let Loaded { engine, tokenizer, stop, .. } = self;
        if ids.len() <= engine.len() {
            return Err(Error::request("prompt", "at least one token", "none", "give some text"));
        }
        if ids.len() > engine.context() {
            let most = format!("at most {} tokens", engine.context());
            return Err(Error::request("prompt", most, ids.len(), "shorten it or give a larger --context"));
        }
        let mut reply = Reply { fed: ids.len() - engine.len(), ..Reply::default() };
        let start = Instant::now();
        // A long prompt goes in chunk by chunk, so that it can be stopped.
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
            if !settings.ignore_eos && stop.contains(&token) {
                return Ok(Flow::Stop);
            }
            let piece = words.as_mut().map_or(Ok(String::new()), |w| w.push(token))?;
            reply.text += &piece;
            each(&piece)
        };
        let rest = &ids[engine.len()..];
        if settings.sampling.is_greedy() {
            engine.greedy(rest, settings.max_new_tokens, &mut take)?;
        } else {
            let mut sampler = Sampler::new(settings.sampling, ids);
            engine.sample(rest, settings.max_new_tokens, &mut sampler, &mut take)?;
        }
        let rest = words.map(|mut w| w.finish()).unwrap_or_default();
        if !rest.is_empty() {
            reply.text += &rest;
            each(&rest)?;
        }
        Ok(reply)
    }
}
