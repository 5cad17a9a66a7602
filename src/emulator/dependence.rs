//! Which values come from which loads: the longest chain of loads, and how often a workgroup waits for one.
//!
//! Both concern loads of storage buffers; uniform buffers and workgroup memory answer at once. A workgroup is seen as
//! one stream of operations, in the order written: both sides of a branch that some invocations take follow each other.
//!
//! The *chain* of a value is the number of loads that must end one after the other before it is known: that of its
//! operands and of the conditions under which it is computed, and one more if it is loaded. A value read from workgroup
//! memory has at least the chain of all that was written there before.
//!
//! A value is *known* when the shader is compiled if it comes from constants alone, such as the counter of a loop of
//! constant length. Compilers unroll such loops and compute known values themselves. What is assigned in a branch whose
//! condition is not known is unknown after it, and in a loop whose length is not, from its second turn on.
//!
//! A load is *under way* until a value that it gave is used; then all loads issued before have arrived. Each use of
//! a load under way is a *wait*.

use super::program::{Binding, Index, Node, Op, Pointer, Reg, Root};

/// Registers that an operation uses and those that it defines. Cooperative matrices count on after the registers.
#[derive(Debug)]
pub struct Operands {
    pub uses: Vec<Reg>,
    pub defines: Vec<Reg>,
}

/// Chains and waits of the workgroup that runs.
#[derive(Debug, Default)]
pub(super) struct Dependence {
    registers: Vec<Origin>,
    /// Loads issued so far, and those of them that have arrived.
    issued: u32,
    arrived: u32,
    /// Chain of the conditions under which operations run now.
    control: u32,
    /// Chain of the conditions under which invocations left the loop, and the function.
    left: [u32; 2],
    /// The length of the innermost loop is not known.
    rolled: bool,
    /// Assignments so far.
    assignments: u32,
    /// Chain of what was written to workgroup memory.
    shared: u32,
    /// Longest chain of a load so far.
    pub longest: u32,
    /// Waits so far.
    pub waits: u64,
}

/// Where the value of a register or a matrix comes from.
#[derive(Clone, Copy, Debug, Default)]
struct Origin {
    chain: u32,
    /// Number of the last load that it comes from; 0 for none.
    load: u32,
    /// It is not known when the shader is compiled.
    unknown: bool,
    /// Number of the last assignment to it as a variable.
    assigned: u32,
}

/// What holds again after a branch: the chain of the conditions around it and, if its condition is not known, the
/// assignments before it.
pub(super) struct Outside {
    control: u32,
    assignments: Option<u32>,
}

/// What holds again after a loop or a function.
pub(super) struct Scope {
    assignments: u32,
    control: u32,
    left: u32,
    rolled: bool,
}

impl Dependence {
    /// Returns the state before the first workgroup of a program of `registers` registers and matrices.
    pub fn new(registers: usize) -> Dependence {
        Dependence { registers: vec![Origin::default(); registers], ..Dependence::default() }
    }

