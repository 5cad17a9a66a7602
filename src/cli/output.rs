//! Results on standard output, words for people on standard error, texts from files and arguments.

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use super::interrupt;
use crate::error::Error;

/// Prints one JSON value.
pub fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print_out(&format!("{value:#}\n"))
}

/// Writes to standard output at once. A reader that went away ends the program quietly.
pub fn print_out(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => interrupt::leave(0),
        result => Ok(result?),
    }
}

/// A line on standard error. That nobody reads it is no reason to fail.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A text file, or standard input for `-`; it must be UTF-8.
pub fn read_text(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    match path.to_str() {
        Some("-") => std::io::stdin().read_to_end(&mut bytes).map(drop),
        _ => std::fs::read(path).map(|read| bytes = read),
    }
    .map_err(Error::io(path))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = format!("byte {}", e.utf8_error().valid_up_to());
        Error::malformed(path, at, "UTF-8 text", "other bytes", "convert the file to UTF-8").into()
    })
}

/// An argument as text, for clap.
pub fn utf8(text: OsString) -> Result<String, String> {
    let bytes = text.as_encoded_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(e) => {
            let at = e.valid_up_to();
            Err(format!("the byte 0x{:02X} at offset {at} is no UTF-8; give the text in UTF-8", bytes[at]))
        }
    }
}

/// Rows as columns, the first of them left-aligned.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// Bytes as people read them.
pub fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
