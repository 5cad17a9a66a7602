//! qwgpu: low-bit Qwen inference on any GPU, from WGSL compute shaders.

pub mod atomic_write;
pub mod bench;
pub mod checkpoint;
pub mod cli;
pub mod date;
pub mod digest;
pub mod error;
pub mod eval;
pub mod generate;
pub mod gpu;
pub mod kernels;
pub mod methods;
pub mod metrics;
pub mod model;
pub mod plan;
pub mod quant;
pub mod quantize;
pub mod report;
pub mod study;
pub mod tasks;
pub mod text;

pub use error::{Error, Result};
