//! Text to token ids and back, and conversations to prompts.
//!
//! [`Tokenizer`] comes from a `tokenizer.json` or from the lists of a GGUF header; both give the same ids.
//! [`Detokenizer`] turns ids into text while they are generated. [`ChatTemplate`] writes a conversation as the
//! prompt that a model was trained on. All three take untrusted files: see each type for its bounds.

mod builtins;
mod bytes;
mod chat;
mod definition;
mod file;
mod json_dumps;
mod split;
mod stream;
mod tokenizer;
mod tokenizer_file;
mod tokenizer_json;
mod vocabulary;

pub use chat::{ChatTemplate, Message};
pub use file::read_text;
pub(crate) use json_dumps::python_float;
pub use stream::Detokenizer;
pub use tokenizer::Tokenizer;
pub use tokenizer_file::tokenizer_json;
