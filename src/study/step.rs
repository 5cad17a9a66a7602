//! Results of steps that are done, in files that say what of.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::atomic_write;
use crate::error::Result;

/// A cache of results in a folder, valid for one key.
pub struct Step {
    folder: PathBuf,
    key: Value,
}

impl Step {
    /// Returns the results in `folder` that were made with `key`.
    pub fn new(folder: &Path, key: Value) -> Step {
        Step { folder: folder.to_owned(), key }
    }

    /// Reads the result `name`, or makes and keeps it.
    ///
    /// # Errors
    /// Those of `make`; the file cannot be written.
    pub fn done<T: Serialize + DeserializeOwned>(&self, name: &str, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let path = self.folder.join(format!("{name}.json"));
        let known: Option<Value> = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(known) = known.filter(|known| known["key"] == self.key)
            && let Ok(value) = serde_json::from_value(known["value"].clone())
        {
            return Ok(value);
        }
        let value = make()?;
        atomic_write::write(&path, json!({ "key": self.key, "value": value }).to_string())?;
        Ok(value)
    }
}
