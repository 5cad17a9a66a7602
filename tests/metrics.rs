//! Measures and statistics against their Python originals (scripts/make_metric_goldens.py), and on bad input.

use std::path::Path;

use serde_json::Value;

#[path = "metrics/answers.rs"]
mod answers;
#[path = "metrics/numbers.rs"]
mod numbers;
#[path = "metrics/texts.rs"]
mod texts;

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/metrics").join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    array(value).iter().map(float).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A list of texts.
fn texts(value: &Value) -> Vec<&str> {
    array(value).iter().map(text).collect()
}

/// Checks that numbers are equal but for the rounding of another order of operations.
#[track_caller]
fn close(found: f64, expected: f64, what: &str) {
    let tolerance = 1e-12 * expected.abs().max(1e-12);
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}

/// Checks that the result is an error which names what is wrong.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: qwgpu::Result<T>, naming: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(naming), "{error:?} does not name {naming:?}");
}
