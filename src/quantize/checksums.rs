//! Checksums of a cached folder, in a file beside it: a disk that changes bytes must not change scores.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::atomic_write;
use crate::error::{Error, Result};

/// Size and CRC-32 of each file of a folder, by name.
type Checksums = BTreeMap<String, (u64, u32)>;

/// Writes the checksums of `folder`.
///
/// # Errors
/// A file cannot be read or written.
pub fn write(folder: &Path) -> Result<()> {
    atomic_write::write(&file(folder), serde_json::to_string(&checksums(folder)?).expect("names and numbers"))
}

/// Returns a file of `folder` that differs from its checksum, is missing or is new. A folder without readable checksums
/// gets them: a run was killed before it wrote them.
///
/// # Errors
/// A file cannot be read or written.
pub fn damaged(folder: &Path) -> Result<Option<PathBuf>> {
    let recorded = std::fs::read(file(folder)).ok().and_then(|bytes| serde_json::from_slice::<Checksums>(&bytes).ok());
    let Some(recorded) = recorded else {
        write(folder)?;
        return Ok(None);
    };
    let found = checksums(folder)?;
    let differs = |name: &&String| recorded.get(*name) != found.get(*name);
    Ok(recorded.keys().chain(found.keys()).find(differs).map(|name| folder.join(name)))
}

/// Removes the checksums of `folder`, if there are any.
///
/// # Errors
/// The system refuses.
pub fn remove(folder: &Path) -> Result<()> {
    let path = file(folder);
    if path.exists() { std::fs::remove_file(&path).map_err(Error::io(&path)) } else { Ok(()) }
}

/// Returns the file with the checksums of `folder`.
fn file(folder: &Path) -> PathBuf {
    folder.with_added_extension("checksums.json")
}

fn checksums(folder: &Path) -> Result<Checksums> {
    let mut all = Checksums::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        all.insert(name, checksum(&path).map_err(Error::io(&path))?);
    }
    Ok(all)
}

fn checksum(path: &Path) -> std::io::Result<(u64, u32)> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
    let (mut bytes, mut crc) = (0, crc32fast::Hasher::new());
    loop {
        let part = reader.fill_buf()?;
        if part.is_empty() {
            return Ok((bytes, crc.finalize()));
        }
        crc.update(part);
        let read = part.len();
        bytes += read as u64;
        reader.consume(read);
    }
}
