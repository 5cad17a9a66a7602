//! Slots of a sequence's keys in the cache.

use bytemuck::{Pod, Zeroable};

/// Slots of a row's keys in the cache, as three runs of keys in neighbouring slots. Sequences that begin alike share
/// the slots of their beginning: the first run is a prompt's part common to all, the second a question, the rest one of
/// its answers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Reach {
    /// End of the first run. Key j of it is in slot j.
    pub first: u32,
    /// Shift of the second run: key j of it is in slot j + `second_shift`.
    pub second_shift: u32,
    /// End of the second run.
    pub second: u32,
    /// Shift of the keys after it.
    pub rest_shift: u32,
}

impl Reach {
    /// Every key in the slot of its number: a sequence alone in the cache.
    pub const ALONE: Reach = Reach { first: u32::MAX, second_shift: 0, second: u32::MAX, rest_shift: 0 };

    /// Returns the slot of key `j`.
    pub fn slot(&self, j: u32) -> u32 {
        match j {
            _ if j < self.first => j,
            _ if j < self.second => j + self.second_shift,
            _ => j + self.rest_shift,
        }
    }
}
