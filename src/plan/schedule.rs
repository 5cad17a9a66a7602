//! Memory of scratch tensors: two share it if their lives within a plan do not meet.

use super::{Place, Plan};

/// A slot for every scratch tensor and the size each slot needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Slot of each scratch tensor, by its number in the plan.
    pub of: Vec<usize>,
    /// Bytes of each slot.
    pub bytes: Vec<u64>,
}

/// Assigns slots by first and last use, reusing the free slot that fits best. With `keep` no slot
/// is shared.
pub fn assign(plan: &Plan, keep: bool) -> Slots {
    if keep {
        return Slots {
            of: (0..plan.scratch.len()).collect(),
            bytes: plan.scratch.iter().map(|t| t.bytes()).collect(),
        };
    }
    let mut last_use = vec![0; plan.scratch.len()];
    for (number, step) in plan.steps.iter().enumerate() {
        for tensor in &step.bind {
            if let Place::Scratch(s) = tensor.place {
                last_use[s as usize] = number;
            }
        }
    }
    let mut slots = Slots { of: vec![usize::MAX; plan.scratch.len()], bytes: Vec::new() };
    let mut free: Vec<usize> = Vec::new();
    for (number, step) in plan.steps.iter().enumerate() {
        let used = |t: &super::Tensor| match t.place {
            Place::Scratch(s) => Some(s as usize),
            Place::Resident(_) => None,
        };
        for s in step.bind.iter().filter_map(used) {
            if slots.of[s] == usize::MAX {
                slots.of[s] = take(&mut slots.bytes, &mut free, plan.scratch[s].bytes());
            }
        }
        for s in step.bind.iter().filter_map(used) {
            if last_use[s] == number && !free.contains(&slots.of[s]) {
                free.push(slots.of[s]);
            }
        }
    }
    for slot in &mut slots.of {
        // A tensor no step binds needs no memory of its own.
        if *slot == usize::MAX {
            *slot = 0;
        }
    }
    slots
}

/// The smallest free slot that holds `need`, else the largest free one grown, else a new one.
fn take(bytes: &mut Vec<u64>, free: &mut Vec<usize>, need: u64) -> usize {
    let fits = (0..free.len()).filter(|&i| bytes[free[i]] >= need).min_by_key(|&i| bytes[free[i]]);
    let chosen = fits.or_else(|| (0..free.len()).max_by_key(|&i| bytes[free[i]]));
    match chosen {
        Some(i) => {
            let slot = free.swap_remove(i);
            bytes[slot] = bytes[slot].max(need);
            slot
        }
        None => {
            bytes.push(need);
            bytes.len() - 1
        }
    }
}
