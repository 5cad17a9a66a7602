//! What a model is worth: measures over its likelihoods.

pub mod judge;
pub mod perplexity;
