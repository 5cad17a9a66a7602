//! Generation: prompts in, tokens and likelihoods out.

pub mod batch;
pub mod conversation;
pub mod device;
pub mod engine;
pub mod load;
pub mod replies;
pub mod reply;
pub mod sample;

pub use batch::{Question, TokenScore};
pub use conversation::Conversation;
pub use device::{Compute, DeviceChoice, Opened, Run};
pub use engine::{Engine, Flow, Output};
pub use load::{Model, Spec, load, load_on, load_reference};
pub use replies::{BatchPrompt, Event, LANES};
pub use reply::{Reply, ReplyOptions};
pub use sample::{Sampler, Sampling};
