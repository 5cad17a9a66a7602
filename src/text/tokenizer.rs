//! Text to token ids and back. The merging and the normalization are those of Hugging Face `tokenizers`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::{Model, NormalizedString};

use super::bytes::{SPACE, byte_letter};
use super::definition::{Definition, REPLACE, Scheme, SpacePrefix, TokenKind};
use super::split::Splitter;
use super::tokenizer_json;
use crate::checkpoint::Vocabulary;
use crate::digest::hex;
use crate::{Error, Result};

/// A BPE tokenizer: byte-level, or of SentencePiece.
///
/// Encoding cuts out the added tokens (leftmost, longest). Byte-level BPE brings the rest to Unicode NFC where the
/// file asks for it, cuts it into words by the model's rule, and merges each word's bytes by rank. SentencePiece
/// merges the characters of the whole text. Time grows with n log n of the longest word.
pub struct Tokenizer {
    bpe: BPE,
    pipeline: Encoder,
    /// Token that starts a text.
    bos: Option<u32>,
    /// Finds added tokens.
    searcher: AhoCorasick,
    /// The id of each pattern of `searcher`.
    added_ids: Vec<u32>,
    added_by_text: HashMap<String, u32>,
    /// The bytes of all tokens by id; `spans` gives the range of each.
    text: Vec<u8>,
    spans: Vec<Option<Span>>,
    strips_first_space: bool,
    hash: Sha256,
    digest: String,
}

/// [`Scheme`], ready to run.
enum Encoder {
    ByteLevel { splitter: Splitter, nfc: bool, letters: Box<[char; 256]> },
    SentencePiece { prefix: SpacePrefix },
}

#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
    special: bool,
}

/// Special tokens by which the known families end a turn or a text.
const END_TOKENS: [&str; 5] = ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "</s>"];

impl Tokenizer {
    /// Reads a `tokenizer.json`; `origin` is the name that errors give.
    pub fn from_json(bytes: &[u8], origin: &Path) -> Result<Tokenizer> {
        Tokenizer::from_definition(tokenizer_json::definition(bytes, origin)?, origin)
    }

    /// Builds from the lists of a GGUF header; `origin` is the name that errors give.
    pub fn from_vocabulary(vocabulary: &Vocabulary, origin: &Path) -> Result<Tokenizer> {
        Tokenizer::from_definition(Definition::from_vocabulary(vocabulary, origin)?, origin)
    }

