//! Programs of the emulator: a shader lowered to operations on rows of 32-bit registers.
//!
//! A register holds one 32-bit word for each lane of a workgroup. A scalar takes one register, a 64-bit scalar two (the
//! low word first), a vector or an array as many as its scalars. Functions do not recurse in WGSL, so each has registers of its own.
//! Control flow stays a tree; lanes that do not follow a branch are masked out while the others run it.

use super::counters::InstructionClass;
use super::dependence::Operands;
use super::lanes::{Binary, Ternary, Unary, Wide};

/// Number of a register.
pub type Reg = u32;

/// Shader made ready for one entry point, with its overrides set.
#[derive(Debug)]
pub struct ShaderProgram {
    /// Invocations of a workgroup along x, y and z.
    pub(super) workgroup: [u32; 3],
    /// Number of registers.
    pub(super) registers: u32,
    /// Number of cooperative matrices held by each subgroup.
    pub(super) matrices: usize,
    /// Bytes of workgroup memory.
    pub(super) shared_bytes: u32,
    /// Unit in bytes in which races in workgroup memory are told apart: 2 where a shader has f16, else 4.
    pub(super) unit: u32,
    /// Registers with the same value in all lanes.
    pub(super) constants: Vec<(Reg, u32)>,
    /// Inputs of the entry point.
    pub(super) builtins: Vec<(naga::BuiltIn, Vec<Reg>)>,
    pub(super) bindings: Vec<Binding>,
    /// Number of straight runs of operations, which have ids below it.
    pub(super) runs: u32,
    pub(super) functions: Vec<Code>,
    pub(super) main: Code,
}

impl ShaderProgram {
    /// Returns the numbers of the bindings, in the order in which buffers are given.
    pub fn binding_numbers(&self) -> impl Iterator<Item = usize> {
        self.bindings.iter().map(|binding| binding.number as usize)
    }

    /// Returns the invocations of a workgroup.
    pub fn invocations(&self) -> u32 {
        self.workgroup.iter().product()
    }
}

/// Body of a function.
#[derive(Debug, Default)]
pub struct Code {
    pub ops: Vec<Op>,
    /// Line of the shader's text for each operation, from 1.
    pub lines: Vec<u32>,
    /// Operands of each operation.
    pub operands: Vec<Operands>,
    pub nodes: Vec<Node>,
}

/// Buffer that the shader declares.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Number of the binding in group 0.
    pub number: u32,
    pub name: String,
    pub writable: bool,
    /// The buffer is a uniform one.
    pub uniform: bool,
}

/// Control flow.
#[derive(Debug)]
pub enum Node {
    /// Operations `first..end` of the function, in a row. Executions are counted by `id`.
    Ops {
        first: u32,
        end: u32,
        id: u32,
    },
    Block(Vec<Node>),
    /// Nodes without a barrier of the workgroup, which its subgroups may run one after the other.
    Segment(Vec<Node>),
    If {
        condition: Reg,
        accept: Vec<Node>,
        reject: Vec<Node>,
        line: u32,
    },
    /// Labels and bodies; None is the default.
    Switch {
        selector: Reg,
        cases: Vec<(Vec<Option<u32>>, Vec<Node>)>,
    },
    Loop {
        body: Vec<Node>,
        continuing: Vec<Node>,
        break_if: Option<Reg>,
        line: u32,
    },
    Break,
    Continue,
    Return,
    Barrier {
        kind: naga::Barrier,
        line: u32,
    },
    /// Arguments are copied before and results after it.
    Call {
        function: usize,
    },
}

/// Memory that a pointer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// Registers from this one on; offsets count words.
    Registers(Reg),
    /// A cooperative matrix.
    Matrix(usize),
    /// Workgroup memory; offsets count bytes.
    Shared,
    /// A buffer by its place in [`ShaderProgram::bindings`]; offsets count bytes.
    Buffer(usize),
}

/// One dynamic index of a pointer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Index {
    pub reg: Reg,
    pub stride: u32,
    /// Number of elements; None for the end of a buffer.
    pub len: Option<u32>,
}

/// Pointer to a value in memory or registers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pointer {
    pub root: Root,
    pub offset: u32,
    pub index: Vec<Index>,
    pub ty: Pointee,
}

/// Type of what a pointer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pointee {
    Type(naga::Handle<naga::Type>),
    /// A component of a vector.
    Scalar(naga::Scalar),
}

/// Word of a value in memory: offset and width in bytes, register.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    pub offset: u32,
    /// 2 for an f16, else 4.
    pub width: u8,
    pub reg: Reg,
}

/// Fault that an operation can have for some operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    None,
    /// A NaN or an infinity made of finite f32.
    Finite,
    /// The same of f16.
    FiniteHalf,
    /// An f16 infinity made of a finite f32.
    F16,
    /// A divisor of zero.
    Divisor,
    /// A shift of as many bits as the value has, or more.
    Shift(u32),
}

