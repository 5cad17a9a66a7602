//! Generation: prompts in, tokens and likelihoods out.

#[doc(hidden)]
pub mod batch;
mod check;
#[doc(hidden)]
pub mod conversation;
mod decode;
#[doc(hidden)]
pub mod device;
#[doc(hidden)]
pub mod engine;
#[doc(hidden)]
pub mod load;
#[doc(hidden)]
pub mod lookup;
#[doc(hidden)]
pub mod replies;
#[doc(hidden)]
pub mod reply;
mod room;
#[doc(hidden)]
pub mod sample;
mod tune;

pub use batch::{BatchQuestion, TokenScore};
pub use check::{KernelDifference, ModelCheck, check_model};
pub use conversation::Conversation;
pub use decode::Flow;
pub use device::{Compute, DeviceChoice, Opened, Run};
pub use engine::{Engine, PassOutput};
pub use load::{Model, Spec, load, load_on, load_reference};
pub use lookup::{Lookup, LookupCounts, MOST_PROPOSED};
pub use replies::{BatchPrompt, Event, LANES};
pub use reply::{Reply, ReplyOptions};
pub use sample::{Sampler, Sampling};
pub use tune::{Autotune, tune};

pub use crate::model::KvType;
