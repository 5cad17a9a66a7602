//! Measures of texts and choices, and statistics. Each equals its Python original, which tests/metrics.rs checks.

pub mod bias;
pub mod bleu;
pub mod choice;
pub mod chrf;
pub mod comparison;
pub mod correlation;
pub mod distributions;
pub mod exact_match;
pub mod information;
pub mod porter;
pub(crate) mod python;
pub mod random;
pub mod rouge;
pub mod statistics;
mod tokenizers;
