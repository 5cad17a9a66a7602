//! Definition of a tokenizer, whichever file it was read from, and the checks on it.

use std::path::Path;

use sha2::{Digest, Sha256};
use tokenizers::models::bpe::Vocab;

use super::bytes::{byte_letter, byte_token, push_letters, push_piece};
use super::split::SplittingRule;
use crate::{Error, Result};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
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
    pub kind: TokenKind,
}

/// The way from a text to the characters that BPE merges.
#[derive(Clone, Copy)]
pub(super) enum Scheme {
    /// The bytes of each word, as letters.
    ByteLevel { split: &'static SplittingRule, nfc: bool, ignore_merges: bool },
    /// The characters of the whole text, with `▁` for a space; bytes of a character that has no token.
    SentencePiece { prefix: SpacePrefix },
}

/// The places where SentencePiece puts a space that the text does not have. A piece is the text between two added tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SpacePrefix {
    Never,
    /// Before each piece.
    EachPiece,
    /// Before each piece that does not start with a space.
    EachPieceWithout,
    /// Before the first piece, where it starts the text and not with a space.
    FirstPieceWithout,
}

impl Scheme {
    /// Appends the bytes of a normal token.
    pub fn push_bytes(&self, text: &str, bytes: &mut Vec<u8>) {
        match self {
            Scheme::ByteLevel { .. } => push_letters(text, bytes),
            Scheme::SentencePiece { .. } => push_piece(text, bytes),
        }
    }

    /// Tells whether the first space of a decoded text is one that encoding put there.
    pub fn strips_first_space(&self) -> bool {
        matches!(self, Scheme::SentencePiece { prefix } if *prefix != SpacePrefix::Never)
    }

    /// Returns the token that stands for a single byte.
    fn token_of_byte(&self, byte: u8) -> String {
        match self {
            Scheme::ByteLevel { .. } => byte_letter(byte).to_string(),
            Scheme::SentencePiece { .. } => byte_token(byte),
        }
    }
}

pub(super) struct Definition {
    pub tokens: Vec<Token>,
    pub merges: Vec<(String, String)>,
    pub scheme: Scheme,
    /// Token that starts a text, where there is one.
    pub bos: Option<u32>,
    /// Names of the tokens and the merges in the file, for errors.
    pub tokens_field: &'static str,
    pub merges_field: &'static str,
}

pub(super) const REPLACE: &str = "download the file again or convert the model again";

impl Definition {
    /// Sorts the tokens by id and checks what depends on the tokens alone.
    pub fn check_tokens(&mut self, file: &Path) -> Result<()> {
        let malformed =
            |expected: &str, found: String| Err(Error::malformed(file, self.tokens_field, expected, found, REPLACE));
        self.tokens.sort_by_key(|token| token.id);
        if !self.tokens.iter().any(|token| token.kind == TokenKind::Normal) {
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
        if let Some(bos) = self.bos.filter(|bos| self.tokens.binary_search_by_key(bos, |token| token.id).is_err()) {
            return malformed("a token that starts a text", format!("id {bos}, which is no token"));
        }
        Ok(())
    }

    /// Checks that every byte has a token and every merge makes one: `BpeBuilder` panics on a long merge that does
    /// not, and encoding drops bytes that have no token.
    pub fn check_merges(&self, normal: &Vocab, file: &Path) -> Result<()> {
        for byte in 0..=255 {
            let token = self.scheme.token_of_byte(byte);
            if !normal.contains_key(&token) {
                let expected = format!("the token {token:?} for the byte 0x{byte:02X}");
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

    /// Hashes all that decides ids but [`Definition::bos`]. Lengths go before texts, so that no two lists read alike.
    pub fn hash(&self) -> Sha256 {
        let mut hash = Sha256::new();
        let mut text = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        match self.scheme {
            Scheme::ByteLevel { split, nfc, ignore_merges } => {
                text(&split.pattern());
                text(if nfc { "NFC" } else { "" });
                if ignore_merges {
                    text("ignore_merges");
                }
            }
            Scheme::SentencePiece { prefix } => {
                text("SentencePiece");
                text(match prefix {
                    SpacePrefix::Never => "never",
                    SpacePrefix::EachPiece => "each",
                    SpacePrefix::EachPieceWithout => "each without",
                    SpacePrefix::FirstPieceWithout => "first without",
                });
            }
        }
        for token in &self.tokens {
            text(match token.kind {
                TokenKind::Normal => "normal",
                TokenKind::Added => "added",
                TokenKind::Special => "special",
            });
            text(&token.id.to_string());
            text(&token.text);
        }
        for (left, right) in &self.merges {
            text(left);
            text(right);
        }
        hash
    }
}

/// Splits the merge number `rank` of `field`, written "left right".
pub(super) fn split_merge(merge: &str, field: &str, rank: usize, file: &Path) -> Result<(String, String)> {
    let pair = merge.split_once(' ').filter(|(_, right)| !right.contains(' '));
    pair.map(|(left, right)| (left.to_owned(), right.to_owned())).ok_or_else(|| {
        let expected = "two tokens with one space between them";
        Error::malformed(file, format!("{field}[{rank}]"), expected, format!("{merge:?}"), REPLACE)
    })
}
