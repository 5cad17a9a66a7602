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

/// Writes a number of things: `1 window`, `2 windows`.
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Writes a perplexity: four digits behind the point, or a power of ten where the model predicts nothing.
pub fn perplexity(value: f64) -> String {
    if value < 1e6 { format!("{value:.4}") } else { format!("{value:.3e}") }
}

#[cfg(test)]
mod tests {
    use super::{binary_bytes, counted, perplexity};

    #[test]
    fn words_fit_their_numbers() {
        assert_eq!([counted(1, "window"), counted(0, "page")], ["1 window", "0 pages"]);
        assert_eq!([perplexity(27.98684), perplexity(2.1246667e18)], ["27.9868", "2.125e18"]);
    }

    #[test]
    fn bytes_have_the_largest_unit_that_fits() {
        for (bytes, text) in [(0, "0 B"), (1023, "1023 B"), (1500, "1.46 KiB"), (1_500_000, "1.43 MiB")] {
            assert_eq!(binary_bytes(bytes), text);
        }
        assert_eq!(binary_bytes(u64::MAX), "16.00 EiB");
    }
}
