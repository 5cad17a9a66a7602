//! qwgpu: low-bit Qwen inference on any GPU, from WGSL compute shaders.

pub mod error;
pub mod text;

pub use error::{Error, Result};
