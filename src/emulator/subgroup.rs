//! Operations between the lanes of a subgroup.

use super::finding::FindingKind;
use super::machine::Interpreter;
use super::program::{Gather, Op, Reg};

impl Interpreter<'_> {
    /// Returns the lanes of a subgroup.
    pub(super) fn lanes_of(&self, subgroup: usize) -> std::ops::Range<usize> {
        let width = self.settings.subgroup;
        subgroup * width..self.lanes.min((subgroup + 1) * width)
    }

    pub(super) fn subgroup_op(&mut self, op: &Op, line: u32) {
        for subgroup in 0..self.subgroups {
            let copies = matches!(op, Op::CopyMatrix { .. } | Op::ZeroMatrix { .. });
            let here = if copies {
                self.lanes_of(subgroup).any(|l| self.active.contains(l))
            } else {
                self.partly_active(subgroup, line, "a subgroup operation")
            };
            if !here {
                continue;
            }
            match op {
                Op::Ballot { d, predicate } => self.ballot(subgroup, d, *predicate),
                Op::Gather { d, a, mode } => self.gather(subgroup, *d, *a, *mode, line),
                Op::Collective { d, a, f, identity, kind } => {
                    self.collective(subgroup, [*d, *a], *f, *identity, *kind);
                }
                Op::MultiplyMatrix { size, d, a, b, c } => self.multiply(subgroup, *size, [*d, *a, *b, *c]),
                Op::CopyMatrix { d, a } => {
                    let (from, to) = (self.matrix_at(*a, subgroup), self.matrix_at(*d, subgroup));
                    self.matrices.copy_within(from..from + 256, to);
                }
                Op::ZeroMatrix { d } => {
                    let at = self.matrix_at(*d, subgroup);
                    self.matrices[at..at + 256].fill(0.0);
                }
                _ => unreachable!("no operation of subgroups: {op:?}"),
            }
        }
    }

    fn ballot(&mut self, subgroup: usize, d: &[Reg], predicate: Option<Reg>) {
        let first = subgroup * self.settings.subgroup;
        let mut bits = [0u32; 4];
        for lane in self.lanes_of(subgroup).filter(|&l| self.active.contains(l)) {
            if predicate.is_none_or(|p| self.register(p)[lane] != 0) {
                bits[(lane - first) / 32] |= 1 << ((lane - first) % 32);
            }
        }
        for (&d, word) in d.iter().zip(bits) {
            for lane in self.lanes_of(subgroup) {
                self.register_mut(d)[lane] = word;
            }
        }
    }

    fn gather(&mut self, subgroup: usize, d: Reg, a: Reg, mode: Gather, line: u32) {
        let lanes = self.lanes_of(subgroup);
        let values: Vec<u32> = self.register(a)[lanes.clone()].to_vec();
        let first_active = lanes.clone().find(|&l| self.active.contains(l)).expect("an active lane") - lanes.start;
        let active = self.active;
        for lane in lanes.clone().filter(|&l| active.contains(l)) {
            let own = (lane - lanes.start) as u32;
            let operand = |reg: Reg| self.register(reg)[lane];
            let from = match mode {
                Gather::First => first_active as u32,
                Gather::Lane(reg) => operand(reg),
                Gather::Down(reg) => own.wrapping_add(operand(reg)),
                Gather::Up(reg) => own.wrapping_sub(operand(reg)),
                Gather::Xor(reg) => own ^ operand(reg),
                Gather::QuadLane(reg) => own & !3 | operand(reg) & 3,
                Gather::QuadSwap(bits) => own ^ bits,
            };
            let source = lanes.start + from.min(1 << 16) as usize;
            let there = lanes.contains(&source) && self.active.contains(source);
            if !there && self.settings.sanitize {
                let (who, size) = (self.invocation(lane), lanes.len());
                self.findings.add(FindingKind::InactiveLane, line, None, || {
                    format!("{who}, lane {own} of a subgroup of {size}, reads lane {from}, which is not active")
                });
            }
            // What a processor gives for a lane that is not there is not defined.
            let value = if there { values[from as usize] } else { 0x7fc0_dead };
            self.register_mut(d)[lane] = value;
        }
    }

    fn collective(
        &mut self,
        subgroup: usize,
        [d, a]: [Reg; 2],
        f: super::lanes::Binary,
        identity: u32,
        kind: naga::CollectiveOperation,
    ) {
        let mut sum = [identity];
        let lanes: Vec<usize> = self.lanes_of(subgroup).filter(|&l| self.active.contains(l)).collect();
        for &lane in &lanes {
            let before = sum;
            let value = [self.register(a)[lane]];
            f(&mut sum, &before, &value);
            match kind {
                naga::CollectiveOperation::Reduce => {}
                naga::CollectiveOperation::InclusiveScan => self.register_mut(d)[lane] = sum[0],
                naga::CollectiveOperation::ExclusiveScan => self.register_mut(d)[lane] = before[0],
            }
        }
        if matches!(kind, naga::CollectiveOperation::Reduce) {
            for lane in lanes {
                self.register_mut(d)[lane] = sum[0];
            }
        }
    }
}
