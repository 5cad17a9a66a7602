//! Results on standard output, words for people on standard error.

use std::io::{ErrorKind, Write};

use super::interrupt;

/// The end of a command without an error.
pub enum ExitStatus {
    Done,
    /// A check or comparison failed; it has been printed.
    Failed,
}

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

/// Writes a line to standard error. That nobody reads it is no reason to fail.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Formats rows as columns, the first of them left-aligned.
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
