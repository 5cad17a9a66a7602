//! CPython's `random.Random`, number for number: few-shot examples and resamples are those of the Python original.

use std::collections::HashSet;

use crate::error::{Error, Result};

const WORDS: usize = 624;
const SHIFT: usize = 397;

/// Mersenne Twister (MT19937, Matsumoto and Nishimura 1998) with the methods of CPython 3.11's `random.Random`.
#[derive(Clone)]
pub struct Random {
    state: [u32; WORDS],
    next: usize,
}

impl Random {
    /// As `random.Random(seed)`, for seeds that are not negative.
    pub fn new(seed: u64) -> Random {
        let halves = [seed as u32, (seed >> 32) as u32];
        let key = if halves[1] == 0 { &halves[..1] } else { &halves[..] };
        // init_by_array of the reference code, which starts from init_genrand(19650218).
        let mut state = [19_650_218u32; WORDS];
        for i in 1..WORDS {
            state[i] = 1_812_433_253u32.wrapping_mul(state[i - 1] ^ (state[i - 1] >> 30)).wrapping_add(i as u32);
        }
        let mixed = |last: u32, factor: u32| (last ^ (last >> 30)).wrapping_mul(factor);
        let (mut i, mut j) = (1, 0);
        for _ in 0..WORDS {
            let word = state[i] ^ mixed(state[i - 1], 1_664_525);
            state[i] = word.wrapping_add(key[j]).wrapping_add(j as u32);
            i += 1;
            j = (j + 1) % key.len();
            if i == WORDS {
                state[0] = state[WORDS - 1];
                i = 1;
            }
        }
        for _ in 1..WORDS {
            state[i] = (state[i] ^ mixed(state[i - 1], 1_566_083_941)).wrapping_sub(i as u32);
            i += 1;
            if i == WORDS {
                state[0] = state[WORDS - 1];
                i = 1;
            }
        }
        state[0] = 0x8000_0000;
        Random { state, next: WORDS }
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            for i in 0..WORDS {
                let both = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % WORDS] & 0x7fff_ffff);
                let twist = if both & 1 == 0 { 0 } else { 0x9908_b0df };
                self.state[i] = self.state[(i + SHIFT) % WORDS] ^ (both >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// `random()`: from 0 to below 1, a multiple of 2⁻⁵³.
    pub fn random(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// `getrandbits(count)`.
    ///
    /// # Panics
    /// Above 64 bits.
    pub fn bits(&mut self, count: u32) -> u64 {
        assert!(count <= 64, "{count} bits asked for, 64 is the most");
        match count {
            0 => 0,
            1..=32 => u64::from(self.word() >> (32 - count)),
            _ => {
                let low = u64::from(self.word());
                low | u64::from(self.word() >> (64 - count)) << 32
            }
        }
    }

    /// `_randbelow(n)`: from 0 to below `n`.
    ///
    /// # Panics
    /// Where `n` is 0.
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

    /// `randint(low, high)`: both ends included.
    ///
    /// # Panics
    /// Where `high` is below `low`, and for the whole range of `i64`.
    pub fn int(&mut self, low: i64, high: i64) -> i64 {
        assert!(low <= high, "nothing lies between {low} and {high}");
        low.wrapping_add_unsigned(self.below(high.abs_diff(low) + 1))
    }

    /// `sample(range(n), k)`: `k` different indices below `n`.
    ///
    /// # Errors
    /// Where `k` is above `n`.
    pub fn sample(&mut self, n: usize, k: usize) -> Result<Vec<usize>> {
        if k > n {
            let found = format!("{k} asked for");
            return Err(Error::request(
                "sample",
                format!("at most {n}"),
                found,
                "ask for fewer, or give more to take from",
            ));
        }
        // CPython's guess at where a list gets larger than a set; which of the two it takes decides the numbers.
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

    /// `choices(range(n), k=k)`: `k` indices below `n`, equal ones allowed.
    ///
    /// # Panics
    /// Where `n` is 0 and `k` is not.
    pub fn choices(&mut self, n: usize, k: usize) -> Vec<usize> {
        assert!(n > 0 || k == 0, "nothing to choose from");
        (0..k).map(|_| (self.random() * n as f64) as usize).collect()
    }

    /// `shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.index(i + 1));
        }
    }
}
