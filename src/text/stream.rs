//! Text while it is generated.

use super::Tokenizer;
use crate::Result;

/// Turns ids into text as they come. A token may end inside a character: its bytes wait for the rest, so what was
/// handed out never changes. The pieces joined equal [`Tokenizer::decode`] of all ids. Each id costs its own bytes.
pub struct Detokenizer<'t> {
    tokenizer: &'t Tokenizer,
    skip_special: bool,
    /// The start of a character, 3 bytes at most between two calls.
    waiting: Vec<u8>,
}

impl<'t> Detokenizer<'t> {
    pub fn new(tokenizer: &'t Tokenizer, skip_special: bool) -> Detokenizer<'t> {
        Detokenizer { tokenizer, skip_special, waiting: Vec::new() }
    }

    /// The text that this id completes; empty when it completes no character.
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.waiting.extend_from_slice(self.tokenizer.bytes(id, self.skip_special)?);
        let keep = unfinished(&self.waiting);
        let whole = self.waiting.len() - keep;
        let text = String::from_utf8_lossy(&self.waiting[..whole]).into_owned();
        self.waiting.drain(..whole);
        Ok(text)
    }

    /// What still waits, as a replacement character; to be called when no more ids come.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.waiting).into_owned();
        self.waiting.clear();
        text
    }
}

/// How many bytes at the end begin a character that later bytes may complete.
fn unfinished(bytes: &[u8]) -> usize {
    match bytes.utf8_chunks().last() {
        // A chunk's invalid part is either wrong for good or cut off by the end of the input.
        Some(chunk) if !chunk.invalid().is_empty() => match std::str::from_utf8(chunk.invalid()) {
            Err(error) if error.error_len().is_none() => chunk.invalid().len(),
            _ => 0,
        },
        _ => 0,
    }
}
