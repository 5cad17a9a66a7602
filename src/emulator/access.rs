//! Loads, stores and atomics.

use super::finding::FindingKind;
use super::lanes::{h, to_half};
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
                leaves.iter().for_each(|leaf| self.store_leaf(pointer.root, leaf));
            }
            Op::Atomic { f, signed, value, compare, d, pointer } => {
                self.find_offsets(pointer, 4, line, "updates");
                self.count_request(pointer.root, 4, line, true);
                let leaf = Leaf { offset: 0, width: 4, reg: 0 };
                self.touch(pointer.root, &[leaf], true, true, line);
                self.atomic(*f, *signed, [*value, compare.unwrap_or(*value)], d, pointer.root);
            }
            Op::Length { d, buffer, offset, stride } => {
                let bytes = self.buffers[*buffer].words.get().len() as u32 * 4;
                let length = bytes.saturating_sub(*offset) / stride;
                self.register_mut(*d).fill(length);
            }
            Op::LoadMatrix { d, pointer, stride, row_major, half, size } => {
                self.matrix_access(*d, pointer, *stride, *row_major, *half, *size, false, line);
            }
            Op::StoreMatrix { a, pointer, stride, row_major, half, size } => {
                self.matrix_access(*a, pointer, *stride, *row_major, *half, *size, true, line);
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
    fn bytes(&self, root: Root) -> u32 {
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
    fn find_offsets(&mut self, pointer: &Pointer, size: u32, line: u32, does: &str) {
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
    fn touch_one(
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
        let d = &mut self.registers[leaf.reg as usize * lanes..][..lanes];
        for (d, &offset) in d.iter_mut().zip(&self.offsets) {
            *d = if offset == NOWHERE { 0 } else { read(words, offset + leaf.offset, leaf.width) };
        }
    }

    fn store_leaf(&mut self, root: Root, leaf: &Leaf) {
        let lanes = self.lanes;
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
        }
    }

    fn atomic(&mut self, f: naga::AtomicFunction, signed: bool, [value, compare]: [Reg; 2], d: &[Reg], root: Root) {
        use naga::AtomicFunction as A;
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
            for (&d, result) in d.iter().zip([old, exchanged]) {
                self.register_mut(d)[lane] = result;
            }
        }
    }

    /// Reads or writes a cooperative matrix; the lanes of a subgroup share its elements.
    #[expect(clippy::too_many_arguments, reason = "the operation has these operands")]
    fn matrix_access(
        &mut self,
        matrix: usize,
        pointer: &Pointer,
        stride: Reg,
        row_major: bool,
        half: bool,
        size: u32,
        writes: bool,
        line: u32,
    ) {
        let width = if half { 2 } else { 4 };
        self.find_offsets(pointer, width, line, if writes { "writes" } else { "reads" });
        let starts = self.offsets.clone();
        let shared = !matches!(pointer.root, Root::Buffer(_));
        let bytes = self.bytes(pointer.root);
        for subgroup in 0..self.subgroups {
            if !self.partly_active(subgroup, line, "a cooperative matrix operation") {
                continue;
            }
            let first = subgroup * self.settings.subgroup;
            let Some(lane) = (first..self.lanes).find(|&l| starts[l] != NOWHERE) else { continue };
            let stride = self.register(stride)[lane];
            let at = self.matrix_at(matrix, subgroup);
            let lanes = self.settings.subgroup.min(self.lanes - first);
            let mut offsets = Vec::new();
            for element in 0..size * size {
                let (i, j) = (element / size, element % size);
                // A shader's stride may be anything.
                let [i, j, stride] = [i, j, stride].map(u64::from);
                let step = if row_major { i * stride + j } else { j * stride + i };
                let offset = u64::from(starts[lane]) + step * u64::from(width);
                let owner = first + element as usize % lanes;
                if offset + u64::from(width) > u64::from(bytes) {
                    let who = self.invocation(owner);
                    self.findings.add(FindingKind::OutOfBounds, line, None, || {
                        format!("{who} accesses element [{i}, {j}] of a matrix at byte {offset} of {bytes}")
                    });
                    continue;
                }
                let offset = offset as u32;
                offsets.push(offset);
                if self.settings.sanitize {
                    self.touch_one(pointer.root, shared, owner, offset, width, [false, writes], line);
                }
                let place = at + (i * 16 + j) as usize;
                if writes {
                    let value = self.matrices[place];
                    let bits = if half { to_half(value) } else { value.to_bits() };
                    match pointer.root {
                        Root::Buffer(buffer) => {
                            if let Words::Write(words) = &mut self.buffers[buffer].words {
                                write(words, offset, width as u8, bits);
                            }
                        }
                        _ => write(&mut self.shared, offset, width as u8, bits),
                    }
                } else {
                    let words = match pointer.root {
                        Root::Buffer(buffer) => self.buffers[buffer].words.get(),
                        _ => &self.shared,
                    };
                    let bits = read(words, offset, width as u8);
                    self.matrices[place] = if half { h(bits) } else { f32::from_bits(bits) };
                }
            }
            if self.settings.profile {
                self.count_of_subgroup(pointer.root, offsets, width, line, writes);
            }
        }
    }
}

fn read(words: &[u32], offset: u32, width: u8) -> u32 {
    let word = words[offset as usize / 4];
    if width == 2 { word >> (offset % 4 * 8) & 0xffff } else { word }
}

fn write(words: &mut [u32], offset: u32, width: u8, value: u32) {
    let word = &mut words[offset as usize / 4];
    if width == 2 {
        let shift = offset % 4 * 8;
        *word = *word & !(0xffff << shift) | (value & 0xffff) << shift;
    } else {
        *word = value;
    }
}
