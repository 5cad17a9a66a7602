//! Low-bit inference, quantization and evaluation of language models on any GPU, from WGSL compute shaders.
//!
//! ```no_run
//! # fn main() -> qwgpu::Result<()> {
//! let mut model = qwgpu::Model::open("Qwen2.5-0.5B-Instruct")?;
//! model.chat("Why is the sky blue?", |piece| print!("{piece}"))?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Model`] opens a Hugging Face folder or a GGUF file; [`OpenOptions`] choose the device and quantize on the way.
//! [`eval::Evaluation`] runs benchmarks, [`study::Study`] compares quantized forms of models and writes a report, and
//! [`quantize::session::quantize`] writes a quantized folder. What takes long reports to a [`Progress`], which can
//! cancel it. The folder `examples` has a short program for each.
//!
//! # Modules, from the bottom up
//!
//! - [`plan`], [`gpu`], [`kernels`]: plans of steps over tensors, the adapters that run them, and the kernels with
//!   their CPU references.
//! - [`checkpoint`], [`text`]: files of models; tokenizers and chat templates.
//! - [`emulator`]: an adapter that runs the shaders without a driver and finds their faults.
//! - [`formats`]: how weights are held and multiplied, and the methods that quantize them.
//! - [`model`], [`generate`]: the decoder as a plan; sequences, replies and likelihoods on a device.
//! - `lab`: shaders in the languages of drivers, what AMD's compiler makes of them, and the speed of a model on a card
//!   that is not here.
//! - [`quantize`], [`session`]: from a model to a quantized folder; opening models.
//! - [`tasks`], [`metrics`], [`eval`]: benchmarks as data, measures, and evaluations.
//! - [`bench`](mod@bench), [`study`], [`report`]: speed and memory, studies, and their reports.
//! - [`doctor`]: what would stop a model on this machine.
//!
//! # Features
//!
//! All are on by default. `cli` is the command line and its binary, `judge` the HTTP client of a judge, `parquet` the
//! reader of data sets in Parquet. The engine alone needs none.

#![warn(missing_docs)]

pub mod emulator;
pub mod error;
pub mod eval;
pub mod formats;
pub mod generate;
pub mod gpu;
pub mod kernels;
pub mod plan;
pub mod progress;
pub mod quantize;
pub mod session;
pub mod study;

// Public for the command line, the tests and the benches; they may change at any time.
#[doc(hidden)]
pub mod atomic_write;
#[doc(hidden)]
pub mod bench;
#[doc(hidden)]
pub mod checkpoint;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub(crate) mod date;
#[doc(hidden)]
pub mod digest;
#[doc(hidden)]
pub mod doctor;
#[doc(hidden)]
pub mod lab;
pub(crate) mod lock;
#[doc(hidden)]
pub mod metrics;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod tasks;
#[doc(hidden)]
pub mod text;
pub(crate) mod units;

pub use error::{Error, Result};
pub use generate::{Compute, Conversation, DeviceChoice, Model, ReplyOptions};
pub use progress::Progress;
pub use session::OpenOptions;
