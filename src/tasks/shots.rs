//! The choice of few-shot examples.

use serde_json::Value;

use super::{FewShot, Subset};
use crate::error::{Error, Result};
use crate::metrics::random::Random;

/// The seed of the draw in lm-evaluation-harness.
pub const SEED: u64 = 1234;

/// Chooses the shots of a set's documents, one document after the other.
///
/// A draw depends on all draws before it: a run that resumes asks for the shots of the documents it skips, too.
pub struct Shots<'a> {
    set: &'a Subset,
    count: usize,
    sampler: FewShot,
    random: Random,
}

impl<'a> Shots<'a> {
    /// Returns a choice of `count` shots for each document of `set`.
    ///
    /// # Errors
    /// There are fewer examples than that, beside the document itself where it is left out.
    pub fn new(set: &'a Subset, sampler: FewShot, count: usize) -> Result<Shots<'a>> {
        let there = match leaves_out(set, sampler) {
            true => set.documents.len().saturating_sub(1),
            false => examples(set).len(),
        };
        if count > there {
            let expected = format!("at most {there}, the examples there are");
            return Err(Error::request(format!("shots of {}", set.name), expected, count, "ask for fewer shots"));
        }
        Ok(Shots { set, count, sampler, random: Random::new(SEED) })
    }

    /// Returns the shots of `document`, the next of the set.
    ///
    /// # Errors
    /// Documents that are equal to this one leave too few others.
    pub fn next(&mut self, document: &Value) -> Result<Vec<&'a Value>> {
        if self.count == 0 {
            return Ok(Vec::new());
        }
        let pool = examples(self.set);
        let others = || pool.iter().filter(|other| *other != document).collect::<Vec<_>>();
        let shots: Vec<&Value> = match (self.sampler, leaves_out(self.set, self.sampler)) {
            (FewShot::FirstN, false) => pool.iter().collect(),
            (FewShot::FirstN, true) => others(),
            (_, false) => self.sample(&pool.iter().collect::<Vec<_>>(), self.count)?,
            (_, true) => {
                let mut shots = self.sample(&pool.iter().collect::<Vec<_>>(), self.count + 1)?;
                shots.retain(|shot| *shot != document);
                // Where a document stands in the set twice, both may be drawn: the harness then draws again.
                if shots.len() < self.count { self.sample(&others(), self.count)? } else { shots }
            }
        };
        if shots.len() < self.count {
            let expected = format!("{} documents that differ from it", self.count);
            let what = format!("shots of a document of {}", self.set.name);
            return Err(Error::request(what, expected, shots.len(), "ask for fewer shots"));
        }
        Ok(shots.into_iter().take(self.count).collect())
    }

    fn sample(&mut self, pool: &[&'a Value], count: usize) -> Result<Vec<&'a Value>> {
        Ok(self.random.sample(pool.len(), count)?.into_iter().map(|index| pool[index]).collect())
    }
}

/// Returns the documents that a set's examples are taken from.
fn examples(set: &Subset) -> &[Value] {
    if set.pool.is_empty() { &set.documents } else { &set.pool }
}

/// Returns whether a document is left out of its own examples.
fn leaves_out(set: &Subset, sampler: FewShot) -> bool {
    set.pool.is_empty() && sampler != FewShot::SampledOfAll
}
