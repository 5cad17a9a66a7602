//! `tokenizer.json`, read only as far as Qwen's pipeline goes: anything else in it is refused by name, so that no
//! file is half understood and no regex of a file is ever run.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::parts::{Kind, Parts, REPLACE, Token, split_merge};
use super::split::SPLITS;
use crate::{Error, Result};

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    model: Bpe,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct Bpe {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    dropout: Value,
    #[serde(default)]
    unk_token: Value,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    vocab: TokenIds,
    merges: Vec<Merge>,
}

/// An object of ids in file order. A map would let the last of two equal keys win.
struct TokenIds(Vec<(String, u32)>);

impl<'de> Deserialize<'de> for TokenIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TokenIds, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = TokenIds;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of token ids")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TokenIds, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(TokenIds(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// `"left right"`, or since 2024 `["left", "right"]`.
struct Merge((String, String));

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Merge, D::Error> {
        struct Pair;
        impl<'de> Visitor<'de> for Pair {
            type Value = Merge;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("two tokens, as an array or with one space between them")
            }
            fn visit_str<E: serde::de::Error>(self, merge: &str) -> Result<Merge, E> {
                let invalid = || E::invalid_value(serde::de::Unexpected::Str(merge), &self);
                split_merge(merge).map(Merge).ok_or_else(invalid)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Merge, A::Error> {
                let mut next = |at| {
                    let side: Option<String> = seq.next_element()?;
                    side.ok_or_else(|| A::Error::invalid_length(at, &"two tokens"))
                };
                let pair = (next(0)?, next(1)?);
                match seq.next_element::<String>()? {
                    None => Ok(Merge(pair)),
                    Some(_) => Err(A::Error::invalid_length(3, &"two tokens")),
                }
            }
        }
        deserializer.deserialize_any(Pair)
    }
}

pub(super) fn parts(bytes: &[u8], file: &Path) -> Result<Parts> {
    let json: File = serde_json::from_slice(bytes).map_err(|error| {
        Error::malformed(
            file,
            format!("line {} column {}", error.line(), error.column()),
            "a tokenizer.json",
            error,
            REPLACE,
        )
    })?;
    let unsupported = |what: String| {
        Err(Error::Unsupported {
            file: file.to_owned(),
            what,
            fix: "use the tokenizer.json of a Qwen model".to_owned(),
        })
    };

    if let Some(other) = json.model.r#type.filter(|name| name != "BPE") {
        return unsupported(format!("model.type {other:?}"));
    }
    let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    for (set, name) in [
        (!json.model.dropout.is_null(), "dropout"),
        (!json.model.unk_token.is_null(), "unk_token"),
        (filled(&json.model.continuing_subword_prefix), "continuing_subword_prefix"),
        (filled(&json.model.end_of_word_suffix), "end_of_word_suffix"),
        (json.model.byte_fallback, "byte_fallback"),
        (json.model.ignore_merges, "ignore_merges"),
    ] {
        if set {
            return unsupported(format!("model.{name}"));
        }
    }
    let nfc = match kind(&json.normalizer) {
        "NFC" => true,
        "" => false,
        _ => return unsupported(format!("normalizer {}", json.normalizer)),
    };
    if !matches!(kind(&json.post_processor), "" | "ByteLevel") {
        return unsupported(format!("post_processor {}", json.post_processor));
    }
    if kind(&json.decoder) != "ByteLevel" {
        return unsupported(format!("decoder {}", json.decoder));
    }
    let rule = |pointer: &str| json.pre_tokenizer.pointer(pointer);
    let text = |pointer: &str| rule(pointer).and_then(Value::as_str);
    let false_at = |pointer: &str| rule(pointer) == Some(&Value::Bool(false));
    let sequence = rule("/pretokenizers").and_then(Value::as_array);
    let split =
        SPLITS.iter().find(|split| text("/pretokenizers/0/pattern/Regex") == Some(split.pattern)).filter(|_| {
            sequence.is_some_and(|steps| steps.len() == 2)
                && text("/pretokenizers/0/type") == Some("Split")
                && text("/pretokenizers/0/behavior") == Some("Isolated")
                && false_at("/pretokenizers/0/invert")
                && text("/pretokenizers/1/type") == Some("ByteLevel")
                && false_at("/pretokenizers/1/add_prefix_space")
                && false_at("/pretokenizers/1/use_regex")
        });
    let Some(split) = split else {
        return unsupported(format!("pre_tokenizer {}", json.pre_tokenizer));
    };

    // Some files list their added tokens in the vocabulary too; merges never reach them there.
    let added: HashSet<_> = json.added_tokens.iter().map(|token| (token.id, &token.content)).collect();
    let mut tokens: Vec<_> = json
        .model
        .vocab
        .0
        .into_iter()
        .filter(|(text, id)| !added.contains(&(*id, text)))
        .map(|(text, id)| Token { id, text, kind: Kind::Normal })
        .collect();
    for token in json.added_tokens {
        for (set, name) in [
            (token.single_word, "single_word"),
            (token.lstrip, "lstrip"),
            (token.rstrip, "rstrip"),
            (token.normalized, "normalized"),
        ] {
            if set {
                return unsupported(format!("{name} of the added token {:?}", token.content));
            }
        }
        let kind = if token.special { Kind::Special } else { Kind::Added };
        tokens.push(Token { id: token.id, text: token.content, kind });
    }
    Ok(Parts {
        tokens,
        merges: json.model.merges.into_iter().map(|merge| merge.0).collect(),
        split,
        nfc,
        tokens_field: "model.vocab and added_tokens",
        merges_field: "model.merges",
    })
}

/// The `type` of a step; empty for a step that is absent.
fn kind(step: &Value) -> &str {
    match step {
        Value::Null => "",
        step => step.pointer("/type").and_then(Value::as_str).unwrap_or("?"),
    }
}
