//! Prompt lookup: where the last tokens came before, what followed them there is proposed, and one pass verifies all
//! of it (Saxena, 2023).
//!
//! A proposal is accepted where it is the token that is chosen after those before it. Each row of the pass is computed as it
//! would be alone, and draws with its own random number. So the tokens are those of decoding without proposals.

use serde::Serialize;

use super::engine::{ChunkProgram, Engine, PassOutput};
use crate::error::{Error, Result};
use crate::model::Rows;
use crate::plan::{Element, Plan, Tensor};

/// Most tokens that are proposed at once: with the one before them, rows of the kernels for one row.
pub const MOST_PROPOSED: usize = 7;
/// Tokens that must have come before: the more of them, the better. Measured: benches/results/NOTES.md.
const LONGEST: usize = 4;
const SHORTEST: usize = 2;

/// Proposals of the next tokens from all tokens so far, and what came of them.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    most: usize,
    tokens: Vec<u32>,
    /// Numbers so far.
    pub counts: LookupCounts,
}

/// Numbers of proposals in a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LookupCounts {
    /// Passes after the prompt's.
    pub steps: usize,
    /// Tokens that came of them.
    pub tokens: usize,
    /// Tokens that were proposed.
    pub proposed: usize,
    /// Proposals that are tokens of the reply.
    pub accepted: usize,
}

impl Lookup {
    /// Proposes at most `most` tokens, none for 0, behind the tokens of `prompt`.
    ///
    /// # Errors
    /// [`Error::Request`] if `most` is above [`MOST_PROPOSED`].
    pub fn new(most: usize, prompt: &[u32]) -> Result<Lookup> {
        if most > MOST_PROPOSED {
            let expected = format!("0 to {MOST_PROPOSED} tokens");
            return Err(Error::request("`lookup`", expected, most, "a step verifies no more"));
        }
        let tokens = if most > 0 { prompt.to_vec() } else { Vec::new() };
        Ok(Lookup { most, tokens, counts: LookupCounts::default() })
    }

    /// Takes the reply's token of this number, from 1, which was proposed or was not.
    pub(super) fn take(&mut self, token: u32, number: usize, proposed: bool) {
        self.counts.tokens = number - 1;
        self.counts.accepted += usize::from(proposed);
        if self.most > 0 {
            self.tokens.push(token);
        }
    }

    /// Returns where the tokens go on after the last place where they were as they are now at the end.
    fn place(&self) -> Option<usize> {
        let all = &self.tokens[..];
        let place = |n: usize| {
            let last = &all[all.len().checked_sub(n)?..];
            Some(all[..all.len() - 1].windows(n).rposition(|tokens| tokens == last)? + n)
        };
        (SHORTEST..=LONGEST).rev().find_map(place)
    }

    /// Returns whether the tokens so far lead to proposals.
    pub(super) fn proposes(&self) -> bool {
        self.most > 0 && self.place().is_some()
    }

    /// Returns at most `room` proposals. What repeats itself goes on repeating itself.
    pub(super) fn propose(&self, room: usize) -> Vec<u32> {
        let count = room.min(self.most);
        let Some(place) = self.place().filter(|_| count > 0) else { return Vec::new() };
        self.tokens[place..].iter().copied().cycle().take(count).collect()
    }
}

impl std::fmt::Display for LookupCounts {
    /// Writes `accepted 41 of 63 proposed tokens, 1.7 tokens a step`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let a_step = self.tokens as f64 / self.steps.max(1) as f64;
        write!(f, "accepted {} of {} proposed tokens, {a_step:.1} tokens a step", self.accepted, self.proposed)
    }
}

impl Engine {
    /// Returns the plan for `m` tokens, each computed as it would be alone, and the tensor of what `output` says, of every
    /// row: a greedy token, candidates or all logits.
    pub fn verifier_plan(&self, m: usize, output: PassOutput) -> (Plan, Tensor) {
        let mut plan = Plan::alone();
        let rows = Rows { position: self.position, slot: self.position, reach: self.reach }.first(m);
        let x = self.model.forward(&mut plan, self.token.first_cols(m), rows, &self.cache);
        let logits = self.model.logits(&mut plan, x, 0, m);
        let output = match output {
            PassOutput::Token => {
                let tokens = plan.scratch(1, m, Element::U32);
                plan.argmax("argmax", logits, self.vocab, tokens);
                tokens
            }
            PassOutput::Drawn(count) => plan.top_k("top_k", logits, self.vocab, count),
            _ => logits,
        };
        (plan, output)
    }

    pub(super) fn verifier(&mut self, m: usize, output: PassOutput) -> Result<ChunkProgram> {
        if let Some(program) = self.verifiers.get(&(m, output)) {
            return Ok(*program);
        }
        let (plan, tensor) = self.verifier_plan(m, output);
        let program = ChunkProgram { id: self.backend.prepare(&plan, false)?, output: Some(tensor) };
        self.verifiers.insert((m, output), program);
        Ok(program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(tokens: &[u32], most: usize, room: usize) -> Vec<u32> {
        Lookup::new(most, tokens).unwrap().propose(room)
    }

    #[test]
    fn what_followed_last_is_proposed() {
        // More tokens that came before are better than two that came later.
        let tokens = [1, 2, 3, 4, 5, 8, 2, 3, 6, 7, 1, 2, 3];
        assert_eq!(proposed(&tokens, 4, 7), [4, 5, 8, 2]);
        assert_eq!(proposed(&tokens[1..], 4, 7), [6, 7, 1, 2]);
        assert_eq!(proposed(&tokens, 4, 2), [4, 5]);
        assert!(proposed(&tokens, 4, 0).is_empty());
        assert!(proposed(&tokens, 0, 7).is_empty());
        assert_eq!(proposed(&[9, 5, 6, 5, 6], 5, 7), [5, 6, 5, 6, 5]);
        for none in [&[][..], &[1], &[1, 1], &[1, 2, 3]] {
            assert!(proposed(none, 4, 7).is_empty());
        }
        let error = Lookup::new(8, &[]).unwrap_err().to_string();
        assert!(error.contains("`lookup`: expected 0 to 7 tokens, found 8"), "{error}");
    }
}
