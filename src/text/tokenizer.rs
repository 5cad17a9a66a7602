//! Byte-level BPE as Qwen uses it. The merging and the normalization are those of Hugging Face `tokenizers`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use aho_corasick::{AhoCorasick, MatchKind};
use sha2::{Digest, Sha256};
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::{Model, NormalizedString};

use super::parts::{Kind, Parts, REPLACE, Vocabulary, byte_letter, push_bytes};
use super::split::Splitter;
use super::tokenizer_json;
use crate::digest::hex;
use crate::{Error, Result};

/// Text to ids and back.
///
/// Encoding: added tokens are cut out (leftmost, longest), the rest is brought to Unicode NFC, cut into words by
/// the model's rule, and each word's bytes are merged by rank. Nothing is put before or after: Qwen has no
/// beginning-of-text token. Time grows with n log n of the longest word.
pub struct Tokenizer {
    bpe: BPE,
    splitter: Splitter,
    nfc: bool,
    /// Finds added tokens.
    searcher: AhoCorasick,
    /// The id of each pattern of `searcher`.
    added_ids: Vec<u32>,
    added_by_text: HashMap<String, u32>,
    /// The bytes of all tokens by id; `spans` says where each lies.
    text: Vec<u8>,
    spans: Vec<Option<Span>>,
    letters: [char; 256],
    digest: String,
}

