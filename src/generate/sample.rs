//! Settings by which the next token is drawn, and draws that a seed repeats.

use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde_json::{Map, Value};

use super::engine::not_finite;
use crate::error::{Error, Result};
use crate::kernels::{Draw, MOST_CANDIDATES, is_set};

/// Logits that are read beyond those kept where a penalty may lower some of them.
const SPARE: usize = 64;

/// Settings of a [`Sampler`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Zero takes the most likely token.
    pub temperature: f32,
    /// Keep the k most likely tokens; zero keeps all.
    pub top_k: usize,
    /// Keep the most likely tokens whose probabilities sum to p; one keeps all.
    pub top_p: f32,
    /// Keep tokens of at least this share of the highest probability; zero keeps all.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens seen before (Keskar et al., 2019);
    /// one changes nothing.
    pub repetition_penalty: f32,
    /// Seed of the random numbers.
    pub seed: u64,
}

impl Sampling {
    /// Always the most likely token.
    pub const GREEDY: Sampling =
        Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0, seed: 0 };

    /// Returns the settings that `generation`, the fields of generation_config.json in `model`, recommends. They are read
    /// as transformers does: greedy without `do_sample`.
    ///
    /// # Errors
    /// A field that is no number, or one outside its range.
    pub fn recommended(generation: &Map<String, Value>, model: &Path) -> Result<Sampling> {
        let bad = |field: &str, expected: &str, found: &Value| {
            let file = model.join("generation_config.json");
            Error::malformed(&file, field, expected, found, "correct the file or give the option")
        };
        let number = |field: &str, default: f32, expected: &str, good: fn(f64) -> bool| match generation.get(field) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => {
                value.as_f64().filter(|n| good(*n)).map(|n| n as f32).ok_or_else(|| bad(field, expected, value))
            }
        };
        let repetition_penalty = number("repetition_penalty", 1.0, "a number above 0", |n| n > 0.0 && n < 1e9)?;
        let greedy = Sampling { repetition_penalty, ..Sampling::GREEDY };
        match generation.get("do_sample") {
            None | Some(Value::Null | Value::Bool(false)) => return Ok(greedy),
            Some(Value::Bool(true)) => {}
            Some(other) => return Err(bad("do_sample", "true or false", other)),
        }
        let top_k = match generation.get("top_k") {
            None | Some(Value::Null) => 50,
            Some(value) => value.as_u64().ok_or_else(|| bad("top_k", "a number of tokens", value))? as usize,
        };
        Ok(Sampling {
            temperature: number("temperature", 1.0, "a number of 0 or more", |n| (0.0..1e9).contains(&n))?,
            top_k,
            top_p: number("top_p", 1.0, "a number above 0 and at most 1", |n| n > 0.0 && n <= 1.0)?,
            min_p: number("min_p", 0.0, "a number from 0 to 1", |n| (0.0..=1.0).contains(&n))?,
            ..greedy
        })
    }

    /// Returns whether the device alone can choose the token.
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0 && self.repetition_penalty == 1.0
    }

    /// Checks the ranges of all values.
    ///
    /// # Errors
    /// A value outside its range.
    pub fn check(&self) -> Result<()> {
        let checks = [
            ("`temperature`", f64::from(self.temperature), self.temperature >= 0.0, "zero or more"),
            ("`top_p`", f64::from(self.top_p), self.top_p > 0.0 && self.top_p <= 1.0, "above 0 and at most 1"),
            ("`min_p`", f64::from(self.min_p), (0.0..=1.0).contains(&self.min_p), "from 0 to 1"),
            ("`repetition_penalty`", f64::from(self.repetition_penalty), self.repetition_penalty > 0.0, "above 0"),
        ];
        for (what, value, good, expected) in checks {
            if !good || !value.is_finite() {
                return Err(Error::request(what, expected, value, "give a number within the range"));
            }
        }
        Ok(())
    }
}

/// Draws tokens, reproducibly for a seed.
pub struct Sampler {
    sampling: Sampling,
    rng: ChaCha12Rng,
    /// Number of tokens drawn.
    drawn: u64,
    /// A bit for each token that the penalty has seen.
    seen: Vec<u32>,
}

impl Sampler {
    /// Creates a sampler. The tokens of `prompt` count as seen by the repetition penalty.
    pub fn new(sampling: Sampling, prompt: &[u32]) -> Sampler {
        let rng = ChaCha12Rng::seed_from_u64(sampling.seed);
        let mut sampler = Sampler { sampling, rng, drawn: 0, seen: Vec::new() };
        prompt.iter().for_each(|&token| sampler.see(token));
        sampler
    }

    fn see(&mut self, token: u32) {
        let word = token as usize / 32;
        self.seen.resize(self.seen.len().max(word + 1), 0);
        self.seen[word] |= 1 << (token % 32);
    }

    /// Draws the next token.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if a logit is NaN or infinite.
    pub fn next(&mut self, logits: &[f32]) -> Result<u32> {
        if logits.iter().any(|l| !l.is_finite()) {
            return Err(not_finite());
        }
        Ok(self.choose(logits.iter().copied().zip(0..).collect(), true).expect("all logits decide"))
    }

    /// Draws the next token from `candidates`, all logits or as many of the highest as [`Sampler::candidates`] says. None:
    /// all logits are needed, and nothing was drawn.
    pub(super) fn choose(&mut self, candidates: Vec<(f32, u32)>, all: bool) -> Option<u32> {
        let token = self.draw(0).token(candidates, all, |id| is_set(&self.seen, id))?;
        self.see(token);
        self.drawn += 1;
        Some(token)
    }

    /// Returns how many of the highest logits decide the next token, but for [`Sampler::choose`]'s rare None. None: all may.
    pub(super) fn candidates(&self) -> Option<usize> {
        let spare = match self.sampling.repetition_penalty {
            1.0 => 0,
            penalty if penalty > 1.0 => SPARE,
            _ => return None,
        };
        Some(self.draw(0).k).filter(|k| *k > 0 && *k + spare <= MOST_CANDIDATES).map(|k| k + spare)
    }

    /// Returns the settings of the next draw, or of one so many tokens `ahead` of it.
    fn draw(&self, ahead: u64) -> Draw {
        let Sampling { temperature, top_k, top_p, min_p, repetition_penalty: penalty, .. } = self.sampling;
        let (k, temperature) = if temperature == 0.0 { (1, 1.0) } else { (top_k, temperature) };
        let mut rng = self.rng.clone();
        // A number takes two words.
        rng.set_word_pos(2 * u128::from(self.drawn + ahead));
        Draw { k, temperature, top_p, min_p, penalty, random: rng.random() }
    }

    /// Returns the first `count` words of the settings of such a draw, as the device takes them.
    pub(super) fn words(&self, ahead: u64, count: usize) -> Vec<u32> {
        let mut words = self.draw(ahead).words().to_vec();
        words.extend(&self.seen);
        words.resize(count, 0);
        words
    }
}
