//! Runs a program: workgroup after workgroup, all lanes of one in lockstep.

use std::ops::Range;

use naga::BuiltIn;

use super::counters::{Counters, LineCounters};
use super::dependence::Dependence;
use super::finding::{FindingKind, ShaderFindings};
use super::mask::{MAX_LANES, Mask};
use super::memory::{AccessOrder, Buffer, Shadow};
use super::program::{Code, Node, Op, Reg, ShaderProgram};

/// Order in which workgroups run, and in which invocations become lanes of subgroups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// Workgroups upwards; the invocations of a workgroup fill its subgroups in their order.
    #[default]
    Forward,
    /// Workgroups downwards.
    GroupsDown,
    /// Neighbouring invocations go to different subgroups, as WGSL allows.
    LanesStrided,
    /// Between barriers the subgroups of a workgroup run one after the other, the last one first.
    SubgroupsDown,
}

/// Options of a dispatch.
#[derive(Clone, Copy, Debug)]
pub struct EmulatorOptions {
    /// Lanes of a subgroup.
    pub subgroup: usize,
    /// Order of workgroups and lanes.
    pub schedule: Schedule,
    /// Looks for faults; without it a dispatch runs faster.
    pub sanitize: bool,
    /// Counts memory requests.
    pub profile: bool,
    /// Most iterations of a loop.
    pub loop_bound: u64,
}

impl EmulatorOptions {
    /// Returns settings that only run.
    pub fn running(subgroup: usize) -> EmulatorOptions {
        EmulatorOptions { sanitize: false, ..EmulatorOptions::sanitizing(subgroup, Schedule::Forward) }
    }

    /// Returns settings that look for faults.
    pub fn sanitizing(subgroup: usize, schedule: Schedule) -> EmulatorOptions {
        EmulatorOptions { subgroup, schedule, sanitize: true, profile: false, loop_bound: 1 << 16 }
    }
}

/// Result of a dispatch.
#[derive(Clone, Debug, Default)]
pub struct DispatchResult {
    /// Faults that were found.
    pub findings: ShaderFindings,
    /// Instructions and requests.
    pub counters: Counters,
    /// Lines that store or update memory, in the order of their first time, and a sum over what they stored where,
    /// which no order of lanes changes.
    pub stores: Vec<(u32, u64)>,
}

/// State of a dispatch.
pub(super) struct Interpreter<'a> {
    pub program: &'a ShaderProgram,
    pub settings: EmulatorOptions,
    pub buffers: Vec<Buffer<'a>>,
    /// Lanes of a workgroup.
    pub lanes: usize,
    /// `lanes` words for each register.
    pub registers: Vec<u32>,
    /// 256 values for each matrix and subgroup.
    pub matrices: Vec<f32>,
    pub subgroups: usize,
    pub shared: Vec<u32>,
    pub shared_shadow: Shadow,
    pub active: Mask,
    pub all: Mask,
    /// Lanes that operations compute: all, or those of the subgroup that runs.
    pub window: Range<usize>,
    pub broken: Vec<Mask>,
    pub continued: Vec<Mask>,
    /// Counts barriers and workgroups.
    pub time: u32,
    pub shared_order: AccessOrder,
    pub buffer_order: AccessOrder,
    pub subgroup_barriers: Vec<u32>,
    pub workgroup: u32,
    /// Local index of the invocation of each lane.
    pub local: Vec<u32>,
    pub findings: ShaderFindings,
    pub counters: Counters,
    pub stores: Vec<(u32, u64)>,
    /// Executions of each run of operations: by subgroups and by lanes.
    pub runs: Vec<[u64; 2]>,
    pub requests: Vec<LineCounters>,
    /// Chains of loads; where nothing is profiled, they are not followed.
    pub dependence: Dependence,
    /// A bit for each 32-byte sector of each buffer that a load has touched.
    pub touched: Vec<Vec<u64>>,
    /// Byte offset of each lane's access.
    pub offsets: Vec<u32>,
}

/// Runs `groups` workgroups of a program over its buffers, which are in the order of its bindings.
///
/// # Errors
/// The workgroup is larger than the emulator's.
pub fn run(
    program: &ShaderProgram,
    settings: EmulatorOptions,
    groups: [u32; 3],
    buffers: Vec<Buffer>,
) -> Result<DispatchResult, String> {
    run_workgroups(program, settings, groups, 0..groups.iter().product(), buffers)
}

