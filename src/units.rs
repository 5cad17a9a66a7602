//! Numbers for people.

/// Writes bytes in powers of 1024: `1.46 KiB`.
pub fn binary_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = bytes as f64;
    let mut unit = None;
    for name in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = Some(name);
    }
    match unit {
        None => format!("{value:.0} B"),
        Some(unit) => format!("{value:.2} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::binary_bytes;

    #[test]
    fn bytes_have_the_largest_unit_that_fits() {
        for (bytes, text) in [(0, "0 B"), (1023, "1023 B"), (1500, "1.46 KiB"), (1_500_000, "1.43 MiB")] {
            assert_eq!(binary_bytes(bytes), text);
        }
        assert_eq!(binary_bytes(u64::MAX), "16.00 EiB");
    }
}
