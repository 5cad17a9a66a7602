//! Locks that end with the process, however it ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};

/// Locks the folder `folder` by the file `name` in it, until the file is dropped.
///
/// # Errors
/// Another process holds it: an error that calls the folder `what`. The file cannot be made.
pub fn lock_folder(folder: &Path, name: &str, what: &str) -> Result<File> {
    let path = folder.join(name);
    let file = File::create(&path).map_err(Error::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let fix = "wait for the other run or name another folder";
            Err(Error::request(what, "a folder that no other process writes", folder.display(), fix))
        }
        Err(TryLockError::Error(error)) => Err(Error::io(&path)(error)),
    }
}
