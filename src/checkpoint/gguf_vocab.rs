//! The vocabulary in the keys of a GGUF header.

use serde_json::{Map, Value as Json, json};

use super::Vocabulary;
use super::gguf_config::Keys;
use super::gguf_header::{Array, HeaderValue};
use crate::error::Result;

/// Pre-tokenizers whose prompts start with `bos` where the file does not say, as in llama.cpp.
const START_WITH_BOS: &[&str] = &["llama3", "llama-v3", "llama-bpe", "tekken"];

impl Keys<'_> {
    /// Reads the vocabulary; `rows` is the number of token embeddings.
    pub(super) fn vocab(&self, rows: u64) -> Result<Vocabulary> {
        const MODEL: &str = "tokenizer.ggml.model";
        let model = match self.text(MODEL)? {
            Some(model @ ("gpt2" | "llama")) => model.to_owned(),
            other => {
                let fix = "known here: gpt2 (byte-level BPE), llama (SentencePiece); convert the model again";
                return Err(self.unsupported(format!("{MODEL} {}", other.unwrap_or("(missing)")), fix));
            }
        };
        let pieces = model == "llama";

        const TOKENS: &str = "tokenizer.ggml.tokens";
        let tokens = match self.array(TOKENS)? {
            // Checked before reading: a row takes bytes, so this bounds the memory for tokens.
            Some(tokens) if tokens.count <= rows => tokens.strings(self.source, TOKENS)?,
            Some(tokens) => {
                let expected = format!("at most {rows} tokens, the rows of token_embd.weight");
                return Err(self.bad(TOKENS, &expected, tokens.count));
            }
            None => return Err(self.bad(TOKENS, "an array of strings", "no such key")),
        };

        const TYPES: &str = "tokenizer.ggml.token_type";
        let token_types = self.one_for_each(TYPES, tokens.len(), "32-bit integers")?.integers(self.source, TYPES)?;
        const SCORES: &str = "tokenizer.ggml.scores";
        let scores = match pieces {
            true => self.one_for_each(SCORES, tokens.len(), "32-bit floats")?.floats(self.source, SCORES)?,
            false => Vec::new(),
        };
        const MERGES: &str = "tokenizer.ggml.merges";
        let merges = match self.array(MERGES)? {
            Some(merges) => merges.strings(self.source, MERGES)?,
            None if pieces => Vec::new(),
            None => return Err(self.bad(MERGES, "an array of strings", "no such key")),
        };

        let pre = self.text("tokenizer.ggml.pre")?.unwrap_or_default().to_owned();
        let starts_with_bos = pieces || START_WITH_BOS.contains(&pre.as_str());
        let token = |name: &str| self.token(&format!("tokenizer.ggml.{name}_token_id"), tokens.len());
        Ok(Vocabulary {
            model,
            bos: token("bos")?,
            eos: token("eos")?,
            eot: token("eot")?,
            pad: token("padding")?,
            unknown: token("unknown")?,
            add_bos: self.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(starts_with_bos),
            add_space_prefix: self.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(pieces),
            pre,
            tokens,
            token_types,
            scores,
            merges,
        })
    }

    fn array(&self, key: &str) -> Result<Option<&Array>> {
        match self.keys.get(key) {
            None => Ok(None),
            Some(HeaderValue::Array(array)) => Ok(Some(array)),
            Some(other) => Err(self.bad(key, "an array", other)),
        }
    }

    /// Returns the array of one element for each of `tokens` tokens.
    fn one_for_each(&self, key: &str, tokens: usize, elements: &str) -> Result<&Array> {
        match self.array(key)? {
            Some(array) if array.count == tokens as u64 => Ok(array),
            Some(array) => Err(self.bad(key, &format!("one for each of {tokens} tokens"), array.count)),
            None => Err(self.bad(key, &format!("an array of {elements}"), "no such key")),
        }
    }

    /// Returns a token id, which must be one of `tokens`.
    fn token(&self, key: &str, tokens: usize) -> Result<Option<u32>> {
        match self.keys.get(key) {
            None => Ok(None),
            Some(&HeaderValue::Unsigned(id)) if id < tokens as u64 && u32::try_from(id).is_ok() => Ok(Some(id as u32)),
            Some(other) => Err(self.bad(key, &format!("a token id below {tokens}"), other)),
        }
    }
}

impl Vocabulary {
    /// Returns the fields of generation_config.json that follow from the special tokens.
    pub(super) fn generation(&self) -> Map<String, Json> {
        // Some files name the token that ends a turn apart from the one that ends a text.
        let eos = match (self.eos, self.eot) {
            (Some(eos), Some(eot)) if eos != eot => Some(json!([eos, eot])),
            (eos, eot) => eos.or(eot).map(Json::from),
        };
        [("eos_token_id", eos), ("bos_token_id", self.bos.map(Json::from)), ("pad_token_id", self.pad.map(Json::from))]
            .into_iter()
            .filter_map(|(field, id)| Some((field.to_owned(), id?)))
            .collect()
    }
}
