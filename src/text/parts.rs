//! What a tokenizer is made of, whichever file it was read from, and the checks on it.

use std::path::Path;

use tokenizers::models::bpe::Vocab;

use super::split::{SPLITS, Split};
use crate::{Error, Result};

/// A byte-level BPE vocabulary as a GGUF header lists it.
pub struct Vocabulary {
    /// `tokenizer.ggml.tokens`; the index is the id.
    pub tokens: Vec<String>,
    /// `tokenizer.ggml.token_type`, one a token: 1 normal, 3 control, 4 user-defined, 5 unused.
    pub token_types: Vec<i32>,
    /// `tokenizer.ggml.merges`, "left right" each; the index is the rank.
    pub merges: Vec<String>,
    /// `tokenizer.ggml.pre`, which names the splitting rule.
    pub pre: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Reached by merges.
    Normal,
    /// Matched literally before anything else.
    Added,
    /// Matched literally, and dropped from decoded text on request.
    Special,
}

pub(super) struct Token {
    pub id: u32,
    pub text: String,
    pub kind: Kind,
}

pub(super) struct Parts {
    pub tokens: Vec<Token>,
    pub merges: Vec<(String, String)>,
    pub split: &'static Split,
    pub nfc: bool,
    /// What the file calls its tokens and its merges, for errors.
    pub tokens_field: &'static str,
    pub merges_field: &'static str,
}

pub(super) const REPLACE: &str = "download the file again or convert the model again";

impl Parts {
    pub fn from_vocabulary(vocabulary: Vocabulary, file: &Path) -> Result<Parts> {
        let Vocabulary { tokens, token_types, merges, pre } = vocabulary;
        let split = SPLITS.iter().find(|split| split.pre == pre).ok_or_else(|| {
            let known: Vec<_> = SPLITS.iter().map(|split| split.pre).collect();
            Error::Unsupported {
                file: file.to_owned(),
                what: format!("tokenizer.ggml.pre {pre:?}"),
                fix: format!("use a Qwen model; known: {}", known.join(", ")),
            }
        })?;
        if token_types.len() != tokens.len() {
            return Err(Error::malformed(
                file,
                "tokenizer.ggml.token_type",
                format!("{} values, one a token", tokens.len()),
                token_types.len(),
                REPLACE,
            ));
        }
        let merges = merges
            .into_iter()
            .enumerate()
            .map(|(rank, merge)| {
                split_merge(&merge).ok_or_else(|| {
                    Error::malformed(
                        file,
                        format!("tokenizer.ggml.merges[{rank}]"),
                        "two tokens with one space between them",
                        format!("{merge:?}"),
                        REPLACE,
                    )
                })
            })
            .collect::<Result<_>>()?;
        let mut parts = Parts {
            tokens: Vec::with_capacity(tokens.len()),
            merges,
            split,
            nfc: true,
            tokens_field: "tokenizer.ggml.tokens",
            merges_field: "tokenizer.ggml.merges",
        };
        for (id, (text, token_type)) in (0..).zip(tokens.into_iter().zip(token_types)) {
            let kind = match token_type {
                1 => Kind::Normal,
                3 => Kind::Special,
                4 => Kind::Added,
                5 => continue,
                _ => {
                    return Err(Error::malformed(
                        file,
                        format!("tokenizer.ggml.token_type[{id}]"),
                        "1, 3, 4 or 5, which byte-level BPE uses",
                        token_type,
                        REPLACE,
                    ));
                }
            };
            parts.tokens.push(Token { id, text, kind });
        }
        Ok(parts)
    }

