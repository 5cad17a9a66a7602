//! Titles and descriptions of methods by the names that study.json has.

use super::data::{BASELINE, PACKED};
use crate::formats::Method;

/// Returns a method's title, or its name if the method is unknown here.
pub(super) fn title(method: &str) -> &str {
    match Method::find(method) {
        Some(known) => known.title,
        None if method == BASELINE => "BF16",
        None if method == PACKED => "GGUF",
        None => method,
    }
}

/// Returns what a method does, in one sentence or two.
pub(super) fn description(method: &str) -> Option<&'static str> {
    match Method::find(method) {
        Some(known) => Some(known.description),
        None if method == BASELINE => Some("Weights in 16 bits, without quantization: the baseline."),
        None if method == PACKED => Some("The blocks of a GGUF file as they are; the width is that of its true bits."),
        None => None,
    }
}
