//! CSV and TSV: fields may be quoted, quotes are doubled inside, line breaks may stand in quotes (RFC 4180).

use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use csv::{ByteRecord, ReaderBuilder, Terminator};
use serde_json::{Map, Value};

use super::lines::{open, text, too_long};
use super::record::{Record, Records};
use super::{MAX_RECORD, some};
use crate::error::{Error, Result};

/// Read after the end of a file. A file that ends within quotes takes it into a field, which the csv crate and
/// others let pass; NUL cannot stand in a file we read.
const END: &[u8] = b"\n\0";

/// Reads the rows of a CSV or TSV file. `names` are its columns if it has no header, or else the first row names them.
///
/// # Errors
/// The file cannot be read; a row has more or fewer fields than there are columns; a column is named twice; a quote
/// is not closed; a row is too long, holds NUL or is not UTF-8; there are no rows.
pub fn delimited(file: &Path, delimiter: u8, names: Option<&[&str]>) -> Result<Records> {
    let input = open(file)?.chain(Cursor::new(END));
    // With the crate's own handling of CRLF, rows would stand a line further up than they do.
    let terminator = Terminator::Any(b'\n');
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(delimiter).terminator(terminator);
    let mut reader = builder.from_reader(input);
    let mut names = names.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    let shared: Arc<Path> = Arc::from(file);
    let (mut records, mut row, mut next) = (Records::new(), ByteRecord::new(), ByteRecord::new());
    let mut advance =
        |row: &mut ByteRecord| reader.read_byte_record(row).map_err(|error| Error::io(file)(error.into()));
    advance(&mut next)?;
    loop {
        std::mem::swap(&mut row, &mut next);
        let place = format!("line {}", row.position().map_or(0, csv::Position::line));
        if !advance(&mut next)? {
            if row.as_slice() == b"\0" {
                return some(file, records);
            }
            let fix = "double a quote that belongs to the text";
            return Err(Error::malformed(file, place, "a closing quote", "the end of the file", fix));
        }
        if row.as_slice().len() > MAX_RECORD {
            return Err(too_long(file, &place));
        }
        let fields = row.iter().map(|field| text(file, &place, field).map(str::to_owned));
        let mut fields = fields.collect::<Result<Vec<_>>>()?;
        if let Some(last) = fields.last_mut().filter(|last| last.ends_with('\r')) {
            last.pop();
        }
        if fields == [""] {
            continue;
        }
        let Some(names) = &names else {
            let mut seen = BTreeSet::new();
            if let Some(twice) = fields.iter().find(|name| !seen.insert(name.as_str())) {
                let found = format!("{twice} twice");
                return Err(Error::malformed(file, place, "columns of different names", found, "rename one"));
            }
            names = Some(fields);
            continue;
        };
        if fields.len() != names.len() {
            let expected = format!("{} fields ({})", names.len(), names.join(", "));
            let fix = "quote fields that hold the delimiter";
            return Err(Error::malformed(file, place, expected, fields.len(), fix));
        }
        let fields: Map<_, _> = names.iter().cloned().zip(fields.into_iter().map(Value::String)).collect();
        records.push(Record { file: shared.clone(), place, fields });
    }
}