    /// Sorts the tokens by id and checks what lies in the tokens alone.
    pub fn check_tokens(&mut self, file: &Path) -> Result<()> {
        let malformed =
            |expected: &str, found: String| Err(Error::malformed(file, self.tokens_field, expected, found, REPLACE));
        self.tokens.sort_by_key(|token| token.id);
        if !self.tokens.iter().any(|token| token.kind == Kind::Normal) {
            return malformed("at least 256 tokens", "no tokens".to_owned());
        }
        for pair in self.tokens.windows(2) {
            if pair[0].id == pair[1].id {
                let (a, b) = (&pair[0].text, &pair[1].text);
                let found = format!("id {} for {a:?} and for {b:?}", pair[0].id);
                return malformed("one token an id", found);
            }
        }
        // Ids index a table, whose size a stray id must not decide.
        let bound = 2 * self.tokens.len() + 1024;
        if let Some(token) = self.tokens.last().filter(|last| last.id as usize >= bound) {
            let found = format!("id {} for {:?}", token.id, token.text);
            let expected = format!("ids below {bound} for {} tokens", self.tokens.len());
            return malformed(&expected, found);
        }
        if let Some(token) = self.tokens.iter().find(|token| token.text.is_empty()) {
            return malformed("tokens of a byte or more", format!("an empty token, id {}", token.id));
        }
        Ok(())
    }

    /// Checks that every byte has a token and every merge makes one: `BpeBuilder` panics on a long one that does
    /// not, and drops bytes that have none.
    pub fn check_merges(&self, normal: &Vocab, file: &Path) -> Result<()> {
        let mut buffer = [0; 4];
        for byte in 0..=255 {
            let letter = byte_letter(byte);
            if !normal.contains_key(&*letter.encode_utf8(&mut buffer)) {
                let expected = format!("the token {letter:?} for the byte 0x{byte:02X}");
                return Err(Error::malformed(file, self.tokens_field, expected, "none", REPLACE));
            }
        }
        let mut whole = String::new();
        for (rank, (left, right)) in self.merges.iter().enumerate() {
            whole.clear();
            whole.push_str(left);
            whole.push_str(right);
            for text in [left, right, &whole] {
                if !normal.contains_key(text) {
                    let field = format!("{}[{rank}]", self.merges_field);
                    let found = format!("{left:?} + {right:?}, where {text:?} is no token");
                    return Err(Error::malformed(file, field, "two tokens that make a token", found, REPLACE));
                }
            }
        }
        Ok(())
    }
}

pub(super) fn split_merge(merge: &str) -> Option<(String, String)> {
    let (left, right) = merge.split_once(' ')?;
    (!right.contains(' ')).then(|| (left.to_owned(), right.to_owned()))
}

/// The letter by which byte-level BPE writes a byte: itself where it prints, else U+0100 and up in order.
pub(super) fn byte_letter(byte: u8) -> char {
    let rank = match byte {
        0..=32 => u32::from(byte),
        127..=160 => u32::from(byte) - 127 + 33,
        173 => 67,
        _ => return char::from(byte),
    };
    char::from_u32(0x100 + rank).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Appends the bytes of a token written in those letters; one with any other character stands for its own text.
pub(super) fn push_bytes(text: &str, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    for letter in text.chars() {
        let byte = match u32::from(letter) {
            code @ (33..=126 | 161..=172 | 174..=255) => code,
            code @ 0x100..=0x120 => code - 0x100,
            code @ 0x121..=0x142 => code - 0x121 + 127,
            0x143 => 173,
            _ => {
                bytes.truncate(start);
                bytes.extend_from_slice(text.as_bytes());
                return;
            }
        };
        bytes.push(byte as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_bytes(text, &mut bytes);
        bytes
    }

    #[test]
    fn every_byte_has_its_letter_and_back() {
        for byte in 0..=255 {
            let letter = byte_letter(byte);
            assert_eq!(bytes(&letter.to_string()), [byte]);
        }
        assert_eq!(byte_letter(b' '), 'Ġ');
        assert_eq!(byte_letter(b'\n'), 'Ċ');
        assert_eq!(bytes("a\u{4E2D}"), "a\u{4E2D}".as_bytes());
    }
}
