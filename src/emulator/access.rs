//! Loads, stores and atomics.

use super::finding::FindingKind;
use super::machine::Interpreter;
use super::memory::{Access, Words};
use super::program::{Leaf, Op, Pointer, Reg, Root};

/// Offset of a lane that does not access memory.
pub(super) const NOWHERE: u32 = u32::MAX;

impl Interpreter<'_> {
    pub(super) fn memory_op(&mut self, op: &Op, line: u32) {
        match op {
            Op::ReadLocal { d, pointer } => self.local_access(d, pointer, false, line),
            Op::WriteLocal { a, pointer } => self.local_access(a, pointer, true, line),
            Op::Load { leaves, pointer, size, atomic } => {
                self.find_offsets(pointer, *size, line, "reads");
                self.count_request(pointer.root, *size, line, false);
                self.touch(pointer.root, leaves, *atomic, false, line);
                leaves.iter().for_each(|leaf| self.load_leaf(pointer.root, leaf));
            }
            Op::Store { leaves, pointer, size, atomic } => {
                self.find_offsets(pointer, *size, line, "writes");
                self.count_request(pointer.root, *size, line, true);
                self.touch(pointer.root, leaves, *atomic, true, line);
                leaves.iter().for_each(|leaf| self.store_leaf(pointer.root, leaf, line));
            }
            Op::Atomic { f, signed, value, compare, d, pointer } => {
                self.find_offsets(pointer, 4, line, "updates");
                self.count_request(pointer.root, 4, line, true);
                let leaf = Leaf { offset: 0, width: 4, reg: 0 };
                self.touch(pointer.root, &[leaf], true, true, line);
                self.atomic(*f, *signed, [*value, compare.unwrap_or(*value)], d, pointer.root, line);
            }
            Op::Length { d, buffer, offset, stride } => {
                let bytes = self.buffers[*buffer].words.get().len() as u32 * 4;
                let length = bytes.saturating_sub(*offset) / stride;
                self.register_mut(*d).fill(length);
            }
            Op::LoadMatrix { d, pointer, stride, row_major, memory, size } => {
                self.matrix_access(*d, pointer, *stride, *row_major, *memory, *size, false, line);
            }
            Op::StoreMatrix { a, pointer, stride, row_major, memory, size } => {
                self.matrix_access(*a, pointer, *stride, *row_major, *memory, *size, true, line);
            }
            _ => self.subgroup_op(op, line),
        }
    }

    /// Reads or writes registers by dynamic indices.
    fn local_access(&mut self, registers: &[Reg], pointer: &Pointer, writes: bool, line: u32) {
        let Root::Registers(base) = pointer.root else { unreachable!("variables are registers") };
        let active = self.active;
        active.each(|lane| {
            let mut at = base + pointer.offset;
            for index in &pointer.index {
                let value = self.register(index.reg)[lane];
                let len = index.len.expect("variables have a size");
                if value >= len {
                    let who = self.invocation(lane);
                    let does = if writes { "writes" } else { "reads" };
                    self.findings.add(FindingKind::OutOfBounds, line, None, || {
                        format!("{who} {does} element {value} of an array of {len}")
                    });
                    return;
                }
                at += value * index.stride;
            }
            for (word, &reg) in registers.iter().enumerate() {
                let (d, a) = if writes { (at + word as u32, reg) } else { (reg, at + word as u32) };
                self.registers[d as usize * self.lanes + lane] = self.registers[a as usize * self.lanes + lane];
            }
        });
    }

    /// Returns the bytes of a memory.
    pub(super) fn bytes(&self, root: Root) -> u32 {
        match root {
            Root::Buffer(buffer) => self.buffers[buffer].words.get().len() as u32 * 4,
            _ => self.shared.len() as u32 * 4,
        }
    }

    fn name(&self, root: Root) -> String {
        match root {
            Root::Buffer(buffer) => self.program.bindings[buffer].name.clone(),
            _ => "workgroup memory".into(),
        }
    }

    /// Finds the byte offset of each active lane's access of `size` bytes; those out of bounds are reported and
    /// go nowhere.
    pub(super) fn find_offsets(&mut self, pointer: &Pointer, size: u32, line: u32, does: &str) {
        let bytes = self.bytes(pointer.root);
        let mut offsets = std::mem::take(&mut self.offsets);
        offsets.fill(NOWHERE);
        let active = self.active;
        active.each(|lane| {
            let mut at = u64::from(pointer.offset);
            let mut beyond = None;
            for index in &pointer.index {
                let value = self.register(index.reg)[lane];
                if index.len.is_some_and(|len| value >= len) {
                    beyond = Some(format!("element {} of an array of {}", value, index.len.unwrap_or(0)));
                }
                at += u64::from(value) * u64::from(index.stride);
            }
            if beyond.is_none() && at + u64::from(size) > u64::from(bytes) {
                beyond = Some(format!(
                    "bytes {at} to {} of {}, which has {bytes}",
                    at + u64::from(size) - 1,
                    self.name(pointer.root)
                ));
            }
            match beyond {
                None => offsets[lane] = at as u32,
                Some(beyond) => {
                    let who = self.invocation(lane);
                    self.findings.add(FindingKind::OutOfBounds, line, None, || format!("{who} {does} {beyond}"));
                }
            }
        });
        self.offsets = offsets;
    }

    /// Records the accesses of all lanes and reports races and reads of what nobody wrote.
    fn touch(&mut self, root: Root, leaves: &[Leaf], atomic: bool, writes: bool, line: u32) {
        if !self.settings.sanitize {
            return;
        }
        let shared = !matches!(root, Root::Buffer(_));
        if let Root::Buffer(buffer) = root
            && !self.program.bindings[buffer].writable
        {
            return;
        }
        let offsets = std::mem::take(&mut self.offsets);
        for (lane, &offset) in offsets.iter().enumerate().filter(|(_, o)| **o != NOWHERE) {
            for leaf in leaves {
                self.touch_one(root, shared, lane, offset + leaf.offset, u32::from(leaf.width), [atomic, writes], line);
            }
        }
        self.offsets = offsets;
    }

    #[expect(clippy::too_many_arguments, reason = "one access has these many facts, in the hottest path")]
    pub(super) fn touch_one(
        &mut self,
        root: Root,
        shared: bool,
        lane: usize,
        offset: u32,
        width: u32,
        [atomic, writes]: [bool; 2],
        line: u32,
    ) {
        let begin = self.shared_order.begin;
        if shared && !writes && !atomic && !self.shared_shadow.is_written(offset, begin) {
            let who = self.invocation(lane);
            self.findings.add(FindingKind::Uninitialized, line, None, || {
                format!("{who} reads byte {offset} of workgroup memory, which nobody wrote")
            });
        }
        let invocation = self.workgroup * self.lanes as u32 + lane as u32;
        let now = Access { time: self.time, invocation, line, atomic };
        let barrier = self.subgroup_barriers[lane / self.settings.subgroup];
        let name = self.name_of(root);
        let (shadow, order) = match root {
            Root::Buffer(buffer) => (&mut self.buffers[buffer].shadow, &self.buffer_order),
            _ => (&mut self.shared_shadow, &self.shared_order),
        };
        let place = |at: u32| format!("byte {at} of {name}");
        shadow.access(offset, width, now, writes, order, barrier, &mut self.findings, &place);
    }

    fn name_of(&self, root: Root) -> &'static str {
        match root {
            Root::Buffer(_) => "a buffer",
            _ => "workgroup memory",
        }
    }

    fn load_leaf(&mut self, root: Root, leaf: &Leaf) {
        let lanes = self.lanes;
        let words = match root {
            Root::Buffer(buffer) => self.buffers[buffer].words.get(),
            _ => &self.shared,
        };
        let d = &mut self.registers[leaf.reg as usize * lanes..][self.window.clone()];
        for (d, &offset) in d.iter_mut().zip(&self.offsets[self.window.clone()]) {
            *d = if offset == NOWHERE { 0 } else { read(words, offset + leaf.offset, leaf.width) };
        }
    }

    fn store_leaf(&mut self, root: Root, leaf: &Leaf, line: u32) {
        let lanes = self.lanes;
        let mut sum = 0u64;
        let Some(words) = (match root {
            Root::Buffer(buffer) => match &mut self.buffers[buffer].words {
                Words::Write(words) => Some(&mut **words),
                Words::Read(_) => None,
            },
            _ => Some(&mut self.shared[..]),
        }) else {
            return;
        };
        let a = &self.registers[leaf.reg as usize * lanes..][..lanes];
        for (&value, &offset) in a.iter().zip(&self.offsets).filter(|(_, o)| **o != NOWHERE) {
            write(words, offset + leaf.offset, leaf.width, value);
            sum = sum.wrapping_add(stored(offset + leaf.offset, value));
        }
        self.add_stored(line, sum);
    }

    /// Adds to the sum over what a line stored.
    pub(super) fn add_stored(&mut self, line: u32, sum: u64) {
        match self.stores.iter_mut().find(|(known, _)| *known == line) {
            _ if !self.settings.sanitize => {}
            Some((_, known)) => *known = known.wrapping_add(sum),
            None => self.stores.push((line, sum)),
        }
    }

    fn atomic(
        &mut self,
        f: naga::AtomicFunction,
        signed: bool,
        [value, compare]: [Reg; 2],
        d: &[Reg],
        root: Root,
        line: u32,
    ) {
        use naga::AtomicFunction as A;
        let mut sum = 0u64;
        for lane in 0..self.lanes {
            let offset = self.offsets[lane];
            if offset == NOWHERE {
                continue;
            }
            let (value, compare) = (self.register(value)[lane], self.register(compare)[lane]);
            let words = match root {
                Root::Buffer(buffer) => match &mut self.buffers[buffer].words {
                    Words::Write(words) => &mut **words,
                    Words::Read(_) => continue,
                },
                _ => &mut self.shared[..],
            };
            let cell = &mut words[offset as usize / 4];
            let old = *cell;
            let mut exchanged = 1;
            *cell = match f {
                A::Add => old.wrapping_add(value),
                A::Subtract => old.wrapping_sub(value),
                A::And => old & value,
                A::ExclusiveOr => old ^ value,
                A::InclusiveOr => old | value,
                A::Min if signed => (old as i32).min(value as i32) as u32,
                A::Min => old.min(value),
                A::Max if signed => (old as i32).max(value as i32) as u32,
                A::Max => old.max(value),
                A::Exchange { compare: None } => value,
                A::Exchange { compare: Some(_) } if old == compare => value,
                A::Exchange { compare: Some(_) } => {
                    exchanged = 0;
                    old
                }
            };
            if exchanged == 1 {
                sum = sum.wrapping_add(stored(offset, value));
            }
            for (&d, result) in d.iter().zip([old, exchanged]) {
                self.register_mut(d)[lane] = result;
            }
        }
        self.add_stored(line, sum);
    }
}

/// Returns a number for a value at a place; sums of them tell apart what was stored, in any order.
pub(super) fn stored(offset: u32, value: u32) -> u64 {
    let both = (u64::from(offset) << 32 | u64::from(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (both ^ both >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ both >> 32
}

pub(super) fn read(words: &[u32], offset: u32, width: u8) -> u32 {
    let word = words[offset as usize / 4];
    if width == 2 { word >> (offset % 4 * 8) & 0xffff } else { word }
}

pub(super) fn write(words: &mut [u32], offset: u32, width: u8, value: u32) {
    let word = &mut words[offset as usize / 4];
    if width == 2 {
        let shift = offset % 4 * 8;
        *word = *word & !(0xffff << shift) | (value & 0xffff) << shift;
    } else {
        *word = value;
    }
}
