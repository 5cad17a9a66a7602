//! The one error of the library: each variant has the facts that a person needs to act.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// A result of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any failure, with what to do about it where a person can do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file holds something other than its format allows.
    #[error("{}: {field}: expected {expected}, found {found}; {fix}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Header key, tensor name or JSON path.
        field: String,
        /// The format's rule.
        expected: String,
        /// The file's contents.
        found: String,
        /// The remedy.
        fix: String,
    },
    /// The file is sound, but asks for something this version does not do.
    #[error("{}: {what} is not supported; {fix}", file.display())]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// The feature.
        what: String,
        /// The remedy.
        fix: String,
    },
    /// A chat template failed, used an unknown function, or exceeded its bounds.
    #[error("chat template: {0}")]
    Template(String),
    /// The tokenizer refused its input.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// No adapter meets the request.
    #[error("no suitable adapter: {reason}; {fix}")]
    NoAdapter {
        /// The property that the adapters lack.
        reason: String,
        /// The remedy.
        fix: String,
    },
    /// A shader did not compile on this adapter.
    #[error("kernel {kernel}, variant {variant}: {message}")]
    Shader {
        /// The kernel's name.
        kernel: String,
        /// The variant's name.
        variant: String,
        /// The compiler's message.
        message: String,
    },
    /// Device memory ran out, or a tensor is above what the adapter can bind.
    #[error("out of device memory: {what} needs {bytes} bytes, {limit}; {fix}")]
    OutOfMemory {
        /// The tensor or buffer.
        what: String,
        /// Its bytes.
        bytes: u64,
        /// The device's limit, in words.
        limit: String,
        /// The remedy.
        fix: String,
    },
    /// The driver lost the device or a wait timed out.
    #[error("device lost: {0}")]
    DeviceLost(String),
    /// A computation gave values that are not numbers.
    #[error(
        "{tensor} holds NaN or infinity after step {step}; the weights or the driver are at fault, run `qwgpu check`"
    )]
    NotFinite {
        /// The step's name.
        step: String,
        /// The tensor's name.
        tensor: String,
    },
    /// A request that cannot be met: a prompt above the context, an unknown name.
    #[error("{what}: expected {expected}, found {found}; {fix}")]
    Request {
        /// The field of the request.
        what: String,
        /// Its allowed values.
        expected: String,
        /// Its value.
        found: String,
        /// The remedy.
        fix: String,
    },
    /// A process that measures a form of a study failed.
    #[error("{what} was not measured: {why}")]
    Child {
        /// Name of the form.
        what: String,
        /// The reason, in words.
        why: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Returns a function that makes an error of the system's.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
        move |source| Error::Io { path: path.to_owned(), source }
    }

    /// Makes an [`Error::Malformed`].
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

    /// Makes an [`Error::Unsupported`].
    pub(crate) fn unsupported(file: &Path, what: impl Into<String>, fix: impl Into<String>) -> Error {
        Error::Unsupported { file: file.to_owned(), what: what.into(), fix: fix.into() }
    }

    /// Makes an [`Error::Request`].
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
