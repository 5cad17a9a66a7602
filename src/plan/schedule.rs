//! Memory of scratch tensors: two share it if their lives within a plan do not meet.

use super::{Place, Plan, Step, Tensor};

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
    let used = |step: &Step| -> Vec<usize> {
        let scratch = |t: &Tensor| if let Place::Scratch(s) = t.place { Some(s as usize) } else { None };
        step.bind.iter().filter_map(scratch).collect()
    };
    let mut last_use = vec![0; plan.scratch.len()];
    for (number, step) in plan.steps.iter().enumerate() {
        used(step).into_iter().for_each(|s| last_use[s] = number);
    }
    let (mut of, mut bytes, mut free) = (vec![None; plan.scratch.len()], Vec::new(), Vec::new());
    for (number, step) in plan.steps.iter().enumerate() {
        for s in used(step) {
            of[s].get_or_insert_with(|| take(&mut bytes, &mut free, plan.scratch[s].bytes()));
        }
        for s in used(step) {
            let slot = of[s].expect("assigned above");
            if last_use[s] == number && !free.contains(&slot) {
                free.push(slot);
            }
        }
    }
    // A tensor no step binds needs no memory of its own.
    Slots { of: of.into_iter().map(Option::unwrap_or_default).collect(), bytes }
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
