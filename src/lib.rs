//! qwgpu: low-bit Qwen inference on any GPU, from WGSL compute shaders.

pub mod checkpoint;
pub mod error;
pub mod gpu;
pub mod kernels;
pub mod plan;
pub mod text;

pub use error::{Error, Result};