/// Runs some workgroups of a dispatch of `groups`, by their numbers; x counts first, then y.
///
/// # Errors
/// The workgroup is larger than the emulator's.
pub fn run_workgroups(
    program: &ShaderProgram,
    settings: EmulatorOptions,
    groups: [u32; 3],
    numbers: Range<u32>,
    buffers: Vec<Buffer>,
) -> Result<DispatchResult, String> {
    let lanes = program.workgroup.iter().product::<u32>() as usize;
    if lanes > MAX_LANES {
        return Err(format!("a workgroup of {lanes} invocations; the emulator has at most {MAX_LANES}"));
    }
    let subgroups = lanes.div_ceil(settings.subgroup);
    let order = AccessOrder { begin: 1, barrier: 1, lanes: lanes as u32, width: settings.subgroup as u32 };
    let shared_bytes = program.shared_bytes.next_multiple_of(4);
    let shadow = if settings.sanitize { Shadow::new(shared_bytes, program.unit) } else { Shadow::default() };
    let mut local: Vec<u32> = (0..lanes as u32).collect();
    if settings.schedule == Schedule::LanesStrided {
        local.sort_by_key(|local| local % subgroups as u32);
    }
    let mut machine = Interpreter {
        program,
        settings,
        buffers,
        lanes,
        registers: vec![0; program.registers as usize * lanes],
        matrices: vec![0.0; program.matrices * subgroups * 256],
        subgroups,
        shared: vec![0; shared_bytes as usize / 4],
        shared_shadow: shadow,
        active: Mask::default(),
        all: Mask::range(0..lanes),
        window: 0..lanes,
        broken: Vec::new(),
        continued: Vec::new(),
        time: 1,
        shared_order: order,
        buffer_order: order,
        subgroup_barriers: vec![1; subgroups],
        workgroup: 0,
        local,
        findings: ShaderFindings::default(),
        counters: Counters::default(),
        stores: Vec::new(),
        runs: vec![[0; 2]; program.runs as usize],
        requests: Vec::new(),
        dependence: Dependence::new(program.registers as usize + program.matrices),
        touched: vec![Vec::new(); program.bindings.len()],
        offsets: vec![0; lanes],
    };
    for &(reg, word) in &program.constants {
        machine.register_mut(reg).fill(word);
    }
    for number in numbers.clone() {
        machine.workgroup = match settings.schedule {
            Schedule::GroupsDown => numbers.end - 1 - (number - numbers.start),
            _ => number,
        };
        machine.run_workgroup(groups);
    }
    machine.counters.workgroups = numbers.len() as u64;
    machine.counters.invocations = numbers.len() as u64 * lanes as u64;
    machine.counters.dependent_loads = u64::from(machine.dependence.longest);
    machine.counters.waits = machine.dependence.waits;
    Ok(machine.finish())
}

