//! qwgpu: low-bit Qwen inference on any GPU, from WGSL compute shaders.

pub mod bench;
pub mod checkpoint;
#[cfg(feature = "cli")]
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
pub mod progress;
pub mod quant;
pub mod quantize;
pub mod report;
pub mod session;
pub mod study;
pub mod tasks;
pub mod text;
pub mod units;
pub mod whole_file;

pub use error::{Error, Result};
pub use generate::{Compute, Conversation, DeviceChoice, Model, ReplyOptions};
pub use progress::Progress;
pub use session::OpenOptions;
