//! Which scratch tensors can share memory: two whose lives within a plan do not meet.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Element, Plan};

    #[test]
    fn tensors_that_live_together_never_share() {
        // A chain in which every step also reads the first tensor, and the last one the third.
        let mut plan = Plan::new();
        let mut chain = vec![plan.scratch(1, 64, Element::F32)];
        for cols in [8, 32, 16, 64, 4] {
            chain.push(plan.scratch(1, cols, Element::F32));
            let [.., input, output] = chain[..] else { unreachable!("two tensors") };
            plan.add(&crate::plan::kernel::NOTHING, "s", [0u32; 0], &[input, chain[0], output], [1, 1], 0);
        }
        let output = plan.scratch(1, 64, Element::F32);
        plan.add(&crate::plan::kernel::NOTHING, "s", [0u32; 0], &[chain[5], chain[2], output], [1, 1], 0);
        let lives: Vec<(usize, usize)> = (0..plan.scratch.len() as u32)
            .map(|number| {
                let uses = |step: &crate::plan::Step| step.bind.iter().any(|t| t.place == Place::Scratch(number));
                let steps = || plan.steps.iter();
                (steps().position(uses).unwrap(), steps().rposition(uses).unwrap())
            })
            .collect();
        let slots = assign(&plan, false);
        for (a, life) in lives.iter().enumerate() {
            for (b, other) in lives.iter().enumerate().skip(a + 1) {
                let meet = life.0 <= other.1 && other.0 <= life.1;
                assert!(!meet || slots.of[a] != slots.of[b], "tensors {a} and {b} share memory");
            }
        }
        assert!(slots.bytes.len() < plan.scratch.len(), "nothing is shared: {:?}", slots.of);
        assert_eq!(assign(&plan, true).bytes.len(), plan.scratch.len());
    }

    #[test]
    fn a_view_keeps_its_tensor_alive() {
        // x is last used as a view, after which alone its memory is free.
        let mut plan = Plan::new();
        let [x, a, b, c] = [(); 4].map(|()| plan.scratch(2, 64, Element::F32));
        let view = x.reshaped(8, 16);
        for bind in [vec![x], vec![x, a], vec![view, a, b], vec![b, c]] {
            plan.add(&crate::plan::kernel::NOTHING, "s", [0u32; 0], &bind, [1, 1], 0);
        }
        let slots = assign(&plan, false);
        let [x, a, b, c] = [0, 1, 2, 3].map(|tensor| slots.of[tensor]);
        assert!(x != a && x != b && a != b, "{slots:?}");
        assert!(c == x || c == a, "no memory is taken again: {slots:?}");
    }
}