#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
    special: bool,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`; `origin` is the name that errors give.
    pub fn from_json(bytes: &[u8], origin: &Path) -> Result<Tokenizer> {
        Tokenizer::from_parts(tokenizer_json::parts(bytes, origin)?, origin)
    }

    /// Builds from the lists of a GGUF header; `origin` is the name that errors give.
    pub fn from_vocabulary(vocabulary: Vocabulary, origin: &Path) -> Result<Tokenizer> {
        Tokenizer::from_parts(Parts::from_vocabulary(vocabulary, origin)?, origin)
    }

    fn from_parts(mut parts: Parts, origin: &Path) -> Result<Tokenizer> {
        parts.check_tokens(origin)?;
        let digest = digest(&parts);
        let failed =
            |field: &str, expected: &str, found: String| Error::malformed(origin, field, expected, found, REPLACE);

        let mut text = Vec::new();
        let mut spans = vec![None; parts.tokens.last().map_or(0, |last| last.id as usize + 1)];
        let mut normal = Vocab::with_capacity(parts.tokens.len());
        let (mut added, mut added_ids) = (Vec::new(), Vec::new());
        for token in &mut parts.tokens {
            let start = text.len();
            match token.kind {
                Kind::Normal => push_bytes(&token.text, &mut text),
                Kind::Added | Kind::Special => text.extend(token.text.as_bytes()),
            }
            let offset = |at: usize| {
                let found = || format!("{at} bytes");
                u32::try_from(at).map_err(|_| failed(parts.tokens_field, "4 GiB of text", found()))
            };
            spans[token.id as usize] =
                Some(Span { start: offset(start)?, end: offset(text.len())?, special: token.kind == Kind::Special });
            if token.kind != Kind::Normal {
                added.push(token.text.clone());
                added_ids.push(token.id);
            }
            match normal.entry(std::mem::take(&mut token.text)) {
                Entry::Vacant(entry) => drop(entry.insert(token.id)),
                Entry::Occupied(first) => {
                    let found = format!("{:?} with ids {} and {}", first.key(), first.get(), token.id);
                    return Err(failed(parts.tokens_field, "each token once", found));
                }
            }
        }
        for text in &added {
            normal.remove(text);
        }
        parts.check_merges(&normal, origin)?;
        let bpe = BPE::builder()
            .vocab_and_merges(normal, parts.merges)
            .build()
            .map_err(|error| failed(parts.merges_field, "merges of tokens", error.to_string()))?;
        let searcher = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&added)
            .map_err(|error| failed(parts.tokens_field, "added tokens to search for", error.to_string()))?;
        let splitter = parts
            .split
            .splitter()
            .map_err(|error| Error::Tokenizer(format!("splitting rule {}: {error}", parts.split.pre)))?;
        Ok(Tokenizer {
            bpe,
            splitter,
            nfc: parts.nfc,
            searcher,
            added_by_text: added.into_iter().zip(added_ids.iter().copied()).collect(),
            added_ids,
            text,
            spans,
            letters: std::array::from_fn(|byte| byte_letter(byte as u8)),
            digest,
        })
    }

    /// The ids of a text. Where the text spells an added token, such as `<|im_end|>`, it becomes that token, as with
    /// Hugging Face: text from strangers can end a turn. [`Tokenizer::encode_plain`] does not do that.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        let mut at = 0;
        for found in self.searcher.find_iter(text) {
            self.encode_piece(&text[at..found.start()], &mut ids)?;
            ids.push(self.added_ids[found.pattern().as_usize()]);
            at = found.end();
        }
        self.encode_piece(&text[at..], &mut ids)?;
        Ok(ids)
    }

    /// The ids of a text that is only text: what spells an added token is encoded letter by letter.
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.encode_piece(text, &mut ids)?;
        Ok(ids)
    }

    /// [`Tokenizer::encode`] for bytes that may not be text.
    pub fn encode_bytes(&self, bytes: &[u8]) -> Result<Vec<u32>> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            Error::request(
                "prompt",
                "UTF-8 text",
                format!("the byte 0x{:02X} at offset {at}", bytes[at]),
                "save the text as UTF-8",
            )
        })?;
        self.encode(text)
    }

    fn encode_piece(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        let mut letters = String::new();
        for word in self.splitter.words(&self.normalize(text)) {
            letters.clear();
            letters.extend(word.bytes().map(|byte| self.letters[usize::from(byte)]));
            let tokens = self.bpe.tokenize(&letters).map_err(|error| Error::Tokenizer(error.to_string()))?;
            ids.extend(tokens.iter().map(|token| token.id));
        }
        Ok(())
    }

    fn normalize<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.nfc || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut normalized = NormalizedString::from(text);
        normalized.nfc();
        Cow::Owned(normalized.get().to_owned())
    }

    /// The text of ids; bytes that make no character become U+FFFD. `skip_special` leaves out the special tokens.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        let mut bytes = Vec::new();
        for &id in ids {
            bytes.extend_from_slice(self.bytes(id, skip_special)?);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The bytes of one token.
    pub(super) fn bytes(&self, id: u32, skip_special: bool) -> Result<&[u8]> {
        match self.spans.get(id as usize) {
            Some(Some(span)) if span.special && skip_special => Ok(&[]),
            Some(Some(span)) => Ok(&self.text[span.start as usize..span.end as usize]),
            _ => Err(Error::Tokenizer(format!(
                "id {id} is no token of this vocabulary, whose ids end at {}",
                self.spans.len() - 1
            ))),
        }
    }

    /// The id of a token: an added token by its text, another in the byte-level alphabet (`Ġ` for a space).
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.added_by_text.get(token).copied().or_else(|| self.bpe.token_to_id(token))
    }

    /// The highest id of a token, plus one. A model's output may have more rows: padding, whose logits mean nothing.
    pub fn vocab_size(&self) -> usize {
        self.spans.len()
    }

    /// Identifies what this tokenizer does: equal for a `tokenizer.json` and a GGUF header that say the same.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// SHA-256 over all that decides ids, cut to 128 bits. Lengths go before texts, so that no two lists read alike.
fn digest(parts: &Parts) -> String {
    let mut hash = Sha256::new();
    let mut text = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    text(parts.split.pattern);
    text(if parts.nfc { "NFC" } else { "" });
    for token in &parts.tokens {
        text(match token.kind {
            Kind::Normal => "normal",
            Kind::Added => "added",
            Kind::Special => "special",
        });
        text(&token.id.to_string());
        text(&token.text);
    }
    for (left, right) in &parts.merges {
        text(left);
        text(right);
    }
    hex(&hash.finalize()[..16])
}
