//! What a model is worth: benchmarks, and measures over its likelihoods.
//!
//! A run of benchmarks has four stages: [`asked`] makes requests of documents, [`run`] asks the model what
//! [`journal`] lacks, [`measure`] turns answers into numbers, [`layout`] writes them.

pub mod asked;
pub mod divergence;
pub mod journal;
pub mod judge;
pub mod layout;
pub mod limits;
pub mod measure;
pub mod perplexity;
pub mod run;
pub mod word_perplexity;
