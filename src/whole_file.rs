//! Files that are written whole or not at all.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes `bytes` under a temporary name, and gives the file its own when they are on the disk.
///
/// # Errors
/// The file cannot be written; a file that was there before is as it was.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".unfinished");
    let temporary = Path::new(&temporary);
    let file = || {
        let mut file = File::create(temporary)?;
        file.write_all(bytes.as_ref())?;
        file.sync_all()
    };
    file().map_err(Error::io(temporary))?;
    std::fs::rename(temporary, path).map_err(Error::io(path))
}
