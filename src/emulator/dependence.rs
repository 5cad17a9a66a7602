//! Which values come from which loads: the longest chain of loads, and how often a workgroup waits for one.
//!
//! Both concern loads of storage buffers; uniform buffers and workgroup memory answer at once. A workgroup is seen as
//! one stream of operations, in the order written: both sides of a branch that some invocations take follow each other.
//!
//! The *chain* of a value is the number of loads that must end one after the other before it is known: that of its
//! operands and of the conditions under which it is computed, and one more if it is loaded. A value read from workgroup
//! memory has at least the chain of all that was written there before.
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
    /// Chain of each register and matrix.
    chain: Vec<u32>,
    /// Number of the last load that each of them comes from; 0 for none.
    load: Vec<u32>,
    /// Loads issued so far, and those of them that have arrived.
    issued: u32,
    arrived: u32,
    /// Chain of the conditions under which operations run now.
    control: u32,
    /// Chain of the conditions under which invocations left the loop, and the function.
    left: [u32; 2],
    /// Chain of what was written to workgroup memory.
    shared: u32,
    /// Longest chain of a load so far.
    pub longest: u32,
    /// Waits so far.
    pub waits: u64,
}

impl Dependence {
    /// Returns the state before the first workgroup of a program of `registers` registers and matrices.
    pub fn new(registers: usize) -> Dependence {
        Dependence { chain: vec![0; registers], load: vec![0; registers], ..Dependence::default() }
    }

    /// Forgets the values of the last workgroup.
    pub fn begin(&mut self) {
        let Dependence { chain, load, longest, waits, .. } = std::mem::take(self);
        *self = Dependence { chain, load, longest, waits, ..Dependence::default() };
        self.chain.fill(0);
        self.load.fill(0);
    }

    /// Follows an operation of all invocations of the workgroup, or of some, where others keep what they have.
    pub fn follow(&mut self, op: &Op, Operands { uses, defines }: &Operands, some: bool, bindings: &[Binding]) {
        let mut chain = uses.iter().map(|&reg| self.chain[reg as usize]).fold(self.control, u32::max);
        let mut load = uses.iter().map(|&reg| self.load[reg as usize]).fold(0, u32::max);
        // What takes no instruction waits for nothing.
        if op.class().is_some() {
            self.wait(load);
            load = 0;
        }
        match op {
            Op::Load { pointer, .. } | Op::LoadMatrix { pointer, .. } | Op::Atomic { pointer, .. } => {
                match pointer.root {
                    Root::Buffer(buffer) if bindings[buffer].uniform => {}
                    Root::Buffer(_) => {
                        chain += 1;
                        self.longest = self.longest.max(chain);
                        self.issued += 1;
                        load = self.issued;
                    }
                    _ => chain = chain.max(self.shared),
                }
            }
            _ => {}
        }
        match op {
            Op::Store { pointer, .. } | Op::StoreMatrix { pointer, .. } | Op::Atomic { pointer, .. }
                if pointer.root == Root::Shared =>
            {
                self.shared = self.shared.max(chain);
            }
            _ => {}
        }
        let keeps = matches!(op, Op::WriteLocal { .. }) || some && matches!(op, Op::Assign { .. });
        for &reg in defines {
            let at = reg as usize;
            let before = if keeps { [self.chain[at], self.load[at]] } else { [0; 2] };
            [self.chain[at], self.load[at]] = [chain.max(before[0]), load.max(before[1])];
        }
    }

    fn wait(&mut self, load: u32) {
        if load > self.arrived {
            self.waits += 1;
            self.arrived = self.issued;
        }
    }

    /// Enters branches on `condition`. Returns the chain to leave them with.
    pub fn enter(&mut self, condition: Reg, branches: &[&[Node]]) -> u32 {
        let outer = self.control;
        self.wait(self.load[condition as usize]);
        self.control = outer.max(self.chain[condition as usize]);
        for (left, leaves) in self.left.iter_mut().zip([leaves_loop, leaves_function]) {
            // Also the invocations that stay do so by the condition.
            if branches.iter().any(|nodes| leaves(nodes)) {
                *left = self.control.max(*left);
            }
        }
        outer
    }

    /// Leaves branches that were entered under the chain `outer`.
    pub fn leave(&mut self, outer: u32) {
        self.control = self.left.into_iter().fold(outer, u32::max);
    }

    /// Enters a loop or a function: 0 or 1. Returns the state to leave it with.
    pub fn enter_scope(&mut self, scope: usize) -> [u32; 2] {
        [self.control, std::mem::take(&mut self.left[scope])]
    }

    /// Ends a turn of a loop that goes on or ends by `condition`.
    pub fn turn(&mut self, condition: Reg) {
        self.wait(self.load[condition as usize]);
        self.control = self.control.max(self.chain[condition as usize]);
        self.left[0] = self.left[0].max(self.control);
    }

    /// Leaves a loop or a function.
    pub fn leave_scope(&mut self, scope: usize, [outer, left]: [u32; 2]) {
        self.left[scope] = left;
        self.leave(outer);
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
            Op::MultiplyMatrix { d, a, b, c } => (vec![matrix(*a), matrix(*b), matrix(*c)], vec![matrix(*d)]),
            Op::ZeroMatrix { d } => (Vec::new(), vec![matrix(*d)]),
        };
        Operands { uses, defines }
    }
}
