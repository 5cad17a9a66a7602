//! The next token, drawn from the highest logits in the order of transformers: repetition penalty, temperature, top-k,
//! top-p, min-p, draw.

use std::cmp::Ordering;

use super::top_k::MOST_CANDIDATES;
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

/// Words of a tensor of settings before the bits of tokens seen.
pub const DRAW_WORDS: usize = 8;

params! { struct Params { count: u32, words: u32 } }

/// Settings of one draw.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// Number of tokens kept; zero keeps all.
    pub k: usize,
    /// Divides the logits.
    pub temperature: f32,
    /// Share of probability that is kept.
    pub top_p: f32,
    /// Least probability that is kept, as a share of the highest.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens seen.
    pub penalty: f32,
    /// Random number, 0 or more and below 1.
    pub random: f64,
}

/// Returns how logits with their tokens are ordered: the highest first, of equal ones the lower token.
pub(super) fn before(a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

impl Draw {
    /// Draws from `candidates`, all logits or the highest in the order of [`Plan::top_k`]. None: a token that is no
    /// candidate may belong to those kept, for the penalty lowered too many candidates. Without a penalty, or with one
    /// above 1, tokens that are no candidates come after the last one with or without it.
    pub fn token(&self, mut candidates: Vec<(f32, u32)>, all: bool, seen: impl Fn(u32) -> bool) -> Option<u32> {
        let last = *candidates.last()?;
        for (logit, _) in candidates.iter_mut().filter(|(_, id)| self.penalty != 1.0 && seen(*id)) {
            *logit = if *logit > 0.0 { *logit / self.penalty } else { *logit * self.penalty };
        }
        if self.k > 0 && self.k < candidates.len() {
            candidates.select_nth_unstable_by(self.k - 1, before);
            candidates.truncate(self.k);
        }
        candidates.sort_unstable_by(before);
        if !all && before(&last, candidates.last()?).is_lt() {
            return None;
        }
        let (highest, temperature) = (f64::from(candidates[0].0), f64::from(self.temperature));
        let weights: Vec<f64> =
            candidates.iter().map(|(logit, _)| ((f64::from(*logit) - highest) / temperature).exp()).collect();
        let total: f64 = weights.iter().sum();
        // The shortest prefix that reaches p, of it what is likely enough, and at least one token.
        let mut kept = 0.0;
        let mut count = 0;
        let more = |kept, weight| kept < f64::from(self.top_p) * total && weight >= f64::from(self.min_p);
        while count < weights.len() && (count == 0 || more(kept, weights[count])) {
            kept += weights[count];
            count += 1;
        }
        let mut left = self.random * kept;
        let drawn = weights[..count].iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        Some(candidates[drawn.unwrap_or(count - 1)].1)
    }

    /// Returns the settings as [`Plan::draw`] takes them.
    pub fn words(&self) -> [u32; DRAW_WORDS] {
        let Draw { k, temperature, top_p, min_p, penalty, random } = *self;
        let [t, p, penalty, random, m] = [temperature, top_p, penalty, random as f32, min_p].map(f32::to_bits);
        [k as u32, t, p, penalty, random, m, 0, 0]
    }
}

impl Plan {
    /// Draws a token from `candidates` [1, 2k] of [`Plan::top_k`] into `y` [1, 1 + 2k], and copies them behind it.
    /// `settings` [1, n] are [`Draw::words`], with `k` above 0, then a bit for each token: it was seen. So was the token
    /// that `y` begins with. In f32, where [`Draw::token`] is in f64: the two may differ where `random` is next to a
    /// boundary.
    pub fn draw(&mut self, name: &str, candidates: Tensor, settings: Tensor, y: Tensor) {
        let count = candidates.cols / 2;
        candidates.expect("candidates", 1, 2 * count, Element::U32);
        y.expect("token", 1, 1 + 2 * count, Element::U32);
        assert!(count <= MOST_CANDIDATES && settings.cols > DRAW_WORDS, "{name}: {count} of {settings:?}");
        let params = Params { count: count as u32, words: settings.cols as u32 };
        self.add(&KERNEL, name, params, &[candidates, settings, y], [1, 1], (count * count) as u64);
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "draw",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("draw"), &[("WG", 64)], |_| [1, 1], 0.0)],
    reference,
    host: None,
    cases: &[
        Case::test("20_of_20", |t| draw(t, 20, 20, [0.7, 0.8, 1.0, 0.3, 0.0])),
        Case::test("20_of_84", |t| draw(t, 84, 20, [0.7, 0.8, 1.05, 0.7, 0.0])),
        Case::test("150_of_256", |t| draw(t, 256, 150, [2.0, 1.0, 4.0, 0.99, 0.0])),
        Case::test("min_p_of_84", |t| draw(t, 84, 50, [0.7, 1.0, 1.05, 0.99, 0.42])),
        Case::test("highest", |t| draw(t, 65, 1, [1.0, 1.0, 2.0, 0.5, 0.9])),
    ],
};

/// A trial of candidates from 3 down to -1 in pairs of equal ones, of which every third was seen and the fifth is the
/// token before.
fn draw(t: &mut Trial, count: usize, k: usize, [temperature, top_p, penalty, random, min_p]: [f32; 5]) -> Tensor {
    let draw = Draw { k, temperature, top_p, min_p, penalty, random: random.into() };
    let token = |i: usize| (i * 41 % 1000) as u32;
    let logit = |i: usize| 3.0 - 4.0 * (i / 2) as f32 / count as f32;
    let candidates = t.words(1, 2 * count, |w| if w % 2 == 0 { logit(w / 2).to_bits() } else { token(w / 2) });
    let settings = t.words(1, DRAW_WORDS + 32, |w| match w.checked_sub(DRAW_WORDS) {
        None => draw.words()[w],
        Some(word) => {
            (0..count).step_by(3).map(token).filter(|id| *id as usize / 32 == word).map(|id| 1 << (id % 32)).sum()
        }
    });
    let y = t.words(1, 1 + 2 * count, |_| token(4));
    t.plan.draw("", candidates, settings, y);
    y
}

fn reference(io: &mut Io) {
    let (candidates, settings, before) = (io.u32(0), io.u32(1), io.out_u32()[0]);
    let [temperature, top_p, penalty, random, min_p] = [1, 2, 3, 4, 5].map(|w| f32::from_bits(settings[w]));
    let draw = Draw { k: settings[0] as usize, temperature, top_p, min_p, penalty, random: random.into() };
    let seen = |id: u32| id == before || is_set(&settings[DRAW_WORDS..], id);
    let pairs = candidates.chunks_exact(2).map(|pair| (f32::from_bits(pair[0]), pair[1]));
    let y = io.out_u32();
    y[0] = draw.token(pairs.collect(), true, seen).unwrap_or(super::NOT_FINITE);
    y[1..].copy_from_slice(candidates);
}

/// Returns whether a token's bit is set.
pub fn is_set(bits: &[u32], token: u32) -> bool {
    bits.get(token as usize / 32).is_some_and(|word| word >> (token % 32) & 1 == 1)
}
