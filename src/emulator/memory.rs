//! Memory of a dispatch: buffers, workgroup memory, and who accessed what last.

use super::finding::{FindingKind, ShaderFindings};

/// Words of a buffer.
pub enum Words<'a> {
    /// Words that the shader reads.
    Read(&'a [u32]),
    /// Words that the shader may write.
    Write(&'a mut [u32]),
}

impl Words<'_> {
    /// Returns the words.
    pub fn get(&self) -> &[u32] {
        match self {
            Words::Read(words) => words,
            Words::Write(words) => words,
        }
    }
}

/// Buffer bound to a dispatch.
pub struct Buffer<'a> {
    /// Contents.
    pub words: Words<'a>,
    /// Accesses so far; the default watches none.
    pub shadow: Shadow,
}

/// Accesses of one unit of memory, for finding races.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    write: Access,
    read: Access,
    /// A reader other than the last one.
    other: Access,
}

/// Access of an invocation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access {
    /// Time of the access; 0 for none.
    pub time: u32,
    /// Number of the invocation within the dispatch.
    pub invocation: u32,
    pub line: u32,
    pub atomic: bool,
}

/// When an invocation's earlier accesses are ordered before the one that it makes now.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessOrder {
    /// Accesses before this time belong to another dispatch, or to another workgroup's memory.
    pub begin: u32,
    /// Time of the last barrier of the workgroup for this memory.
    pub barrier: u32,
    /// Lanes of a workgroup, and of a subgroup.
    pub lanes: u32,
    pub width: u32,
}

/// Last accesses of each unit of a memory.
#[derive(Clone, Debug, Default)]
pub struct Shadow {
    cells: Vec<Cell>,
    /// Bytes of a unit.
    unit: u32,
}

impl Shadow {
    /// Returns the shadow of `bytes` bytes in units of `unit` bytes.
    pub fn new(bytes: u32, unit: u32) -> Shadow {
        Shadow { cells: vec![Cell::default(); bytes.div_ceil(unit) as usize], unit }
    }

    /// Records an access of `width` bytes at `offset` and reports what it races with. `place` names the memory;
    /// `subgroup_barrier` is the time of the subgroup's last barrier.
    #[expect(clippy::too_many_arguments, reason = "one access has these many facts, in the hottest path")]
    pub fn access(
        &mut self,
        offset: u32,
        width: u32,
        now: Access,
        writes: bool,
        order: &AccessOrder,
        subgroup_barrier: u32,
        findings: &mut ShaderFindings,
        place: &dyn Fn(u32) -> String,
    ) {
        if self.cells.is_empty() {
            return;
        }
        let group = now.invocation / order.lanes;
        let subgroup = now.invocation % order.lanes / order.width;
        let unordered = |before: &Access| {
            let same_group = before.invocation / order.lanes == group;
            let same_subgroup = same_group && before.invocation % order.lanes / order.width == subgroup;
            before.time >= order.begin
                && before.invocation != now.invocation
                && !(before.atomic && now.atomic)
                && !(same_group && before.time < order.barrier)
                && !(same_subgroup && before.time < subgroup_barrier)
        };
        let first = offset / self.unit;
        for at in first..(offset + width).div_ceil(self.unit) {
            let cell = &mut self.cells[at as usize];
            let mut race = |before: &Access, did: &str| {
                let does = if writes { "writes" } else { "reads" };
                findings.add(FindingKind::DataRace, now.line, Some(before.line), || {
                    format!(
                        "invocation {} {does} {} that invocation {} {did}, with no barrier between",
                        now.invocation,
                        place(at * self.unit),
                        before.invocation,
                    )
                });
            };
            if cell.write.time > 0 && unordered(&cell.write) {
                race(&cell.write, "wrote");
            }
            if writes {
                for read in [cell.read, cell.other] {
                    if read.time > 0 && unordered(&read) {
                        race(&read, "read");
                    }
                }
                cell.write = now;
            } else {
                if cell.read.invocation != now.invocation {
                    cell.other = cell.read;
                }
                cell.read = now;
            }
        }
    }

    /// Returns whether a unit was written since `begin`.
    pub fn is_written(&self, offset: u32, begin: u32) -> bool {
        self.cells.is_empty() || self.cells[(offset / self.unit) as usize].write.time >= begin
    }
}
