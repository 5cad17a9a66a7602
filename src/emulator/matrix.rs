//! Cooperative matrices: 16x16 or 8x8 values that the lanes of a subgroup hold together.

use super::access::{NOWHERE, read, stored, write};
use super::finding::FindingKind;
use super::lanes::{h, to_half};
use super::machine::Interpreter;
use super::memory::Words;
use super::program::{MatrixMemory, Pointer, Reg, Root};

impl Interpreter<'_> {
    /// Returns where a subgroup's values of a matrix begin.
    pub(super) fn matrix_at(&self, matrix: usize, subgroup: usize) -> usize {
        (matrix * self.subgroups + subgroup) * 256
    }

    /// Reads or writes a cooperative matrix; the lanes of a subgroup share its elements.
    #[expect(clippy::too_many_arguments, reason = "the operation has these operands")]
    pub(super) fn matrix_access(
        &mut self,
        matrix: usize,
        pointer: &Pointer,
        stride: Reg,
        row_major: bool,
        memory: MatrixMemory,
        size: u32,
        writes: bool,
        line: u32,
    ) {
        let MatrixMemory { half, unit } = memory;
        let width = if half { 2 } else { 4 };
        self.find_offsets(pointer, width, line, if writes { "writes" } else { "reads" });
        let starts = self.offsets.clone();
        let shared = !matches!(pointer.root, Root::Buffer(_));
        let bytes = self.bytes(pointer.root);
        let mut sum = 0u64;
        for subgroup in 0..self.subgroups {
            if !self.partly_active(subgroup, line, "a cooperative matrix operation") {
                continue;
            }
            let first = subgroup * self.settings.subgroup;
            let Some(lane) = (first..self.lanes).find(|&l| starts[l] != NOWHERE) else { continue };
            let stride = u64::from(self.register(stride)[lane]) * u64::from(unit);
            let at = self.matrix_at(matrix, subgroup);
            let lanes = self.settings.subgroup.min(self.lanes - first);
            let mut offsets = Vec::new();
            for element in 0..size * size {
                let (i, j) = (element / size, element % size);
                // A shader's stride may be anything.
                let [i, j] = [i, j].map(u64::from);
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
                    sum = sum.wrapping_add(stored(offset, bits));
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
        if writes {
            self.add_stored(line, sum);
        }
    }

    /// d[i, j] = sum over k of a[i, k] · b[k, j] + c[i, j], with sums in f32.
    pub(super) fn multiply(&mut self, subgroup: usize, size: usize, [d, a, b, c]: [usize; 4]) {
        self.counters.multiply_adds += (size * size * size) as u64;
        let at = |matrix| self.matrix_at(matrix, subgroup);
        let (d, a, b, c) = (at(d), at(a), at(b), at(c));
        let mut product = [0.0f32; 256];
        for i in 0..size {
            for j in 0..size {
                let mut sum = self.matrices[c + i * 16 + j];
                for k in 0..size {
                    sum += self.matrices[a + i * 16 + k] * self.matrices[b + k * 16 + j];
                }
                product[i * 16 + j] = sum;
            }
        }
        self.matrices[d..d + 256].copy_from_slice(&product);
    }
}