    /// Forgets the values of the last workgroup; `inputs` are the registers that the dispatch sets.
    pub fn begin<'a>(&mut self, inputs: impl Iterator<Item = &'a Reg>) {
        let Dependence { registers, longest, waits, .. } = std::mem::take(self);
        *self = Dependence { registers, longest, waits, ..Dependence::default() };
        self.registers.fill(Origin::default());
        inputs.for_each(|&reg| self.registers[reg as usize].unknown = true);
    }

    /// Follows an operation of all invocations of the workgroup, or of some, where others keep what they have. Returns
    /// whether its result is known.
    pub fn follow(&mut self, op: &Op, Operands { uses, defines }: &Operands, some: bool, bindings: &[Binding]) -> bool {
        let mut result = Origin { chain: self.control, ..Origin::default() };
        for origin in uses.iter().map(|&reg| self.registers[reg as usize]) {
            result.chain = result.chain.max(origin.chain);
            result.load = result.load.max(origin.load);
            result.unknown |= origin.unknown;
        }
        // What takes no instruction waits for nothing.
        if op.class().is_some() {
            self.wait(result.load);
            result.load = 0;
        }
        let pointer = match op {
            Op::Load { pointer, .. } | Op::LoadMatrix { pointer, .. } | Op::Atomic { pointer, .. } => Some(pointer),
            _ => None,
        };
        match pointer.map(|pointer| pointer.root) {
            Some(Root::Buffer(buffer)) if bindings[buffer].uniform => result.unknown = true,
            Some(Root::Buffer(_)) => {
                result.chain += 1;
                self.longest = self.longest.max(result.chain);
                self.issued += 1;
                result.load = self.issued;
                result.unknown = true;
            }
            Some(_) => {
                result.chain = result.chain.max(self.shared);
                result.unknown = true;
            }
            None => {}
        }
        match op {
            Op::Store { pointer, .. } | Op::StoreMatrix { pointer, .. } | Op::Atomic { pointer, .. } => {
                result.unknown = true;
                if pointer.root == Root::Shared {
                    self.shared = self.shared.max(result.chain);
                }
            }
            Op::Length { .. } | Op::Ballot { .. } | Op::Gather { .. } | Op::Collective { .. } => result.unknown = true,
            Op::MultiplyMatrix { .. } => result.unknown = true,
            Op::Assign { .. } | Op::WriteLocal { .. } => {
                self.assignments += 1;
                result.assigned = self.assignments;
            }
            _ => {}
        }
        let keeps = matches!(op, Op::WriteLocal { .. }) || some && matches!(op, Op::Assign { .. });
        for &reg in defines {
            let register = &mut self.registers[reg as usize];
            let before = if keeps { *register } else { Origin::default() };
            *register = Origin {
                chain: result.chain.max(before.chain),
                load: result.load.max(before.load),
                unknown: result.unknown || matches!(op, Op::WriteLocal { .. }) && before.unknown,
                ..result
            };
        }
        !result.unknown
    }

    fn wait(&mut self, load: u32) {
        if load > self.arrived {
            self.waits += 1;
            self.arrived = self.issued;
        }
    }

    /// Returns whether a condition is known.
    pub fn is_known(&self, condition: Reg) -> bool {
        !self.registers[condition as usize].unknown
    }

    /// Returns whether the length of the innermost loop is known so far.
    pub fn is_unrolled(&self) -> bool {
        !self.rolled
    }

    /// Enters branches on `condition`.
    pub fn enter(&mut self, condition: Reg, branches: &[&[Node]]) -> Outside {
        let origin = self.registers[condition as usize];
        let assignments = origin.unknown.then_some(self.assignments);
        let outside = Outside { control: self.control, assignments };
        self.wait(origin.load);
        self.control = self.control.max(origin.chain);
        for (left, leaves) in self.left.iter_mut().zip([leaves_loop, leaves_function]) {
            // Also the invocations that stay do so by the condition.
            if branches.iter().any(|nodes| leaves(nodes)) {
                *left = self.control.max(*left);
            }
        }
        self.rolled |= origin.unknown && branches.iter().any(|nodes| leaves_loop(nodes));
        outside
    }

    /// Leaves the branches.
    pub fn leave(&mut self, outside: Outside) {
        self.control = self.left.into_iter().fold(outside.control, u32::max);
        if let Some(before) = outside.assignments {
            self.forget(before);
        }
    }

    /// Makes what was assigned since then unknown.
    fn forget(&mut self, before: u32) {
        if self.assignments > before {
            let assigned = self.registers.iter_mut().filter(|register| register.assigned > before);
            assigned.for_each(|register| register.unknown = true);
        }
    }

    /// Begins another turn of a loop; where its length is not known, neither is what the last turn assigned.
    pub fn repeat(&mut self, scope: &Scope) {
        if self.rolled {
            self.forget(scope.assignments);
        }
    }

    /// Enters a loop or a function: 0 or 1.
    pub fn enter_scope(&mut self, scope: usize) -> Scope {
        let (left, rolled) = (std::mem::take(&mut self.left[scope]), self.rolled);
        self.rolled &= scope == 1;
        Scope { assignments: self.assignments, control: self.control, left, rolled }
    }

    /// Ends a turn of a loop that goes on or ends by `condition`.
    pub fn turn(&mut self, condition: Reg) {
        let origin = self.registers[condition as usize];
        self.wait(origin.load);
        self.control = self.control.max(origin.chain);
        self.left[0] = self.left[0].max(self.control);
        self.rolled |= origin.unknown;
    }

    /// Leaves a loop or a function.
    pub fn leave_scope(&mut self, scope: usize, before: Scope) {
        self.left[scope] = before.left;
        self.rolled = before.rolled;
        self.control = self.left.into_iter().fold(before.control, u32::max);
    }
}