impl Interpreter<'_> {
    pub fn register(&self, reg: Reg) -> &[u32] {
        &self.registers[reg as usize * self.lanes..][..self.lanes]
    }

    pub fn register_mut(&mut self, reg: Reg) -> &mut [u32] {
        &mut self.registers[reg as usize * self.lanes..][..self.lanes]
    }

    fn run_workgroup(&mut self, groups: [u32; 3]) {
        let program = self.program;
        self.time += 1;
        self.shared_order.begin = self.time;
        self.shared_order.barrier = self.time;
        self.buffer_order.barrier = self.time;
        self.subgroup_barriers.fill(self.time);
        if self.settings.sanitize {
            // No driver promises zeros.
            self.shared.fill(0x7fc0_dead);
        }
        let group = self.workgroup;
        let id = [group % groups[0], group / groups[0] % groups[1], group / (groups[0] * groups[1])];
        for (builtin, registers) in &program.builtins {
            self.set_builtin(*builtin, registers, id, groups);
        }
        self.active = self.all;
        self.dependence.begin(program.builtins.iter().flat_map(|(_, registers)| registers));
        self.nodes(&program.main, &program.main.nodes);
    }

    fn set_builtin(&mut self, builtin: BuiltIn, registers: &[Reg], id: [u32; 3], groups: [u32; 3]) {
        let size = self.program.workgroup;
        let width = self.settings.subgroup as u32;
        for lane in 0..self.lanes {
            let local = self.local[lane];
            let at = [local % size[0], local / size[0] % size[1], local / (size[0] * size[1])];
            let values = match builtin {
                BuiltIn::WorkGroupId => id,
                BuiltIn::NumWorkGroups => groups,
                BuiltIn::WorkGroupSize => size,
                BuiltIn::LocalInvocationId => at,
                BuiltIn::GlobalInvocationId => std::array::from_fn(|i| id[i] * size[i] + at[i]),
                BuiltIn::LocalInvocationIndex => [local; 3],
                BuiltIn::SubgroupSize => [width; 3],
                BuiltIn::SubgroupInvocationId => [lane as u32 % width; 3],
                BuiltIn::SubgroupId => [lane as u32 / width; 3],
                BuiltIn::NumSubgroups => [self.subgroups as u32; 3],
                _ => [0; 3],
            };
            for (&reg, value) in registers.iter().zip(values) {
                self.register_mut(reg)[lane] = value;
            }
        }
    }

    pub(super) fn first_active(&self) -> String {
        self.first_of(self.active)
    }

    pub(super) fn first_of(&self, mask: Mask) -> String {
        let lane = (0..self.lanes).find(|&l| mask.contains(l)).unwrap_or(0);
        self.invocation(lane)
    }

    /// Returns the name of a lane's invocation.
    pub fn invocation(&self, lane: usize) -> String {
        format!("invocation {} of workgroup {}", self.local[lane], self.workgroup)
    }

    pub(super) fn op(&mut self, op: &Op, line: u32) {
        let (n, window) = (self.lanes, self.window.clone());
        match op {
            Op::Unary { f, d, a, check, .. } => {
                let (below, from) = self.registers.split_at_mut(*d as usize * n);
                f(&mut from[window.clone()], &below[*a as usize * n..][window]);
                self.check(*check, line, *d, &[*a]);
            }
            Op::Binary { f, d, a, b, check, .. } => {
                let (below, from) = self.registers.split_at_mut(*d as usize * n);
                let operand = |reg: Reg| &below[reg as usize * n..][window.clone()];
                f(&mut from[window.clone()], operand(*a), operand(*b));
                self.check(*check, line, *d, &[*a, *b]);
            }
            Op::Ternary { f, d, a, b, c, check, .. } => {
                let (below, from) = self.registers.split_at_mut(*d as usize * n);
                let operand = |reg: Reg| &below[reg as usize * n..][window.clone()];
                f(&mut from[window.clone()], operand(*a), operand(*b), operand(*c));
                self.check(*check, line, *d, &[*a, *b, *c]);
            }
            Op::Wide { f, d, a, b } => {
                for lane in window {
                    let word = |regs: &[Reg; 2], m: &Self| {
                        u64::from(m.register(regs[0])[lane]) | u64::from(m.register(regs[1])[lane]) << 32
                    };
                    let value = f(word(a, self), word(b, self));
                    self.register_mut(d[0])[lane] = value as u32;
                    self.register_mut(d[1])[lane] = (value >> 32) as u32;
                }
            }
            Op::Copy { d, a } => {
                let a = *a as usize * n;
                self.registers.copy_within(a + window.start..a + window.end, *d as usize * n + window.start);
            }
            Op::Assign { d, a } => {
                let (d, a) = (*d as usize * n, *a as usize * n);
                if self.active == self.all {
                    self.registers.copy_within(a..a + n, d);
                } else {
                    let registers = &mut self.registers;
                    self.active.each(|lane| registers[d + lane] = registers[a + lane]);
                }
            }
            Op::Pick { d, from, index } => {
                let words = d.len();
                let count = from.len() / words;
                for lane in window {
                    let at = self.register(*index)[lane] as usize;
                    if at >= count && self.settings.sanitize && self.active.contains(lane) {
                        let who = self.invocation(lane);
                        let message = || format!("{who} reads element {at} of {count}");
                        self.findings.add(FindingKind::OutOfBounds, line, None, message);
                    }
                    for (word, &d) in d.iter().enumerate() {
                        let value = from.get(at * words + word).map_or(0, |&r| self.register(r)[lane]);
                        self.register_mut(d)[lane] = value;
                    }
                }
            }
            _ => self.memory_op(op, line),
        }
    }

    /// Adds up the counters.
    fn finish(mut self) -> DispatchResult {
        let width = self.settings.subgroup as u64;
        let program = self.program;
        let mut codes = vec![&program.main];
        codes.extend(&program.functions);
        for code in codes {
            count_runs(code, &code.nodes, &self.runs, &mut self.counters, width);
        }
        for (line, requests) in self.requests.iter().enumerate().filter(|(_, r)| r.requests > 0) {
            let by_line = self.counters.by_line.entry(line as u32).or_default();
            by_line.requests += requests.requests;
            by_line.lines += requests.lines;
        }
        DispatchResult { findings: self.findings, counters: self.counters, stores: self.stores }
    }
}

fn count_runs(code: &Code, nodes: &[Node], runs: &[[u64; 2]], counters: &mut Counters, width: u64) {
    for node in nodes {
        match node {
            Node::Ops { first, end, id } => {
                let [subgroups, lanes] = runs[*id as usize];
                for at in *first as usize..*end as usize {
                    if let Some(class) = code.ops[at].class() {
                        counters.count(class, code.lines[at], subgroups, lanes, width);
                    }
                }
            }
            Node::Block(nodes) | Node::Segment(nodes) => count_runs(code, nodes, runs, counters, width),
            Node::If { accept, reject, .. } => {
                count_runs(code, accept, runs, counters, width);
                count_runs(code, reject, runs, counters, width);
            }
            Node::Switch { cases, .. } => {
                cases.iter().for_each(|(_, nodes)| count_runs(code, nodes, runs, counters, width));
            }
            Node::Loop { body, continuing, .. } => {
                count_runs(code, body, runs, counters, width);
                count_runs(code, continuing, runs, counters, width);
            }
            _ => {}
        }
    }
}
