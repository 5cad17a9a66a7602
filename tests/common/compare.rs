//! Compares lists of numbers.

/// Returns the largest of some magnitudes; NaN if one of them is NaN.
pub fn largest(magnitudes: impl IntoIterator<Item = f32>) -> f32 {
    magnitudes.into_iter().fold(0.0, |most, value| if most.is_nan() || value <= most { most } else { value })
}

/// Returns the largest difference of two lists of equal length; NaN if a difference is NaN.
pub fn largest_difference(expected: &[f32], found: &[f32]) -> f32 {
    assert_eq!(expected.len(), found.len());
    largest(expected.iter().zip(found).map(|(expected, found)| (expected - found).abs()))
}

#[test]
fn nan_wins_wherever_it_stands() {
    for nan in 0..3 {
        let mut found = [1.0, 5.0, 3.0];
        assert_eq!(largest_difference(&[1.0; 3], &found), 4.0);
        found[nan] = f32::NAN;
        assert!(largest_difference(&[1.0; 3], &found).is_nan(), "NaN at {nan}");
    }
}
