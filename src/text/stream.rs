//! Text while it is generated.

use super::Tokenizer;
use crate::Result;

/// A decoder of ids that come one by one.
///
/// A token may end inside a character: its bytes wait for the rest, so text that was returned never changes. The
/// pieces joined equal [`Tokenizer::decode`] of all ids. Each id costs time for its own bytes.
pub struct Detokenizer<'t> {
    tokenizer: &'t Tokenizer,
    skip_special: bool,
    /// True until the first byte, which may be the space that SentencePiece puts before a text.
    first: bool,
    /// The start of a character, 3 bytes at most between two calls.
    waiting: Vec<u8>,
}

impl<'t> Detokenizer<'t> {
    /// Makes a decoder; `skip_special` leaves out the special tokens.
    pub fn new(tokenizer: &'t Tokenizer, skip_special: bool) -> Detokenizer<'t> {
        Detokenizer { tokenizer, skip_special, first: tokenizer.strips_first_space(), waiting: Vec::new() }
    }

    /// Returns the text that this id completes; empty when it completes no character.
    pub fn push(&mut self, id: u32) -> Result<String> {
        let mut bytes = self.tokenizer.bytes(id, self.skip_special)?;
        if self.first && !bytes.is_empty() {
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
            self.first = false;
        }
        self.waiting.extend_from_slice(bytes);
        let keep = unfinished(&self.waiting);
        let whole = self.waiting.len() - keep;
        let text = String::from_utf8_lossy(&self.waiting[..whole]).into_owned();
        self.waiting.drain(..whole);
        Ok(text)
    }

    /// Returns the bytes that still wait, as a replacement character; for when no more ids come.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.waiting).into_owned();
        self.waiting.clear();
        text
    }
}

/// Returns the number of bytes at the end that begin a character which later bytes may complete.
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