    fn from_definition(mut definition: Definition, origin: &Path) -> Result<Tokenizer> {
        definition.check_tokens(origin)?;
        let hash = definition.hash();
        let failed =
            |field: &str, expected: &str, found: String| Error::malformed(origin, field, expected, found, REPLACE);

        let mut text = Vec::new();
        let mut spans = vec![None; definition.tokens.last().map_or(0, |last| last.id as usize + 1)];
        let mut normal = Vocab::with_capacity(definition.tokens.len());
        let (mut added, mut added_ids) = (Vec::new(), Vec::new());
        for token in &mut definition.tokens {
            let start = text.len();
            match token.kind {
                TokenKind::Normal => definition.scheme.push_bytes(&token.text, &mut text),
                TokenKind::Added | TokenKind::Special => text.extend(token.text.as_bytes()),
            }
            let offset = |at: usize| {
                let found = || format!("{at} bytes");
                u32::try_from(at).map_err(|_| failed(definition.tokens_field, "4 GiB of text", found()))
            };
            let special = token.kind == TokenKind::Special;
            spans[token.id as usize] = Some(Span { start: offset(start)?, end: offset(text.len())?, special });
            if token.kind != TokenKind::Normal {
                added.push(token.text.clone());
                added_ids.push(token.id);
            }
            match normal.entry(std::mem::take(&mut token.text)) {
                Entry::Vacant(entry) => drop(entry.insert(token.id)),
                Entry::Occupied(first) => {
                    let found = format!("{:?} with ids {} and {}", first.key(), first.get(), token.id);
                    return Err(failed(definition.tokens_field, "each token once", found));
                }
            }
        }
        for text in &added {
            normal.remove(text);
        }
        definition.check_merges(&normal, origin)?;
        let builder = BPE::builder().vocab_and_merges(normal, definition.merges);
        let (builder, pipeline) = match definition.scheme {
            Scheme::ByteLevel { split, nfc, ignore_merges } => {
                let failed = |error| Error::Tokenizer(format!("splitting rule {}: {error}", split.pre));
                let splitter = split.splitter().map_err(failed)?;
                let letters = Box::new(std::array::from_fn(|byte| byte_letter(byte as u8)));
                (builder.ignore_merges(ignore_merges), Encoder::ByteLevel { splitter, nfc, letters })
            }
            Scheme::SentencePiece { prefix } => (builder.byte_fallback(true), Encoder::SentencePiece { prefix }),
        };
        let bpe =
            builder.build().map_err(|error| failed(definition.merges_field, "merges of tokens", error.to_string()))?;
        let searcher = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&added)
            .map_err(|error| failed(definition.tokens_field, "added tokens to search for", error.to_string()))?;
        Ok(Tokenizer {
            bpe,
            pipeline,
            bos: definition.bos,
            searcher,
            added_by_text: added.into_iter().zip(added_ids.iter().copied()).collect(),
            added_ids,
            text,
            spans,
            strips_first_space: definition.scheme.strips_first_space(),
            digest: digest(&hash, definition.bos),
            hash,
        })
    }

    /// Sets the token that [`Tokenizer::encode`] puts first; None for no token. This is for tokenizer_config.json,
    /// whose `add_bos_token` overrules tokenizer.json.
    pub fn set_bos(&mut self, token: Option<&str>) -> Result<()> {
        let id = |token: &str| {
            let unknown = || Error::Tokenizer(format!("{token:?}, which is to start a text, is no token"));
            self.token_id(token).ok_or_else(unknown)
        };
        self.bos = token.map(id).transpose()?;
        self.digest = digest(&self.hash, self.bos);
        Ok(())
    }

    /// Returns the token that starts a text, where the checkpoint has one: Llama and Mistral do, Qwen does not.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Encodes a text, or a prompt that no template wrote: [`Tokenizer::bos`] comes first. Where the text spells an
    /// added token, such as `<|im_end|>`, it becomes that token, as with Hugging Face: text from strangers can end a
    /// turn.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok([self.bos.into_iter().collect(), self.encode_without_bos(text)?].concat())
    }

    /// Encodes what a chat template wrote, which has the first token already, or the continuation of a text.
    pub fn encode_without_bos(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        let mut at = 0;
        for found in self.searcher.find_iter(text) {
            self.encode_piece(&text[at..found.start()], at == 0, &mut ids)?;
            ids.push(self.added_ids[found.pattern().as_usize()]);
            at = found.end();
        }
        self.encode_piece(&text[at..], at == 0, &mut ids)?;
        Ok(ids)
    }

    /// Encodes a text that is only text: what spells an added token is encoded letter by letter, and nothing comes
    /// first.
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.encode_piece(text, true, &mut ids)?;
        Ok(ids)
    }

    /// Appends the ids of a text without added tokens; `first` says whether it starts the text.
    fn encode_piece(&self, text: &str, first: bool, ids: &mut Vec<u32>) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let mut merge = |characters: &str| {
            let tokens = self.bpe.tokenize(characters).map_err(|error| Error::Tokenizer(error.to_string()))?;
            ids.extend(tokens.iter().map(|token| token.id));
            Ok(())
        };
        match &self.pipeline {
            Encoder::ByteLevel { splitter, nfc, letters } => {
                let mut spelled = String::new();
                for word in splitter.words(&normalize(text, *nfc)) {
                    spelled.clear();
                    spelled.extend(word.bytes().map(|byte| letters[usize::from(byte)]));
                    merge(&spelled)?;
                }
                Ok(())
            }
            Encoder::SentencePiece { prefix } => {
                let spaced = text.starts_with([' ', SPACE]);
                let prefixed = match prefix {
                    SpacePrefix::Never => false,
                    SpacePrefix::EachPiece => true,
                    SpacePrefix::EachPieceWithout => !spaced,
                    SpacePrefix::FirstPieceWithout => first && !spaced,
                };
                let mut spelled = if prefixed { SPACE.to_string() } else { String::new() };
                spelled.extend(text.chars().map(|character| if character == ' ' { SPACE } else { character }));
                merge(&spelled)
            }
        }
    }

    /// Returns the text of ids; bytes that make no character become U+FFFD. `skip_special` leaves out the special
    /// tokens. The space that SentencePiece puts before a text is taken off again.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        let mut bytes = Vec::new();
        for &id in ids {
            bytes.extend_from_slice(self.bytes(id, skip_special)?);
        }
        let text = if self.strips_first_space { bytes.strip_prefix(b" ").unwrap_or(&bytes) } else { &bytes };
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// Tells whether [`Tokenizer::decode`] takes the first space off.
    pub(super) fn strips_first_space(&self) -> bool {
        self.strips_first_space
    }

    /// Returns the bytes of one token.
    pub(super) fn bytes(&self, id: u32, skip_special: bool) -> Result<&[u8]> {
        match self.spans.get(id as usize) {
            Some(Some(span)) if span.special && skip_special => Ok(&[]),
            Some(Some(span)) => Ok(&self.text[span.start as usize..span.end as usize]),
            _ => {
                let last = self.spans.len() - 1;
                Err(Error::Tokenizer(format!("id {id} is no token of this vocabulary, whose ids end at {last}")))
            }
        }
    }

    /// Returns the id of a token: an added token by its text, another in the spelling of its vocabulary, such as
    /// `Ġthe` in byte-level BPE or `▁the` in SentencePiece.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.added_by_text.get(token).copied().or_else(|| self.bpe.token_to_id(token))
    }

    /// Returns the ids that end a reply, in order and each once: those of `eos` (`eos_token_id` of
    /// generation_config.json, a number or a list), `ids` (`eos_token_id` and `eot_token_id` of a GGUF header),
    /// `eos_token` (of tokenizer_config.json), and the special tokens by which the known families end a turn.
    pub fn end_tokens(&self, eos: Option<&Value>, ids: &[u32], eos_token: Option<&str>) -> Vec<u32> {
        let listed = match eos {
            Some(Value::Array(ids)) => ids.as_slice(),
            Some(id) => std::slice::from_ref(id),
            None => &[],
        };
        let listed = listed.iter().filter_map(Value::as_u64).filter_map(|id| u32::try_from(id).ok());
        let special = |id: &u32| self.spans.get(*id as usize).is_some_and(|span| span.is_some_and(|span| span.special));
        let known = END_TOKENS.iter().filter_map(|token| self.token_id(token)).filter(special);
        let named = eos_token.and_then(|token| self.token_id(token));
        let mut all: Vec<u32> = listed.chain(ids.iter().copied()).chain(named).chain(known).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Returns the highest id of a token, plus one. A model's output may have more rows: padding, whose logits mean
    /// nothing.
    pub fn vocab_size(&self) -> usize {
        self.spans.len()
    }

    /// Returns a name for what this tokenizer does: equal for a `tokenizer.json` and a GGUF header that say the same.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

fn normalize(text: &str, nfc: bool) -> Cow<'_, str> {
    if !nfc || text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut normalized = NormalizedString::from(text);
    normalized.nfc();
    Cow::Owned(normalized.get().to_owned())
}

/// Returns SHA-256 over all that decides ids, cut to 128 bits.
fn digest(hash: &Sha256, bos: Option<u32>) -> String {
    let mut hash = hash.clone();
    if let Some(bos) = bos {
        hash.update(bos.to_le_bytes());
    }
    hex(&hash.finalize()[..16])
}
