//! SentencePiece models (Kudo and Richardson 2018, arXiv:1808.06226) of the unigram kind, one of which lies beside
//! FLORES-200: spBLEU counts its pieces as words.

use std::path::Path;

use prost::Message;
use tokenizers::models::unigram::Unigram;

use crate::error::{Error, Result};

/// Bytes of the largest model that is read; that of FLORES-200 has five million.
const LARGEST: u64 = 64 << 20;

/// The character for a space in pieces.
const SPACE: char = '\u{2581}';

/// Stands for the unknown piece, whose own name a text could hold.
const UNKNOWN: &str = "\u{10ffff}";

/// The parts of `sentencepiece_model.proto` that decide how a text is taken apart.
#[derive(Message)]
struct ModelProto {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<Trainer>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<NormalizerProto>,
}

#[derive(Message)]
struct Piece {
    #[prost(string, tag = "1")]
    piece: String,
    #[prost(float, tag = "2")]
    score: f32,
    /// 1 is a normal one; others are the unknown, control tokens, tokens of users, unused ones and bytes.
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
}

#[derive(Message)]
struct Trainer {
    #[prost(int32, optional, tag = "3")]
    model_type: Option<i32>,
    #[prost(bool, optional, tag = "24")]
    whitespace_as_suffix: Option<bool>,
    #[prost(bool, optional, tag = "35")]
    byte_fallback: Option<bool>,
}

#[derive(Message)]
struct NormalizerProto {
    #[prost(bytes = "vec", optional, tag = "2")]
    precompiled_charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    remove_extra_whitespaces: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    escape_whitespaces: Option<bool>,
}

/// A model that takes texts apart.
#[derive(Debug)]
pub struct SentencePieces {
    model: Unigram,
    characters: CharacterMap,
    /// A space in front of every text.
    prefix: bool,
    /// No spaces at the ends, and one where there are several.
    single_spaces: bool,
}

impl SentencePieces {
    /// Reads a `.model` file.
    ///
    /// # Errors
    /// The file is no such model, is damaged, or is of a kind other than unigram.
    pub fn read(file: &Path) -> Result<SentencePieces> {
        let damaged = |field: &str, expected: &str, found: &dyn std::fmt::Display| {
            Error::malformed(file, field, expected, found, "get the file again, or take it away to do without spBLEU")
        };
        let bytes = std::fs::metadata(file).map_err(Error::io(file))?.len();
        if bytes > LARGEST {
            return Err(damaged("size", &format!("at most {LARGEST} bytes"), &bytes));
        }
        let bytes = std::fs::read(file).map_err(Error::io(file))?;
        let proto = ModelProto::decode(bytes.as_slice())
            .map_err(|error| damaged("contents", "a SentencePiece model", &error))?;
        let fix = "take the one of FLORES-200, flores200_sacrebleu_tokenizer_spm.model";
        let refuse = |what: &str| Error::unsupported(file, format!("a SentencePiece model {what}"), fix);
        let trainer = proto.trainer.unwrap_or_default();
        let normalizer = proto.normalizer.unwrap_or_default();
        if trainer.model_type.unwrap_or(1) != 1 {
            return Err(refuse("of another kind than unigram"));
        }
        if trainer.whitespace_as_suffix == Some(true) || normalizer.escape_whitespaces == Some(false) {
            return Err(refuse("with spaces elsewhere than in front of words"));
        }
        if trainer.byte_fallback == Some(true) || proto.pieces.iter().any(|piece| piece.kind == Some(4)) {
            return Err(refuse("with pieces for bytes or of users"));
        }
        let normal = proto.pieces.into_iter().filter(|piece| piece.kind.unwrap_or(1) == 1);
        let vocabulary: Vec<(String, f64)> = normal.map(|piece| (piece.piece, f64::from(piece.score))).collect();
        if vocabulary.is_empty() {
            return Err(damaged("pieces", "at least one", &"none"));
        }
        if let Some((piece, score)) = vocabulary.iter().find(|(piece, score)| piece.is_empty() || !score.is_finite()) {
            return Err(damaged("pieces", "a text and a finite score", &format!("{piece:?} with {score}")));
        }
        // What is unknown costs so much more than the least likely piece, which the unknown one must not be.
        let unknown = (UNKNOWN.to_owned(), 0.0);
        let vocabulary = std::iter::once(unknown).chain(vocabulary).collect();
        let model =
            Unigram::from(vocabulary, Some(0), false).map_err(|error| damaged("pieces", "sound ones", &error))?;
        let characters = CharacterMap::new(&normalizer.precompiled_charsmap.unwrap_or_default())
            .ok_or_else(|| damaged("precompiled_charsmap", "a trie and its texts", &"another length"))?;
        Ok(SentencePieces {
            model,
            characters,
            prefix: normalizer.add_dummy_prefix.unwrap_or(true),
            single_spaces: normalizer.remove_extra_whitespaces.unwrap_or(true),
        })
    }

