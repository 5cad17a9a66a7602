//! Text to token ids and back, and conversations to prompts.
//!
//! [`Tokenizer`] comes from a `tokenizer.json` or from the lists of a GGUF header; both give the same ids.
//! [`Detokenizer`] turns ids into text while they are generated. [`ChatTemplate`] writes a conversation as the
//! prompt that a model was trained on. All three take untrusted files: see each type for its bounds.

mod builtins;
mod bytes;
mod chat;
mod definition;
mod json_dumps;
mod split;
mod stream;
mod tokenizer;
mod tokenizer_file;
mod tokenizer_json;
mod vocabulary;

pub use chat::{ChatTemplate, Message};
pub(crate) use json_dumps::python_float;
pub use stream::Detokenizer;
pub use tokenizer::Tokenizer;
pub use tokenizer_file::tokenizer_json;

use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

/// Bytes that are read of what has no size, such as a pipe.
const STREAM_BYTES: u64 = 256 << 20;

/// Reads what has no size and may have no end.
fn read_stream(stream: impl Read, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(STREAM_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io(path))?;
    if bytes.len() as u64 > STREAM_BYTES {
        let expected = format!("at most {} MiB of what is no plain file", STREAM_BYTES >> 20);
        return Err(Error::malformed(path, "length", expected, "more", "write the text to a file and name that"));
    }
    Ok(bytes)
}

/// Reads a UTF-8 text from a file, or from standard input for `-`.
///
/// # Errors
/// The file cannot be read or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = match path.to_str() {
        Some("-") => read_stream(std::io::stdin(), path)?,
        _ if path.metadata().is_ok_and(|file| !file.is_file() && !file.is_dir()) => {
            read_stream(std::fs::File::open(path).map_err(Error::io(path))?, path)?
        }
        _ => std::fs::read(path).map_err(Error::io(path))?,
    };
    String::from_utf8(bytes).map_err(|error| {
        let at = format!("byte {}", error.utf8_error().valid_up_to());
        Error::malformed(path, at, "UTF-8 text", "other bytes", "convert the file to UTF-8")
    })
}
