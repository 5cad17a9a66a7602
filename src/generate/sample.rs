//! Choosing the next token from logits, in the order of transformers: repetition penalty,
//! temperature, top-k, top-p, draw.

use std::collections::HashSet;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Settings of a [`Sampler`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Zero takes the most likely token.
    pub temperature: f32,
    /// Keep the k most likely tokens; zero keeps all.
    pub top_k: usize,
    /// Keep the most likely tokens whose probabilities sum to p; one keeps all.
    pub top_p: f32,
    /// Divides positive and multiplies negative logits of tokens seen before (Keskar et al., 2019);
    /// one changes nothing.
    pub repetition_penalty: f32,
    /// Seed of the random numbers.
    pub seed: u64,
}

impl Sampling {
    /// Always the most likely token.
    pub const GREEDY: Sampling = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, repetition_penalty: 1.0, seed: 0 };

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
    seen: HashSet<u32>,
}

impl Sampler {
    /// Creates a sampler. The tokens of `prompt` count as seen by the repetition penalty.
    pub fn new(sampling: Sampling, prompt: &[u32]) -> Sampler {
        let rng = ChaCha12Rng::seed_from_u64(sampling.seed);
        Sampler { sampling, rng, seen: prompt.iter().copied().collect() }
    }

    /// Draws the next token. `logits` hold other values afterwards.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if a logit is NaN or infinite.
    pub fn next(&mut self, logits: &mut [f32]) -> Result<u32> {
        if logits.iter().any(|l| !l.is_finite()) {
            return Err(Error::NotFinite { step: "lm_head".into(), tensor: "logits".into() });
        }
        let penalty = self.sampling.repetition_penalty;
        if penalty != 1.0 {
            for &id in &self.seen {
                if let Some(logit) = logits.get_mut(id as usize) {
                    *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
                }
            }
        }
        let token = if self.sampling.temperature == 0.0 { most_likely(logits) } else { self.draw(logits) };
        self.seen.insert(token);
        Ok(token)
    }

    fn draw(&mut self, logits: &[f32]) -> u32 {
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        let descending = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then_with(|| a.cmp(b));
        let k = self.sampling.top_k;
        if k > 0 && k < order.len() {
            order.select_nth_unstable_by(k - 1, descending);
            order.truncate(k);
        }
        order.sort_unstable_by(descending);
        let temperature = f64::from(self.sampling.temperature);
        let highest = f64::from(logits[order[0] as usize]);
        let weight = |id: &u32| ((f64::from(logits[*id as usize]) - highest) / temperature).exp();
        let weights: Vec<f64> = order.iter().map(weight).collect();
        let total: f64 = weights.iter().sum();
        // The shortest prefix that reaches p, and at least one token.
        let mut kept = 0.0;
        let mut count = 0;
        while count < weights.len() && (count == 0 || kept < f64::from(self.sampling.top_p) * total) {
            kept += weights[count];
            count += 1;
        }
        let mut left = self.rng.random::<f64>() * kept;
        for (id, weight) in order[..count].iter().zip(&weights) {
            left -= weight;
            if left < 0.0 {
                return *id;
            }
        }
        order[count - 1]
    }
}

/// Returns the lowest index of the largest logit.
pub fn most_likely(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (i, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = i;
        }
    }
    best as u32
}
