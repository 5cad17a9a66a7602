//! Continuing a sequence token by token, or by several where proposals are accepted.
//!
//! The token is chosen on the device and becomes the next step's input there, so that the next step is queued before the
//! token is read. The device draws in f32, so a drawn token is a guess: the host draws again, in f64, from the candidates
//! that are read with it, and where the two differ it runs the next step again. Where proposals are likely, the next step
//! waits for the token.

use super::engine::{Engine, PassOutput, not_finite};
use super::lookup::Lookup;
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
        self.decode(ids, limit, None, &mut Lookup::default(), &mut each)
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
        self.decode(ids, limit, Some(sampler), &mut Lookup::default(), &mut each)
    }

    /// Continues `ids` as [`Engine::sample`] does, or [`Engine::greedy`] without a sampler, with the proposals of `lookup`.
    /// The tokens are the same with any.
    ///
    /// # Errors
    /// As [`Engine::greedy`].
    pub fn decode(
        &mut self,
        ids: &[u32],
        limit: usize,
        mut sampler: Option<&mut Sampler>,
        lookup: &mut Lookup,
        each: &mut dyn FnMut(u32) -> Result<Flow>,
    ) -> Result<()> {
        let limit = limit.min((self.cache.capacity + 1).saturating_sub(self.len + ids.len()));
        if limit == 0 {
            return self.check_room(ids.len() + 1);
        }
        let candidates = |sampler: &Sampler| sampler.candidates().filter(|_| self.draws_on_device);
        let output = match sampler.as_deref() {
            None => PassOutput::Token,
            Some(sampler) => candidates(sampler).map_or(PassOutput::Logits, |n| PassOutput::Drawn(n.min(self.vocab))),
        };
        self.write_drawing(sampler.as_deref(), output, 0)?;
        let mut fetch = self.feed(ids, output)?;
        let start = self.len;
        self.backend.write(None, self.position, 0, &[start as u32])?;
        let step = self.program(1, output)?;
        // Tokens of the pass that `fetch` is of, and the rows, the last ones, after which tokens are chosen.
        let mut fed = ids.chunks(self.chunk).last().unwrap_or_default().to_vec();
        let mut rows = 1;
        let mut number = 0;
        loop {
            let mut next = None;
            if rows == 1 && output != PassOutput::Logits && number + 1 < limit && !lookup.proposes() {
                // Queued before the token it continues is read.
                self.write_drawing(sampler.as_deref(), output, 1)?;
                next = self.step(step)?;
            }
            let words = self.backend.finish(fetch.expect("tokens and logits are outputs"))?;
            // In front of its candidates a step has the token that it guessed.
            let guesses = usize::from(rows == 1 && matches!(output, PassOutput::Drawn(_)));
            let mut each_row = words[guesses..].chunks_exact((words.len() - guesses) / rows);
            let mut row = 0;
            let token = loop {
                self.len = start + number;
                let own = each_row.next().expect("words of every row");
                let token = match self.chosen(own, output, sampler.as_deref_mut())? {
                    Some(token) => token,
                    None => {
                        next.take().map(|next| self.backend.finish(next)).transpose()?;
                        let again = if rows == 1 { &fed[..] } else { &fed[row..=row] };
                        self.len -= again.len();
                        let logits = self.logits(again)?;
                        self.chosen(bytemuck::cast_slice(&logits), PassOutput::Logits, sampler.as_deref_mut())?
                            .expect("all logits decide")
                    }
                };
                if token == NOT_FINITE {
                    return Err(not_finite());
                }
                number += 1;
                row += 1;
                let accepted = row < rows && fed[row] == token;
                lookup.take(token, number, accepted);
                if each(token)? == Flow::Stop || number == limit {
                    next.map(|next| self.backend.finish(next)).transpose()?;
                    return Ok(());
                }
                if !accepted {
                    break token;
                }
            };
            lookup.counts.steps += 1;
            if next.is_none() || token != words[0] {
                next.map(|next| self.backend.finish(next)).transpose()?;
                fed = [&[token], &lookup.propose((limit - number - 1).min(self.chunk - 1))[..]].concat();
                rows = fed.len();
                self.place(&fed)?;
                next = if rows == 1 {
                    self.write_drawing(sampler.as_deref(), output, 0)?;
                    self.step(step)?
                } else {
                    lookup.counts.proposed += rows - 1;
                    let verifier = self.verifier(rows, output)?;
                    self.step(verifier)?
                };
            } else {
                (fed, rows) = (vec![token], 1);
            }
            fetch = next;
        }
    }

    /// Returns the token that a row's words of `output` give. None: more logits are needed, and nothing was drawn.
    fn chosen(&self, words: &[u32], output: PassOutput, sampler: Option<&mut Sampler>) -> Result<Option<u32>> {
        match sampler {
            None => Ok(Some(words[0])),
            Some(sampler) if output == PassOutput::Logits => {
                sampler.next(&bytemuck::cast_slice(words)[..self.vocab]).map(Some)
            }
            Some(_) if words[1] == NOT_FINITE => Ok(Some(NOT_FINITE)),
            Some(sampler) => {
                let pairs = words.chunks_exact(2).map(|pair| (f32::from_bits(pair[0]), pair[1]));
                Ok(sampler.choose(pairs.collect(), words.len() / 2 == self.vocab))
            }
        }
    }

    /// Writes what the draw on the device needs of the next token, or of one so many `ahead` of it.
    fn write_drawing(&mut self, sampler: Option<&Sampler>, output: PassOutput, ahead: u64) -> Result<()> {
        match (sampler, output) {
            (Some(sampler), PassOutput::Drawn(_)) => {
                self.backend.write(None, self.drawing, 0, &sampler.words(ahead, self.drawing.cols))
            }
            _ => Ok(()),
        }
    }
}
