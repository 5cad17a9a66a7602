//! Plain lines, and what all text formats share: limits, line ends, the byte order mark.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::MAX_RECORD;
use crate::error::{Error, Result};

/// Reads the lines of a text file without their ends (LF or CRLF) and without a byte order mark. Empty lines are kept.
///
/// # Errors
/// The file cannot be read; a line is too long, holds NUL or is not UTF-8.
pub fn lines(file: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    each(file, |_, line| {
        found.push(line.to_owned());
        Ok(())
    })?;
    Ok(found)
}

/// Gives every line, counted from 1, to `visit`.
pub(super) fn each(file: &Path, mut visit: impl FnMut(usize, &str) -> Result<()>) -> Result<()> {
    let mut input = BufReader::new(open(file)?);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let limit = MAX_RECORD as u64 + 1;
        if input.by_ref().take(limit).read_until(b'\n', &mut bytes).map_err(Error::io(file))? == 0 {
            break;
        }
        let place = format!("line {number}");
        if bytes.len() > MAX_RECORD {
            return Err(too_long(file, &place));
        }
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let line = text(file, &place, bytes)?;
        visit(number, if number == 1 { line.trim_start_matches('\u{feff}') } else { line })?;
    }
    Ok(())
}

/// Opens what must be a file: a folder opens too, on some systems, and then cannot be read.
pub(super) fn open(file: &Path) -> Result<File> {
    if file.is_dir() {
        return Err(Error::malformed(file, "data", "a file", "a folder", "give the path of the file"));
    }
    File::open(file).map_err(Error::io(file))
}

/// Returns bytes as text.
pub(super) fn text<'a>(file: &Path, place: &str, bytes: &'a [u8]) -> Result<&'a str> {
    let fix = "get the file again, or convert it";
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(Error::malformed(file, place, "text", format!("a NUL byte at byte {at}"), fix));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let found = format!("another byte at byte {}", error.valid_up_to());
        Error::malformed(file, place, "text in UTF-8", found, fix)
    })
}

pub(super) fn too_long(file: &Path, place: &str) -> Error {
    let fix = "the file is not what its name says, or a quote is not closed";
    Error::malformed(file, place, format!("at most {MAX_RECORD} bytes"), "more", fix)
}
