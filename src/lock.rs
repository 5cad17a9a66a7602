//! Locks of files, which end with the process, however it ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};

/// Locks `file`, which lies at `path`, until it is dropped.
///
/// # Errors
/// `busy`, where another process holds it; the system cannot lock it.
pub fn lock(file: &File, path: &Path, busy: impl FnOnce() -> Error) -> Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => busy(),
        TryLockError::Error(error) => Error::io(path)(error),
    })
}

/// Locks `folder` by the file `lock` in it, until the file is dropped. Errors call the folder `what`.
///
/// # Errors
/// Another process holds it; the file cannot be made.
pub fn lock_folder(folder: &Path, what: &str) -> Result<File> {
    let path = folder.join(LOCK);
    let file = File::create(&path).map_err(Error::io(&path))?;
    lock(&file, &path, || {
        let fix = "wait for the other run or name another folder";
        Error::request(what, "a folder that no other process writes", folder.display(), fix)
    })?;
    Ok(file)
}

/// Name of the file that locks a folder.
pub const LOCK: &str = "lock";