    /// Cuts a text in its pieces, with spaces between them.
    pub fn apart(&self, text: &str) -> String {
        self.model.encode(&self.normalized(text)).map(|pieces| pieces.join(" ")).unwrap_or_default()
    }

    fn normalized(&self, text: &str) -> String {
        let mut normal = String::with_capacity(text.len() + SPACE.len_utf8());
        if self.prefix && !text.is_empty() {
            normal.push(SPACE);
        }
        let (mut rest, mut after_space) = (text, self.single_spaces);
        while !rest.is_empty() {
            let (mut part, length) = self.characters.first(rest);
            rest = &rest[length..];
            if after_space {
                part = part.trim_start_matches(' ');
            }
            if !part.is_empty() {
                normal.extend(part.chars().map(|character| if character == ' ' { SPACE } else { character }));
                after_space = self.single_spaces && part.ends_with(' ');
            }
        }
        if self.single_spaces {
            normal.truncate(normal.trim_end_matches(SPACE).len());
        }
        normal
    }
}

/// Replacements of characters before anything else: a trie in the double array of Darts-clone whose values are offsets
/// of texts that end with NUL.
#[derive(Debug)]
struct CharacterMap {
    units: Vec<u32>,
    texts: String,
}

impl CharacterMap {
    /// Reads the length of the array in bytes, the array, and the texts. Without any, nothing is replaced.
    fn new(bytes: &[u8]) -> Option<CharacterMap> {
        if bytes.is_empty() {
            return Some(CharacterMap { units: Vec::new(), texts: String::new() });
        }
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (units, texts) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let (units, []) = units.as_chunks::<4>() else { return None };
        let units = units.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
        Some(CharacterMap { units, texts: String::from_utf8(texts.to_owned()).ok()? })
    }

    /// Returns the replacement of the longest known beginning of `text`, or else its first character, and its length in
    /// bytes.
    fn first<'a>(&'a self, text: &'a str) -> (&'a str, usize) {
        let character = text.chars().next().map_or(0, char::len_utf8);
        let known = self.longest(text.as_bytes()).and_then(|(offset, length)| {
            let replacement = self.texts.get(offset..)?.split('\0').next()?;
            text.is_char_boundary(length).then_some((replacement, length))
        });
        known.unwrap_or((&text[..character], character))
    }

    /// Returns the value of the longest key that `text` begins with, and the key's length.
    fn longest(&self, text: &[u8]) -> Option<(usize, usize)> {
        let offset = |unit: u32| ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
        let mut node = offset(*self.units.first()?);
        let mut longest = None;
        for (index, &byte) in text.iter().enumerate() {
            node ^= usize::from(byte);
            let Some(&unit) = self.units.get(node) else { break };
            if unit & (1 << 31 | 0xff) != u32::from(byte) {
                break;
            }
            node ^= offset(unit);
            if unit >> 8 & 1 == 1 {
                let value = self.units.get(node)? & ((1 << 31) - 1);
                longest = Some((value as usize, index + 1));
            }
        }
        longest
    }
}
