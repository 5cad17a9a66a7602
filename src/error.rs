//! The one error of the library: each variant carries the nouns a person needs to act.

use std::fmt::Display;
use std::path::{Path, PathBuf};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// A file holds something other than its format allows.
    #[error("{}: {field}: expected {expected}, found {found}; {fix}", file.display())]
    Malformed {
        file: PathBuf,
        /// Header key, tensor name or JSON path.
        field: String,
        expected: String,
        found: String,
        /// What the user can do about it.
        fix: String,
    },
    /// The file is sound, but asks for something this version does not do.
    #[error("{}: {what} is not supported; {fix}", file.display())]
    Unsupported { file: PathBuf, what: String, fix: String },
    /// A chat template failed, looped or used an unknown function.
    #[error("chat template: {0}")]
    Template(String),
    /// The tokenizer refused its input.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// No adapter fits what was asked for.
    #[error("no suitable adapter: {reason}; {fix}")]
    NoAdapter { reason: String, fix: String },
    /// A shader did not compile on this adapter.
    #[error("kernel {kernel}, variant {variant}: {message}")]
    Shader { kernel: String, variant: String, message: String },
    /// Device memory ran out, or a tensor is above what the adapter can bind.
    #[error("out of device memory: {what} needs {bytes} bytes, {limit}; {fix}")]
    OutOfMemory { what: String, bytes: u64, limit: String, fix: String },
    /// The driver lost the device or a wait timed out.
    #[error("device lost: {0}")]
    DeviceLost(String),
    /// Values that are not numbers came out of a computation.
    #[error(
        "{tensor} holds NaN or infinity after step {step}; the weights or the driver are at fault, run `qwgpu check`"
    )]
    NotFinite { step: String, tensor: String },
    /// A request that cannot be met: a prompt above the context, an unknown name.
    #[error("{what}: expected {expected}, found {found}; {fix}")]
    Request { what: String, expected: String, found: String, fix: String },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
        move |source| Error::Io { path: path.to_owned(), source }
    }

    pub(crate) fn malformed(
        file: &Path,
        field: impl Into<String>,
        expected: impl Display,
        found: impl Display,
        fix: impl Display,
    ) -> Error {
        Error::Malformed {
            file: file.to_owned(),
            field: field.into(),
            expected: expected.to_string(),
            found: found.to_string(),
            fix: fix.to_string(),
        }
    }

    pub(crate) fn request(
        what: impl Into<String>,
        expected: impl Display,
        found: impl Display,
        fix: impl Display,
    ) -> Error {
        Error::Request {
            what: what.into(),
            expected: expected.to_string(),
            found: found.to_string(),
            fix: fix.to_string(),
        }
    }
}
