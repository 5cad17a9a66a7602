//! Bytes behind a checkpoint, read by position.
//!
//! No file is mapped: one that is cut short while it is open ends in an error, where a mapping would
//! end the process.

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The remedy where numbers make no model.
pub(super) const DAMAGED_MODEL: &str = "the file is damaged or its conversion went wrong; download it again";

/// One file of a checkpoint, on disk or in memory.
#[derive(Debug)]
pub struct SourceFile {
    path: PathBuf,
    len: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    File(File),
    Memory(Vec<u8>),
}

impl SourceFile {
    /// Opens a regular file.
    ///
    /// # Errors
    /// It is missing, cannot be read, or is a folder, pipe or device.
    pub fn open(path: &Path) -> Result<SourceFile> {
        // Opening a pipe would wait for its writer, so look before opening.
        let metadata = std::fs::metadata(path).map_err(Error::io(path))?;
        if !metadata.is_file() {
            let found = if metadata.is_dir() { "a folder" } else { "a pipe, socket or device" };
            let fix = "name a .gguf file or a model folder";
            return Err(Error::malformed(path, "file type", "a regular file", found, fix));
        }
        let file = File::open(path).map_err(Error::io(path))?;
        let len = file.metadata().map_err(Error::io(path))?.len();
        Ok(SourceFile { path: path.to_owned(), len, bytes: Bytes::File(file) })
    }

    /// Takes bytes that are in memory; `name` stands for the file in errors.
    pub fn memory(name: impl Into<PathBuf>, bytes: Vec<u8>) -> SourceFile {
        SourceFile { path: name.into(), len: bytes.len() as u64, bytes: Bytes::Memory(bytes) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the bytes in the file when it was opened.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `out` from the bytes at `offset`. Safe to call from several threads at once.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let result = match &self.bytes {
            Bytes::File(file) => read_exact_at(file, offset, out),
            Bytes::Memory(bytes) => usize::try_from(offset)
                .ok()
                .and_then(|start| bytes.get(start..)?.get(..out.len()))
                .map(|part| out.copy_from_slice(part))
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into()),
        };
        result.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                let found = format!("the end of the file, which had {} bytes when opened", self.len);
                let fix = "the file was cut short while in use; let its download finish and start again";
                self.malformed(format!("bytes from {offset}"), format!("{} bytes", out.len()), found, fix)
            }
            _ => Error::io(&self.path)(error),
        })
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// It is longer than `limit` bytes.
    pub fn read_all(&self, limit: u64) -> Result<Vec<u8>> {
        if self.len > limit {
            let (expected, found) = (format!("at most {limit} bytes"), format!("{} bytes", self.len));
            let fix = "this is not the file its name says; download it again";
            return Err(self.malformed("file size", expected, found, fix));
        }
        let mut bytes = vec![0; self.len as usize];
        self.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Refuses what an unfinished clone or a web server left in the file's place.
    pub fn refuse_placeholder(&self, expected: &str) -> Result<()> {
        let mut start = [0; 64];
        let start = &mut start[..self.len.min(64) as usize];
        self.read_at(0, start)?;
        let text = String::from_utf8_lossy(start).to_ascii_lowercase();
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let (found, fix) = if text.starts_with("version https://git-lfs") {
            ("a Git LFS pointer", "the clone lacks the large files; run `git lfs pull` in its folder")
        } else if text.starts_with("<!doctype html") || text.starts_with("<html") {
            let fix = "the server sent a web page in place of the file; download it again, logged in if the model asks \
                       for it";
            ("an HTML page", fix)
        } else {
            return Ok(());
        };
        Err(self.malformed("file contents", expected, found, fix))
    }

    /// Returns the error that a field is not as expected.
    pub(super) fn malformed(
        &self,
        field: impl Into<String>,
        expected: impl Display,
        found: impl Display,
        fix: impl Display,
    ) -> Error {
        Error::malformed(&self.path, field, expected, found, fix)
    }

    /// Returns the same error where only damage explains it.
    pub(super) fn damaged(&self, field: impl Into<String>, expected: impl Display, found: impl Display) -> Error {
        self.malformed(field, expected, found, "the file is damaged or cut short; download it again")
    }
}

/// Returns the start of a text from a file, quoted: errors stay short whatever the file holds.
pub(super) fn brief(text: &str) -> String {
    let start: String = text.chars().take(64).collect();
    match start.len() < text.len() {
        true => format!("{start:?}... of {} bytes", text.len()),
        false => format!("{start:?}"),
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, out: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
    // seek_read moves the file's cursor; nothing here relies on it.
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                out = &mut out[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
