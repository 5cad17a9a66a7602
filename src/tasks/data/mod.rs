//! Files of benchmarks, in the formats they are given out in, to records.
//!
//! Whatever a file holds, reading ends: in records, or in an error that names file, line and field. A record is at
//! most [`MAX_RECORD`] bytes and JSON nests at most 127 deep. NUL and bytes that are not UTF-8 are refused.

mod delimited;
mod json;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod record;
mod sentencepiece;
mod splits;

use std::path::Path;

pub use delimited::delimited;
pub use json::{json_array, json_lines};
pub use lines::lines;
#[cfg(feature = "parquet")]
pub use parquet::parquet;
pub use record::{Record, Records};
pub use sentencepiece::SentencePieces;
pub use splits::{Split, find};
pub(super) use splits::{missing, unique};

use crate::error::{Error, Result};

/// Bytes of the longest record that is read: a document of the sets has a few hundred thousand.
pub const MAX_RECORD: usize = 4 << 20;

/// Reads a file whose first line or schema names its fields, by the ending of its name: `.csv`, `.tsv`, `.jsonl`,
/// `.json` (an array, or JSON lines), `.parquet`.
///
/// # Errors
/// Another ending, or what the reader of the format refuses.
pub fn read(file: &Path) -> Result<Records> {
    match file.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "csv" => delimited(file, b',', None),
        "tsv" => delimited(file, b'\t', None),
        "jsonl" => json_lines(file),
        "json" if json::is_array(file)? => json_array(file),
        "json" => json_lines(file),
        #[cfg(feature = "parquet")]
        "parquet" => parquet(file),
        #[cfg(not(feature = "parquet"))]
        "parquet" => {
            let fix = "build with the cargo feature parquet, or give the data as JSON lines";
            Err(Error::unsupported(file, "Parquet in this build", fix))
        }
        ending => {
            let what = format!("a data file that ends in \"{ending}\"");
            Err(Error::unsupported(file, what, "give csv, tsv, jsonl, json or parquet"))
        }
    }
}

/// Returns the rows of a table that is part of the program, `N` fields with tabs between them.
///
/// # Panics
/// A row has another number of fields.
pub(super) fn table<const N: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    let row = |line: &'static str| line.split('\t').collect::<Vec<_>>().try_into();
    text.lines().map(move |line| row(line).unwrap_or_else(|_| panic!("`{line}` has not {N} fields")))
}

/// Returns `records`, of which there must be some.
fn some(file: &Path, records: Records) -> Result<Records> {
    match records.is_empty() {
        true => Err(Error::malformed(file, "records", "at least one", "none", "the file is empty; get it again")),
        false => Ok(records),
    }
}
