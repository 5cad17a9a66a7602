//! Comparison of two results of one step.

/// Result of a comparison; see [`compare`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Sum of squared differences over the sum of squared expected values.
    pub nmse: f64,
    pub max_abs: f64,
    /// Index of the largest difference, or of the first value that is not a number.
    pub at: usize,
}

/// Compares `found` with `expected`: NaN or infinity on either side counts as an infinite error,
/// and so does an output of other than zeros where zeros alone are expected.
pub fn compare(expected: &[f32], found: &[f32]) -> Difference {
    assert_eq!(expected.len(), found.len());
    let mut difference = Difference { nmse: 0.0, max_abs: 0.0, at: 0 };
    let (mut error, mut scale) = (0.0, 0.0);
    for (at, (&e, &f)) in expected.iter().zip(found).enumerate() {
        let (e, f) = (f64::from(e), f64::from(f));
        let d = (e - f).abs();
        if !d.is_finite() {
            return Difference { nmse: f64::INFINITY, max_abs: f64::INFINITY, at };
        }
        if d > difference.max_abs {
            difference.max_abs = d;
            difference.at = at;
        }
        error += d * d;
        scale += e * e;
    }
    difference.nmse = if error == 0.0 { 0.0 } else { error / scale };
    difference
}
