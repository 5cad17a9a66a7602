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

/// Reads a UTF-8 text from a file, or from standard input for `-`.
///
/// # Errors
/// The file cannot be read or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    match path.to_str() {
        Some("-") => std::io::stdin().read_to_end(&mut bytes).map(drop),
        _ => std::fs::read(path).map(|read| bytes = read),
    }
    .map_err(Error::io(path))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = format!("byte {}", error.utf8_error().valid_up_to());
        Error::malformed(path, at, "UTF-8 text", "other bytes", "convert the file to UTF-8")
    })
}
