//! Measures of texts and choices, and the statistics of their comparison: numbers in, numbers out. Each equals
//! its Python original; tests/metrics.rs holds it to that.

pub mod bias;
pub mod choice;
pub mod exact_match;
mod python;
pub mod random;
