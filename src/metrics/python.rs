//! Strings and regular expressions as Python has them.

use fancy_regex::Regex;

use crate::error::{Error, Result};

/// Returns the regular expression of a literal, which is compiled once: `static_regex!(r"\d+")`.
macro_rules! static_regex {
    ($pattern:expr) => {{
        static REGEX: std::sync::LazyLock<regex::Regex> =
            std::sync::LazyLock::new(|| $crate::metrics::python::known_regex($pattern));
        &*REGEX
    }};
}
pub(crate) use static_regex;

/// Compiles a regular expression of this program's own.
///
/// # Panics
/// It is not valid: tests use every one.
pub(crate) fn known_regex(pattern: &str) -> regex::Regex {
    regex::Regex::new(pattern).expect("a pattern of this program is valid")
}

/// Returns `str.isspace` of a character: Unicode's white space and the four separators of ASCII.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// Returns the words of `str.split()`.
pub(crate) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// Returns `str.strip()`.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Compiles a pattern of the syntax that both languages share, with Python's `$`, which also matches before a last line
/// feed. Inline flags are those of Rust; under `(?m)`, `$` would differ.
///
/// # Errors
/// The pattern is not valid.
pub(crate) fn regex(pattern: &str) -> Result<Regex> {
    let (mut rust, mut escaped, mut class) = (String::with_capacity(pattern.len()), false, false);
    for character in pattern.chars() {
        match character {
            '$' if !escaped && !class => rust.push_str(r"(?=\n?\z)"),
            _ => rust.push(character),
        }
        if !escaped {
            class = character == '[' || class && character != ']';
        }
        escaped = !escaped && character == '\\';
    }
    Regex::new(&rust).map_err(|error| {
        Error::request(format!("pattern {pattern:?}"), "a regular expression", error, "correct the pattern")
    })
}

/// Returns the error of a search with too much backtracking.
pub(crate) fn match_error(error: fancy_regex::Error) -> Error {
    Error::request("search in a reply", "an end within the limit", error, "simplify the pattern")
}
