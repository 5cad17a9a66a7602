//! Measures of texts and choices, and the statistics of their comparison: numbers in, numbers out. Each equals
//! its Python original; tests/metrics.rs holds it to that.
