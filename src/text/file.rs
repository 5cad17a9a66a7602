//! Texts from files.

use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

/// Reads a UTF-8 text from a file, or from standard input for `-`.
///
/// # Errors
/// The file cannot be read or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    match path.to_str() {
        Some("-") => std::io::stdin().read_to_end(&mut bytes).map(drop),
        _ => std::fs::read(path).map(|read| bytes = read),
    }
    .map_err(Error::io(path))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = format!("byte {}", error.utf8_error().valid_up_to());
        Error::malformed(path, at, "UTF-8 text", "other bytes", "convert the file to UTF-8")
    })
}
