//! Quantization of a model into a folder, layer by layer, with calibration where the method asks for it.
//!
//! Each finished decoder layer is on disk before the next begins. A run that was killed goes on from there and ends
//! with the same bytes ([`crate::checkpoint::PartialFolder`]).

pub mod calibration;
mod checksums;
mod folder;
mod job;
mod report;
mod run;
mod search;
pub mod session;
mod settings;
mod stages;
mod weights;

pub use folder::REPORT;
pub use job::model_digest;
pub use settings::Settings;
