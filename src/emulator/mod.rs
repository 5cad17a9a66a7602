//! Emulated adapter: runs the shaders themselves, on any machine, and finds what drivers hide.
//!
//! A shader goes from WGSL through naga to a [`ShaderProgram`], which a machine runs with subgroups of any size, all lanes of
//! a workgroup in lockstep. The machine watches every access: bounds, races, memory that nobody wrote, control flow
//! that diverges at barriers; and counts instructions and memory requests. It shares no code with the kernels'
//! references.

mod access;
mod adapter;
mod bits;
mod call;
mod check;
mod compare;
mod control;
mod counters;
mod dependence;
mod expression;
mod finding;
mod folder;
mod group;
pub mod lab;
mod lanes;
mod lower;
mod machine;
mod mask;
mod math;
mod matrix;
mod memory;
mod pointer;
mod program;
mod requests;
mod segment;
mod subgroup;
mod table;
mod variables;
mod watch;

pub use adapter::{CompileError, EmulatedAdapter, Emulator, StepResult, compile};
pub use compare::ProfileChange;
pub use counters::{CLASSES, Counters, InstructionClass, LineCounters, Requests};
pub use finding::{FindingKind, ShaderFinding, ShaderFindings};
pub use folder::replaced;
use lower::lower;
pub use machine::{DispatchResult, EmulatorOptions, Schedule, run, run_workgroups};
pub use memory::{Buffer, Shadow, Words};
pub use program::ShaderProgram;
pub use table::{annotated, counters_table, profile_rows};
pub use watch::ShaderWatch;
