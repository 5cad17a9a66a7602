//! Counters of a dispatch: instructions by class, memory requests, idle lanes.

use std::collections::BTreeMap;

use serde::Serialize;

/// Class of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InstructionClass {
    /// Arithmetic on f32 and f16.
    Float,
    /// Arithmetic, comparisons and choices of integers.
    Int,
    /// Conversions between types.
    Convert,
    /// Conversions of f16 to f32.
    Widen,
    /// Divisions, roots, exponentials and the like.
    Special,
    /// Products of cooperative matrices and of packed bytes.
    Matrix,
    /// Branches and loops.
    Branch,
    /// Loads and stores of buffers and workgroup memory.
    Memory,
    /// Operations between the lanes of a subgroup.
    Subgroup,
    /// Reinterpretations, which take no instruction.
    Move,
}

/// Number of classes.
pub const CLASSES: usize = 10;

impl InstructionClass {
    /// Classes that take an instruction.
    pub const ALL: [InstructionClass; CLASSES - 1] = [
        InstructionClass::Float,
        InstructionClass::Int,
        InstructionClass::Convert,
        InstructionClass::Widen,
        InstructionClass::Special,
        InstructionClass::Matrix,
        InstructionClass::Branch,
        InstructionClass::Memory,
        InstructionClass::Subgroup,
    ];

    /// Returns the name that results use.
    pub fn name(self) -> &'static str {
        match self {
            InstructionClass::Float => "float",
            InstructionClass::Int => "int",
            InstructionClass::Convert => "convert",
            InstructionClass::Widen => "widen",
            InstructionClass::Special => "special",
            InstructionClass::Matrix => "matrix",
            InstructionClass::Branch => "branch",
            InstructionClass::Memory => "memory",
            InstructionClass::Subgroup => "subgroup",
            InstructionClass::Move => "move",
        }
    }
}

/// Counters of one dispatch. Instructions are counted once for each subgroup that has an active lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// By [`InstructionClass`].
    pub instructions: [u64; CLASSES],
    /// Those of them whose result is known when the shader is compiled, which compilers leave out.
    pub known: [u64; CLASSES],
    /// Operations times active lanes.
    pub lane_operations: u64,
    /// Lanes that subgroups have, times instructions.
    pub lane_slots: u64,
    /// Workgroups that ran.
    pub workgroups: u64,
    /// Invocations that ran.
    pub invocations: u64,
    /// Barriers that workgroups passed.
    pub barriers: u64,
    /// Requests to storage buffers: one for each load or store of a subgroup with an active lane.
    pub buffers: Requests,
    /// Requests to uniform buffers.
    pub uniform: Requests,
    /// Requests to workgroup memory.
    pub shared: Requests,
    /// Requests by address space, by whether they store, and by the bytes of a lane.
    pub accesses: BTreeMap<(&'static str, bool, u32), u64>,
    /// Cycles by which conflicts of banks lengthen the requests to workgroup memory.
    pub bank_conflicts: u64,
    /// Products of two elements, each added to a sum, by cooperative matrices.
    pub multiply_adds: u64,
    /// 32-byte sectors of storage buffers that a load touches after another load of the dispatch did.
    pub rereads: u64,
    /// Longest chain of loads of storage buffers, each of which needs the value of the one before for its address or for
    /// a condition under which it runs.
    pub dependent_loads: u64,
    /// Times that a workgroup, running its operations in the order written, uses a load of a storage buffer that is still
    /// under way; then all loads issued before have arrived.
    pub waits: u64,
    /// Instructions of each line of the shader.
    pub by_line: BTreeMap<u32, LineCounters>,
}

/// Counters of one line of a shader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineCounters {
    /// Instructions of subgroups.
    pub instructions: u64,
    /// Requests to buffers.
    pub requests: u64,
    /// 128-byte lines that the requests touch.
    pub lines: u64,
}

/// Memory requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Loads by subgroups.
    pub loads: u64,
    /// Stores and atomics by subgroups.
    pub stores: u64,
    /// Lanes that asked.
    pub lanes: u64,
    /// Bytes that lanes asked for.
    pub lane_bytes: u64,
    /// Bytes that lanes stored.
    pub stored_bytes: u64,
    /// 32-byte sectors that the requests touch.
    pub sectors: u64,
    /// 128-byte lines that the requests touch.
    pub lines: u64,
    /// 128-byte lines that the distinct bytes of each request would fill.
    pub fewest_lines: u64,
}

impl Counters {
    /// Counts operations of one class on a line, by subgroups with active lanes and by active lanes.
    pub fn count(&mut self, class: InstructionClass, line: u32, subgroups: u64, lanes: u64, width: u64) {
        self.instructions[class as usize] += subgroups;
        self.lane_operations += lanes;
        self.lane_slots += subgroups * width;
        self.by_line.entry(line).or_default().instructions += subgroups;
    }

    /// Adds the counters of another dispatch `times` times.
    pub fn add(&mut self, other: &Counters, times: u64) {
        for (sum, more) in self.instructions.iter_mut().zip(other.instructions) {
            *sum += more * times;
        }
        for (sum, more) in self.known.iter_mut().zip(other.known) {
            *sum += more * times;
        }
        self.lane_operations += other.lane_operations * times;
        self.lane_slots += other.lane_slots * times;
        self.workgroups += other.workgroups * times;
        self.invocations += other.invocations * times;
        self.barriers += other.barriers * times;
        self.buffers.add(&other.buffers, times);
        self.uniform.add(&other.uniform, times);
        self.shared.add(&other.shared, times);
        self.bank_conflicts += other.bank_conflicts * times;
        self.multiply_adds += other.multiply_adds * times;
        self.rereads += other.rereads * times;
        self.dependent_loads = self.dependent_loads.max(other.dependent_loads);
        self.waits += other.waits * times;
        for (&access, more) in &other.accesses {
            *self.accesses.entry(access).or_default() += more * times;
        }
        for (&line, more) in &other.by_line {
            let sum = self.by_line.entry(line).or_default();
            sum.instructions += more.instructions * times;
            sum.requests += more.requests * times;
            sum.lines += more.lines * times;
        }
    }

    /// Returns all instructions.
    pub fn total(&self) -> u64 {
        self.instructions.iter().sum()
    }
}

impl Requests {
    fn add(&mut self, other: &Requests, times: u64) {
        self.loads += other.loads * times;
        self.stores += other.stores * times;
        self.lanes += other.lanes * times;
        self.lane_bytes += other.lane_bytes * times;
        self.stored_bytes += other.stored_bytes * times;
        self.sectors += other.sectors * times;
        self.lines += other.lines * times;
        self.fewest_lines += other.fewest_lines * times;
    }
}
