//! Findings: what a shader does that WGSL forbids, or that no driver promises.

use serde::Serialize;

/// Kind of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// An access outside a binding or an array.
    OutOfBounds,
    /// A read of workgroup memory that nobody wrote.
    Uninitialized,
    /// Two accesses of one place, at least one a write, that nothing orders.
    DataRace,
    /// A barrier that not all invocations of a workgroup reach together.
    DivergentBarrier,
    /// A subgroup operation that not all lanes of a subgroup reach together.
    DivergentSubgroup,
    /// A subgroup operation that reads a lane which is not there.
    InactiveLane,
    /// A loop beyond the bound.
    EndlessLoop,
    /// An integer division by zero.
    DivisionByZero,
    /// A shift by the width of the value or more.
    WideShift,
    /// A NaN or an infinity from finite operands.
    NotFinite,
    /// A finite f32 that becomes an infinite f16.
    F16Overflow,
}

/// A fault found in a dispatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShaderFinding {
    /// Kind of the fault.
    pub kind: FindingKind,
    /// Line of the shader's text, from 1.
    pub line: u32,
    /// Line of the other access of a race.
    pub other_line: Option<u32>,
    /// The fault in a sentence.
    pub message: String,
    /// Number of times it was found in the dispatch.
    pub count: u64,
}

/// Findings of a dispatch, one for each kind and line.
#[derive(Clone, Debug, Default)]
pub struct ShaderFindings {
    /// Findings in the order of their first occurrence.
    pub all: Vec<ShaderFinding>,
}

impl ShaderFindings {
    /// Adds a finding; `message` is asked for the first of its kind and lines only.
    pub fn add(&mut self, kind: FindingKind, line: u32, other_line: Option<u32>, message: impl FnOnce() -> String) {
        let known = self.all.iter_mut().find(|f| f.kind == kind && f.line == line && f.other_line == other_line);
        match known {
            Some(known) => known.count += 1,
            None => self.all.push(ShaderFinding { kind, line, other_line, message: message(), count: 1 }),
        }
    }
}
