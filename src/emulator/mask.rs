//! Sets of lanes of a workgroup.

/// Most invocations that a workgroup may have.
pub const MAX_LANES: usize = 1024;

/// Set of lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mask([u64; MAX_LANES / 64]);

impl Mask {
    /// Returns the lanes of a range.
    pub fn range(lanes: std::ops::Range<usize>) -> Mask {
        let mut mask = Mask::default();
        lanes.for_each(|lane| mask.insert(lane));
        mask
    }

    pub fn insert(&mut self, lane: usize) {
        self.0[lane / 64] |= 1 << (lane % 64);
    }

    pub fn contains(&self, lane: usize) -> bool {
        self.0[lane / 64] >> (lane % 64) & 1 != 0
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Returns the lanes of both.
    pub fn and(self, other: Mask) -> Mask {
        Mask(std::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    /// Returns the lanes of either.
    pub fn or(self, other: Mask) -> Mask {
        Mask(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    /// Returns the lanes that `other` does not have.
    pub fn without(self, other: Mask) -> Mask {
        Mask(std::array::from_fn(|i| self.0[i] & !other.0[i]))
    }

    /// Returns the lanes whose value is not zero.
    pub fn of(values: &[u32]) -> Mask {
        let mut mask = Mask::default();
        for (word, values) in mask.0.iter_mut().zip(values.chunks(64)) {
            for (bit, &value) in values.iter().enumerate() {
                *word |= u64::from(value != 0) << bit;
            }
        }
        mask
    }

    /// Calls `f` with each lane, in order.
    pub fn each(&self, mut f: impl FnMut(usize)) {
        for (at, &word) in self.0.iter().enumerate() {
            let mut rest = word;
            while rest != 0 {
                f(at * 64 + rest.trailing_zeros() as usize);
                rest &= rest - 1;
            }
        }
    }

    /// Returns how many of the subgroups of `width` lanes have a lane in the set.
    pub fn subgroups(&self, lanes: usize, width: usize) -> usize {
        (0..lanes.div_ceil(width))
            .filter(|&s| (s * width..lanes.min((s + 1) * width)).any(|l| self.contains(l)))
            .count()
    }
}
