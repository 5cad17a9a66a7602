//! A loaded model at work: prompts in, tokens and likelihoods out.

pub mod engine;
pub mod sample;

pub use engine::{Engine, Flow};
pub use sample::{Sampler, Sampling};
