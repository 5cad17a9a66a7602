//! What loads and stores cost: lines, sectors, banks.

use super::access::NOWHERE;
use super::machine::Interpreter;
use super::program::Root;

impl Interpreter<'_> {
    /// Counts what a request of all lanes costs.
    pub(super) fn count_request(&mut self, root: Root, size: u32, line: u32, writes: bool) {
        if !self.settings.profile {
            return;
        }
        let width = self.settings.subgroup;
        for subgroup in 0..self.subgroups {
            let lanes = subgroup * width..self.lanes.min((subgroup + 1) * width);
            let offsets = self.offsets[lanes].iter().copied().filter(|&o| o != NOWHERE).collect();
            self.count_of_subgroup(root, offsets, size, line, writes);
        }
    }

    /// Counts what a request of a subgroup costs, whose lanes access `size` bytes at `offsets`.
    pub(super) fn count_of_subgroup(&mut self, root: Root, mut offsets: Vec<u32>, size: u32, line: u32, writes: bool) {
        if offsets.is_empty() {
            return;
        }
        let lanes = offsets.len() as u64;
        offsets.sort_unstable();
        offsets.dedup();
        let lines = blocks(&offsets, size, 128);
        let counters = &mut self.counters;
        let (space, requests) = match root {
            Root::Buffer(buffer) if self.program.bindings[buffer].uniform => ("uniform", &mut counters.uniform),
            Root::Buffer(buffer) => {
                if !writes {
                    counters.rereads += mark(&mut self.touched[buffer], &offsets, size);
                }
                if self.requests.len() <= line as usize {
                    self.requests.resize(line as usize + 1, Default::default());
                }
                self.requests[line as usize].requests += 1;
                self.requests[line as usize].lines += lines;
                ("storage", &mut counters.buffers)
            }
            _ => {
                counters.bank_conflicts += conflicts(&offsets, size);
                ("workgroup", &mut counters.shared)
            }
        };
        *counters.accesses.entry((space, writes, size)).or_default() += 1;
        requests.loads += u64::from(!writes);
        requests.stores += u64::from(writes);
        requests.lanes += lanes;
        requests.lane_bytes += lanes * u64::from(size);
        requests.stored_bytes += if writes { lanes * u64::from(size) } else { 0 };
        requests.sectors += blocks(&offsets, size, 32);
        requests.lines += lines;
        requests.fewest_lines += blocks(&offsets, size, 1).div_ceil(128);
    }
}

/// Returns how many blocks of `block` bytes accesses of `size` bytes at sorted offsets touch.
fn blocks(offsets: &[u32], size: u32, block: u32) -> u64 {
    let mut count = 0;
    let mut next = 0;
    for &offset in offsets {
        let first = (offset / block).max(next);
        let end = (offset + size).div_ceil(block);
        count += u64::from(end.saturating_sub(first));
        next = next.max(end);
    }
    count
}

/// Marks the 32-byte sectors of accesses of `size` bytes at sorted offsets, and returns how many were marked before.
fn mark(touched: &mut Vec<u64>, offsets: &[u32], size: u32) -> u64 {
    let (mut again, mut next) = (0, 0);
    for &offset in offsets {
        let end = (offset + size).div_ceil(32);
        for sector in (offset / 32).max(next)..end {
            let word = sector as usize / 64;
            if touched.len() <= word {
                touched.resize(word + 1, 0);
            }
            again += touched[word] >> (sector % 64) & 1;
            touched[word] |= 1 << (sector % 64);
        }
        next = next.max(end);
    }
    again
}

/// Returns the cycles beyond the first that 32 banks of four bytes need for accesses at distinct offsets. Wider
/// accesses take a cycle for each 128 bytes, which is no conflict.
fn conflicts(offsets: &[u32], size: u32) -> u64 {
    let mut words: Vec<u32> = offsets.iter().flat_map(|&offset| offset / 4..(offset + size).div_ceil(4)).collect();
    words.sort_unstable();
    words.dedup();
    let mut banks = [0u64; 32];
    words.iter().for_each(|word| banks[*word as usize % 32] += 1);
    banks.iter().max().unwrap_or(&0).saturating_sub((words.len() as u64).div_ceil(32).max(1))
}