/// Returns whether invocations may leave the loop around these nodes.
fn leaves_loop(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match node {
        Node::Break | Node::Continue => true,
        Node::Block(nodes) | Node::Segment(nodes) => leaves_loop(nodes),
        Node::If { accept, reject, .. } => leaves_loop(accept) || leaves_loop(reject),
        _ => false,
    })
}

/// Returns whether invocations may leave the function.
fn leaves_function(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match node {
        Node::Return => true,
        Node::Block(nodes) | Node::Segment(nodes) => leaves_function(nodes),
        Node::If { accept, reject, .. } => leaves_function(accept) || leaves_function(reject),
        Node::Switch { cases, .. } => cases.iter().any(|(_, nodes)| leaves_function(nodes)),
        Node::Loop { body, continuing, .. } => leaves_function(body) || leaves_function(continuing),
        _ => false,
    })
}

/// Returns the registers of a variable that an access by dynamic indices may touch.
fn span(pointer: &Pointer, words: usize) -> std::ops::Range<Reg> {
    let Root::Registers(base) = pointer.root else { return 0..0 };
    let reach = |index: &Index| index.len.map_or(0, |len| len.saturating_sub(1) * index.stride);
    let first = base + pointer.offset;
    first..first + words as Reg + pointer.index.iter().map(reach).sum::<Reg>()
}

impl Operands {
    /// Returns the operands of an operation of a program that has so many registers.
    pub fn of(op: &Op, registers: Reg) -> Operands {
        let matrix = |number: usize| registers + number as Reg;
        let with = |pointer: &Pointer, more: &[Reg]| {
            pointer.index.iter().map(|index| index.reg).chain(more.iter().copied()).collect::<Vec<_>>()
        };
        let (uses, defines) = match op {
            Op::Unary { d, a, .. } | Op::Copy { d, a } | Op::Assign { d, a } => (vec![*a], vec![*d]),
            Op::Binary { d, a, b, .. } => (vec![*a, *b], vec![*d]),
            Op::Ternary { d, a, b, c, .. } => (vec![*a, *b, *c], vec![*d]),
            Op::Wide { d, a, b, .. } => ([*a, *b].concat(), d.to_vec()),
            Op::CopyMatrix { d, a } => (vec![matrix(*a)], vec![matrix(*d)]),
            Op::Pick { d, from, index } => ([from.as_slice(), &[*index]].concat(), d.clone()),
            Op::ReadLocal { d, pointer } => (with(pointer, &span(pointer, d.len()).collect::<Vec<_>>()), d.clone()),
            Op::WriteLocal { a, pointer } => (with(pointer, a), span(pointer, a.len()).collect()),
            Op::Load { leaves, pointer, .. } => (with(pointer, &[]), leaves.iter().map(|leaf| leaf.reg).collect()),
            Op::Store { leaves, pointer, .. } => {
                (with(pointer, &leaves.iter().map(|leaf| leaf.reg).collect::<Vec<_>>()), Vec::new())
            }
            Op::Atomic { value, compare, d, pointer, .. } => {
                (with(pointer, &[*value, compare.unwrap_or(*value)]), d.clone())
            }
            Op::Length { d, .. } => (Vec::new(), vec![*d]),
            Op::Ballot { d, predicate } => (predicate.iter().copied().collect(), d.clone()),
            Op::Gather { d, a, mode } => (mode.lane().into_iter().chain([*a]).collect(), vec![*d]),
            Op::Collective { d, a, .. } => (vec![*a], vec![*d]),
            Op::LoadMatrix { d, pointer, stride, .. } => (with(pointer, &[*stride]), vec![matrix(*d)]),
            Op::StoreMatrix { a, pointer, stride, .. } => (with(pointer, &[*stride, matrix(*a)]), Vec::new()),
            Op::MultiplyMatrix { d, a, b, c, .. } => (vec![matrix(*a), matrix(*b), matrix(*c)], vec![matrix(*d)]),
            Op::ZeroMatrix { d } => (Vec::new(), vec![matrix(*d)]),
        };
        Operands { uses, defines }
    }
}
