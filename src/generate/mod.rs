//! A loaded model at work: prompts in, tokens and likelihoods out.

pub mod batch;
pub mod conversation;
pub mod engine;
pub mod load;
pub mod replies;
pub mod reply;
pub mod sample;

pub use batch::{Question, TokenScore};
pub use conversation::Conversation;
pub use engine::{Engine, Flow, Output};
pub use load::{Device, Loaded, Opened, Run, Spec, load, load_on, load_reference, open};
pub use replies::{Asked, Event, LANES};
pub use reply::{Reply, Settings};
pub use sample::{Sampler, Sampling};
