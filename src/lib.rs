//! qwgpu: low-bit Qwen inference on any GPU, from WGSL compute shaders.

pub mod checkpoint;
pub mod error;

pub use error::{Error, Result};
