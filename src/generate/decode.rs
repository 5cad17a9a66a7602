//! Continuing a sequence token by token.
//!
//! The token is chosen on the device and becomes the next step's input there, so that the next step is queued before the
//! token is read. The device draws in f32, so a drawn token is a guess: the host draws again, in f64, from the candidates
//! that are read with it, and where the two differ it runs the next step again.

use super::engine::{Engine, PassOutput, not_finite};
use super::sample::Sampler;
use crate::error::Result;
use crate::kernels::NOT_FINITE;

/// Answer of a callback: go on, or end the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Goes on.
    Continue,
    /// Ends the reply.
    Stop,
}

impl Engine {
    /// Continues `ids` by the most likely token: calls `each` with up to `limit` tokens, until it returns
    /// [`Flow::Stop`]. All of them but the last are in the cache afterwards.
    ///
    /// # Errors
    /// The prompt does not fit the context; logits that are not finite; what `each` returns.
    pub fn greedy(&mut self, ids: &[u32], limit: usize, mut each: impl FnMut(u32) -> Result<Flow>) -> Result<()> {
        self.decode(ids, limit, PassOutput::Token, None, &mut each)
    }

    /// Continues `ids` by `sampler`, else as [`Engine::greedy`]. Where the highest logits do not decide
    /// (`Sampler::candidates`), or the device does not draw, all are read before the next step begins.
    ///
    /// # Errors
    /// As [`Engine::greedy`].
    pub fn sample(
        &mut self,
        ids: &[u32],
        limit: usize,
        sampler: &mut Sampler,
        mut each: impl FnMut(u32) -> Result<Flow>,
    ) -> Result<()> {
        let count = sampler.candidates().filter(|_| self.draws_on_device).map(|count| count.min(self.vocab));
        self.decode(ids, limit, count.map_or(PassOutput::Logits, PassOutput::Drawn), Some(sampler), &mut each)
    }

    fn decode(
        &mut self,
        ids: &[u32],
        limit: usize,
        output: PassOutput,
        mut sampler: Option<&mut Sampler>,
        each: &mut dyn FnMut(u32) -> Result<Flow>,
    ) -> Result<()> {
        let limit = limit.min((self.cache.capacity + 1).saturating_sub(self.len + ids.len()));
        if limit == 0 {
            return self.check_room(ids.len() + 1);
        }
        self.write_drawing(sampler.as_deref(), 0)?;
        let mut fetch = self.feed(ids, output)?;
        let start = self.len;
        self.backend.write(None, self.position, 0, &[start as u32])?;
        let step = self.program(1, output)?;
        // Tokens of the pass that `fetch` is of.
        let mut fed = ids.chunks(self.chunk).last().unwrap_or_default().to_vec();
        for number in 0..limit {
            let mut next = None;
            if output != PassOutput::Logits && number + 1 < limit {
                // Queued before the token it continues is read.
                self.write_drawing(sampler.as_deref(), 1)?;
                next = self.step(step)?;
            }
            let words = self.backend.finish(fetch.expect("tokens and logits are outputs"))?;
            self.len = start + number;
            let token = match &mut sampler {
                None => words[0],
                Some(sampler) if output == PassOutput::Logits => {
                    sampler.next(&bytemuck::cast_slice(&words)[..self.vocab])?
                }
                Some(_) if words[2] == NOT_FINITE => NOT_FINITE,
                Some(sampler) => {
                    let pairs = words[1..].chunks_exact(2).map(|pair| (f32::from_bits(pair[0]), pair[1]));
                    match sampler.choose(pairs.collect(), words.len() / 2 == self.vocab) {
                        Some(token) => token,
                        None => {
                            next.take().map(|next| self.backend.finish(next)).transpose()?;
                            self.len -= fed.len();
                            let logits = self.logits(&fed)?;
                            sampler.next(&logits[..self.vocab])?
                        }
                    }
                }
            };
            if token == NOT_FINITE {
                return Err(not_finite());
            }
            if each(token)? == Flow::Stop || number + 1 == limit {
                next.map(|next| self.backend.finish(next)).transpose()?;
                break;
            }
            if next.is_none() || token != words[0] {
                next.map(|next| self.backend.finish(next)).transpose()?;
                self.place(&[token])?;
                next = self.step(step)?;
            }
            (fetch, fed) = (next, vec![token]);
        }
        Ok(())
    }

    /// Writes what the draw on the device needs of the next token, or of one so many `ahead` of it.
    fn write_drawing(&mut self, sampler: Option<&Sampler>, ahead: u64) -> Result<()> {
        let Some(sampler) = sampler else { return Ok(()) };
        self.backend.write(None, self.drawing, 0, &sampler.words(ahead, self.drawing.cols))
    }
}
