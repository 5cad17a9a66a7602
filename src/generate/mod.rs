//! A loaded model at work: prompts in, tokens and likelihoods out.

pub mod conversation;
pub mod engine;
pub mod load;
pub mod reply;
pub mod sample;

pub use conversation::Conversation;
pub use engine::{Engine, Flow, Output};
pub use load::{Device, Loaded, Opened, Run, Spec, load, load_on, load_reference, open};
pub use reply::{Reply, Settings};
pub use sample::{Sampler, Sampling};