/// Operation on all lanes.
#[derive(Debug)]
pub enum Op {
    Unary {
        f: Unary,
        d: Reg,
        a: Reg,
        class: InstructionClass,
        check: Check,
    },
    Binary {
        f: Binary,
        d: Reg,
        a: Reg,
        b: Reg,
        class: InstructionClass,
        check: Check,
    },
    Ternary {
        f: Ternary,
        d: Reg,
        a: Reg,
        b: Reg,
        c: Reg,
        class: InstructionClass,
        check: Check,
    },
    /// On 64-bit integers, the low word first. A comparison has one register as its result.
    Wide {
        f: Wide,
        d: [Reg; 2],
        a: [Reg; 2],
        b: [Reg; 2],
    },
    /// Copies a register in all lanes.
    Copy {
        d: Reg,
        a: Reg,
    },
    /// Copies a register in the active lanes.
    Assign {
        d: Reg,
        a: Reg,
    },
    /// Copies a cooperative matrix.
    CopyMatrix {
        d: usize,
        a: usize,
    },
    /// Takes one of several values by an index: `from[index]`, `d.len()` registers each.
    Pick {
        d: Vec<Reg>,
        from: Vec<Reg>,
        index: Reg,
    },
    /// Reads registers by dynamic indices.
    ReadLocal {
        d: Vec<Reg>,
        pointer: Pointer,
    },
    /// Writes registers by dynamic indices.
    WriteLocal {
        a: Vec<Reg>,
        pointer: Pointer,
    },
    Load {
        leaves: Vec<Leaf>,
        pointer: Pointer,
        size: u32,
        atomic: bool,
    },
    Store {
        leaves: Vec<Leaf>,
        pointer: Pointer,
        size: u32,
        atomic: bool,
    },
    Atomic {
        f: naga::AtomicFunction,
        signed: bool,
        value: Reg,
        compare: Option<Reg>,
        d: Vec<Reg>,
        pointer: Pointer,
    },
    /// Number of elements of a buffer's last array, which begins at `offset`.
    Length {
        d: Reg,
        buffer: usize,
        offset: u32,
        stride: u32,
    },
    Ballot {
        d: Vec<Reg>,
        predicate: Option<Reg>,
    },
    Gather {
        d: Reg,
        a: Reg,
        mode: Gather,
    },
    Collective {
        d: Reg,
        a: Reg,
        f: Binary,
        identity: u32,
        kind: naga::CollectiveOperation,
    },
    LoadMatrix {
        d: usize,
        pointer: Pointer,
        stride: Reg,
        row_major: bool,
        memory: MatrixMemory,
        size: u32,
    },
    StoreMatrix {
        a: usize,
        pointer: Pointer,
        stride: Reg,
        row_major: bool,
        memory: MatrixMemory,
        size: u32,
    },
    /// d = a · b + c on cooperative matrices of `size` rows and columns.
    MultiplyMatrix {
        size: usize,
        d: usize,
        a: usize,
        b: usize,
        c: usize,
    },
    ZeroMatrix {
        d: usize,
    },
}

/// Layout of a cooperative matrix in memory.
#[derive(Clone, Copy, Debug)]
pub struct MatrixMemory {
    /// Its elements are f16; else f32.
    pub half: bool,
    /// Elements of a stride's unit: those of a vector, where the pointer points to one.
    pub unit: u32,
}

/// Lane that a subgroup operation reads.
#[derive(Clone, Copy, Debug)]
pub enum Gather {
    First,
    Lane(Reg),
    Down(Reg),
    Up(Reg),
    Xor(Reg),
    QuadLane(Reg),
    QuadSwap(u32),
}

impl Gather {
    /// Returns the register that says which lane is read.
    pub fn lane(self) -> Option<Reg> {
        match self {
            Gather::Lane(reg) | Gather::Down(reg) | Gather::Up(reg) | Gather::Xor(reg) | Gather::QuadLane(reg) => {
                Some(reg)
            }
            Gather::First | Gather::QuadSwap(_) => None,
        }
    }
}

impl Op {
    /// Returns the class of the instruction that a processor runs for this. None: none.
    pub fn class(&self) -> Option<InstructionClass> {
        match self {
            Op::Unary { class, .. } | Op::Binary { class, .. } | Op::Ternary { class, .. } => {
                (*class != InstructionClass::Move).then_some(*class)
            }
            Op::Wide { .. } | Op::Length { .. } => Some(InstructionClass::Int),
            // Variables are registers.
            Op::Copy { .. } | Op::Assign { .. } | Op::CopyMatrix { .. } | Op::ZeroMatrix { .. } => None,
            Op::Pick { .. } | Op::ReadLocal { .. } | Op::WriteLocal { .. } => None,
            Op::Load { .. } | Op::Store { .. } | Op::Atomic { .. } => Some(InstructionClass::Memory),
            Op::LoadMatrix { .. } | Op::StoreMatrix { .. } => Some(InstructionClass::Memory),
            Op::Ballot { .. } | Op::Gather { .. } | Op::Collective { .. } => Some(InstructionClass::Subgroup),
            Op::MultiplyMatrix { .. } => Some(InstructionClass::Matrix),
        }
    }
}
