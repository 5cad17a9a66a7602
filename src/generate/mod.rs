//! A loaded model at work: prompts in, tokens and likelihoods out.

pub mod engine;
pub mod load;
pub mod sample;

pub use engine::{Engine, Flow, Output};
pub use load::{Device, Loaded, Run, Spec, load, load_reference};
pub use sample::{Sampler, Sampling};
