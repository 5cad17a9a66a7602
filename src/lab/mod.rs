//! Shaders through compilers: the text that a driver gets, and what AMD's compiler makes of it on a machine without an
//! AMD card. docs/SHADERS.md shows the commands.

pub mod compile;
pub mod emit;
pub mod isa;
pub mod listing;
pub mod radv;
pub mod text;
