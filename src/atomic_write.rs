//! Files that are written whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// The end of a file's temporary name.
pub(crate) const UNFINISHED: &str = ".unfinished";
/// Bytes that go to the system at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes `bytes` to the file at `path`; see [`write_with`].
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    let bytes = bytes.as_ref();
    write_with(path, bytes.len() as u64, |out| out.write_all(bytes))
}

/// Lets `fill` write a file under a temporary name beside `path`, and renames it when it is whole and on the disk.
/// `bytes` is its size, for the error when the disk is full.
///
/// # Errors
/// The file cannot be written, or `fill` fails: a file at `path` is unchanged, and the temporary one is removed. A
/// process that is killed leaves it.
pub fn write_with<E>(path: &Path, bytes: u64, fill: impl FnOnce(&mut dyn Write) -> Result<(), E>) -> Result<()>
where
    Failure: From<E>,
{
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let all = || -> Result<(), Failure> {
        let temporary = temporary(folder, path)?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, temporary.as_file());
        fill(&mut out)?;
        out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        temporary.persist(path).map_err(|error| error.error)?;
        sync_folder(folder)?;
        Ok(())
    };
    all().map_err(|failure| match failure {
        Failure::Write(error) => full(path, bytes, error),
        Failure::Other(error) => error,
    })
}

/// The reason why a file was not written.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum Failure {
    /// The system refused to write it.
    Write(#[from] io::Error),
    /// Its contents cannot be made.
    Other(#[from] Error),
}

/// Creates a file of a new name beside `path`, with the rights of any new file.
fn temporary(folder: &Path, path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut prefix = path.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(UNFINISHED);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Makes the names in a folder last, where the system can be asked to.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Makes the error of a write; one of a full disk says how much was needed.
fn full(path: &Path, bytes: u64, error: io::Error) -> Error {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let source = match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => io::Error::new(
            error.kind(),
            format!("{error}: the file needs {bytes} bytes; free space or write to another disk, then run again"),
        ),
        _ => error,
    };
    Error::io(path)(source)
}
