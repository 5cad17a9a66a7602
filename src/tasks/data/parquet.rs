//! Parquet, as the hubs give data sets out: uncompressed or Snappy; Zstandard with the cargo feature `zstd`.

use std::path::Path;
use std::sync::Arc;

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::{Map, Value};

use super::record::{Record, Records};
use super::{lines, some};
use crate::error::{Error, Result};

/// Bytes a file may hold when it is unpacked; the largest of the study has a few hundred million.
const MAX_BYTES: i64 = 4 << 30;

/// Reads the rows of a Parquet file as records.
///
/// # Errors
/// The file cannot be read, is damaged, holds types that JSON has not, or more than 4 GiB when unpacked; or it is packed
/// in another way than this build reads.
pub fn parquet(file: &Path) -> Result<Records> {
    // The parquet crate has had panics on damaged files, and a data file must not end a run without its name.
    std::panic::catch_unwind(|| rows(file)).unwrap_or_else(|_| Err(damaged(file, "file", "bytes its reader fails on")))
}

fn rows(file: &Path) -> Result<Records> {
    let shared: Arc<Path> = Arc::from(file);
    let reader = SerializedFileReader::new(lines::open(file)?).map_err(|error| damaged(file, "footer", error))?;
    let groups = reader.metadata().row_groups().iter();
    let bytes = groups.fold(0i64, |sum, group| sum.saturating_add(group.total_byte_size().max(0)));
    if bytes > MAX_BYTES {
        return Err(damaged(file, "size", format!("{bytes} bytes, above {MAX_BYTES}")));
    }
    let rows = reader.get_row_iter(None).map_err(|error| damaged(file, "schema", error))?;
    let records = rows.enumerate().map(|(index, row)| {
        let place = format!("record {}", index + 1);
        let fields = row.map_err(|error| error.to_string()).and_then(|row| object(&row));
        let fields = fields.map_err(|error| damaged(file, &place, error))?;
        Ok(Record { file: shared.clone(), place, fields })
    });
    some(file, records.collect::<Result<_>>()?)
}

fn damaged(file: &Path, place: &str, found: impl std::fmt::Display) -> Error {
    let fix = "get the file again, or convert it to JSON lines (Zstandard needs the cargo feature zstd)";
    Error::malformed(file, place, "a Parquet file that this build reads", found, fix)
}

fn object(row: &Row) -> Result<Map<String, Value>, String> {
    row.get_column_iter().map(|(name, field)| Ok((name.clone(), value(field)?))).collect()
}

fn value(field: &Field) -> Result<Value, String> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(value) => (*value).into(),
        Field::Byte(value) => (*value).into(),
        Field::Short(value) => (*value).into(),
        Field::Int(value) => (*value).into(),
        Field::Long(value) => (*value).into(),
        Field::UByte(value) => (*value).into(),
        Field::UShort(value) => (*value).into(),
        Field::UInt(value) => (*value).into(),
        Field::ULong(value) => (*value).into(),
        Field::Float(value) => f64::from(*value).into(),
        Field::Double(value) => (*value).into(),
        Field::Str(text) if text.contains('\0') => return Err("a NUL character in a text".to_owned()),
        Field::Str(text) => text.as_str().into(),
        Field::Group(row) => Value::Object(object(row)?),
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(value).collect::<Result<_, _>>()?),
        other => return Err(format!("the value {other}, of a type that JSON has not")),
    })
}
