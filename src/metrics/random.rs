//! CPython's `random.Random`, number for number: few-shot examples and resamples are those of the Python original.

use std::collections::HashSet;

use rand_mt::Mt;

use crate::error::{Error, Result};

/// Mersenne Twister with the methods of CPython 3.11's `random.Random`.
#[derive(Clone)]
pub struct Random(Mt);

impl Random {
    /// Returns `random.Random(seed)`, for seeds that are not negative.
    pub fn new(seed: u64) -> Random {
        let words = [seed as u32, (seed >> 32) as u32];
        let length = if words[1] == 0 { 1 } else { 2 };
        Random(Mt::new_with_key(words[..length].iter().copied()))
    }

    /// Returns `random()`: a multiple of 2⁻⁵³ from 0 to below 1.
    pub fn random(&mut self) -> f64 {
        let (high, low) = (self.0.next_u32() >> 5, self.0.next_u32() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// Returns `getrandbits(count)`.
    ///
    /// # Panics
    /// `count` is above 64.
    pub fn bits(&mut self, count: u32) -> u64 {
        assert!(count <= 64, "{count} bits asked for, 64 is the most");
        match count {
            0 => 0,
            1..=32 => u64::from(self.0.next_u32() >> (32 - count)),
            _ => {
                let low = u64::from(self.0.next_u32());
                low | u64::from(self.0.next_u32() >> (64 - count)) << 32
            }
        }
    }

    /// Returns `_randbelow(n)`: from 0 to below `n`.
    ///
    /// # Panics
    /// `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "no number is below 0");
        let count = u64::BITS - n.leading_zeros();
        loop {
            let number = self.bits(count);
            if number < n {
                return number;
            }
        }
    }

    fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// Returns `sample(range(n), k)`: `k` different indices below `n`.
    ///
    /// # Errors
    /// `k` is above `n`.
    pub fn sample(&mut self, n: usize, k: usize) -> Result<Vec<usize>> {
        if k > n {
            let fix = "ask for fewer, or give more to take from";
            return Err(Error::request("sample", format!("at most {n}"), format!("{k} asked for"), fix));
        }
        // CPython estimates whether a list or a set is smaller. The numbers depend on its choice.
        let mut limit = 21usize;
        if k > 5 {
            let mut table = 1usize;
            while table < k.saturating_mul(3) {
                table = table.saturating_mul(4);
            }
            limit = limit.saturating_add(table);
        }
        if n <= limit {
            let mut pool: Vec<usize> = (0..n).collect();
            return Ok((0..k).map(|drawn| pool.swap_remove(self.index(n - drawn))).collect());
        }
        let mut taken = HashSet::new();
        let mut drawn = Vec::with_capacity(k);
        while drawn.len() < k {
            let index = self.index(n);
            if taken.insert(index) {
                drawn.push(index);
            }
        }
        Ok(drawn)
    }

    /// Returns `choices(range(n), k=k)`: `k` indices below `n`, which may repeat.
    ///
    /// # Panics
    /// `n` is 0 and `k` is not.
    pub fn choices(&mut self, n: usize, k: usize) -> Vec<usize> {
        assert!(n > 0 || k == 0, "nothing to choose from");
        (0..k).map(|_| (self.random() * n as f64) as usize).collect()
    }
}
