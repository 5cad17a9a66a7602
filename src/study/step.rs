//! Results of steps that are done, in files that say what of.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::atomic_write;
use crate::error::{Error, Result};

/// Reads the result in a file, if it was made with `key`, or makes and keeps it. Where its folder is not there, nothing
/// is kept.
///
/// # Errors
/// Those of `make`; the file cannot be written.
pub fn cached<T: Serialize + DeserializeOwned>(file: &Path, key: Value, make: impl FnOnce() -> Result<T>) -> Result<T> {
    let known: Option<Value> = std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(known) = known.filter(|known| known["key"] == key)
        && let Ok(value) = T::deserialize(&known["value"])
    {
        return Ok(value);
    }
    let value = make()?;
    if file.parent().is_none_or(Path::is_dir) {
        atomic_write::write(file, json!({ "key": key, "value": value }).to_string())?;
    }
    Ok(value)
}

/// Returns whether an error of one form is one of all others, too: a full disk, a lost device, an interruption.
pub fn ends_study(error: &Error) -> bool {
    !matches!(
        error,
        Error::NotFinite { .. } | Error::OutOfMemory { .. } | Error::Unsupported { .. }
        // What a quantizer says of a layer.
        | Error::Request { .. } | Error::Malformed { .. }
        | Error::Child { .. }
    )
}
