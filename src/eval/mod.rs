//! Evaluation: benchmarks, and measures over a model's likelihoods.
//!
//! An [`Evaluation`] has four stages: `requests` are made of documents, `run` puts to the model those that the
//! `journal` has no answer to, `measure` scores the answers, and `layout` writes results and samples.

pub(crate) mod divergence;
mod evaluation;
#[doc(hidden)]
pub mod journal;
#[cfg(feature = "judge")]
#[doc(hidden)]
pub mod judge;
pub(crate) mod layout;
#[doc(hidden)]
pub mod limits;
pub(crate) mod measure;
#[doc(hidden)]
pub mod perplexity;
#[doc(hidden)]
pub mod requests;
mod run;
mod settings;
#[doc(hidden)]
pub mod word_perplexity;

pub use evaluation::Evaluation;
pub use layout::EvalRun;
pub use requests::Shard;
pub use settings::EvalSettings;
