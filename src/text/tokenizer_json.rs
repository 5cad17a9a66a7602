//! `tokenizer.json`, read only as far as the pipelines of the known families go: anything else in it is refused by
//! name, so that no file is half understood and no regex of a file is ever run.

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::definition::{Definition, REPLACE, Scheme, SpacePrefix, Token, TokenKind, split_merge};
use super::split::SPLITS;
use crate::checkpoint::Pairs;
use crate::{Error, Result};

const MERGES: &str = "model.merges";

#[derive(Deserialize)]
struct TokenizerFile {
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
    r#type: Option<String>,
    #[serde(default)]
    dropout: Value,
    #[serde(default)]
    unk_token: Value,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    /// The ids by token.
    vocab: Pairs<u32>,
    merges: Vec<Merge>,
}

/// `["left", "right"]`, or before 2024 `"left right"`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected two tokens, as an array or with one space between them")]
enum Merge {
    Pair(String, String),
    Text(String),
}

pub(super) fn definition(bytes: &[u8], file: &Path) -> Result<Definition> {
    let json: TokenizerFile = serde_json::from_slice(bytes).map_err(|error| {
        let field = format!("line {} column {}", error.line(), error.column());
        Error::malformed(file, field, "a tokenizer.json", error, REPLACE)
    })?;
    let fix = "use the tokenizer.json of a Qwen, Llama or Mistral model";
    let unsupported = |what: String| Error::unsupported(file, what, fix);
    let scheme = json.scheme().map_err(unsupported)?;
    let bos =
        bos(&json.post_processor).ok_or_else(|| unsupported(format!("post_processor {}", json.post_processor)))?;

    // Some files list their added tokens in the vocabulary too; merges never reach them there.
    let added: HashSet<_> = json.added_tokens.iter().map(|token| (token.id, &token.content)).collect();
    let normal = json.model.vocab.0.into_iter().filter(|(text, id)| !added.contains(&(*id, text)));
    let mut tokens: Vec<_> = normal.map(|(text, id)| Token { id, text, kind: TokenKind::Normal }).collect();
    for token in json.added_tokens {
        let flags = [
            (token.single_word, "single_word"),
            (token.lstrip, "lstrip"),
            (token.rstrip, "rstrip"),
            // Without a normalizer it has no effect.
            (token.normalized && !json.normalizer.is_null(), "normalized"),
        ];
        if let Some((_, name)) = flags.iter().find(|(set, _)| *set) {
            return Err(unsupported(format!("{name} of the added token {:?}", token.content)));
        }
        let kind = if token.special { TokenKind::Special } else { TokenKind::Added };
        tokens.push(Token { id: token.id, text: token.content, kind });
    }
    let merge = |(rank, merge)| match merge {
        Merge::Pair(left, right) => Ok((left, right)),
        Merge::Text(text) => split_merge(&text, MERGES, rank, file),
    };
    let merges = json.model.merges.into_iter().enumerate().map(merge).collect::<Result<_>>()?;
    Ok(Definition { tokens, merges, scheme, bos, tokens_field: "model.vocab and added_tokens", merges_field: MERGES })
}

impl TokenizerFile {
    /// Returns the scheme that the steps make up, or the first step that none of them has.
    fn scheme(&self) -> Result<Scheme, String> {
        if let Some(other) = self.model.r#type.as_ref().filter(|name| *name != "BPE") {
            return Err(format!("model.type {other:?}"));
        }
        let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let sentence_piece = self.model.byte_fallback;
        let fields = [
            (!self.model.dropout.is_null(), "dropout"),
            (filled(&self.model.continuing_subword_prefix), "continuing_subword_prefix"),
            (filled(&self.model.end_of_word_suffix), "end_of_word_suffix"),
            (!sentence_piece && !self.model.unk_token.is_null(), "unk_token"),
            (sentence_piece && self.model.ignore_merges, "ignore_merges with byte_fallback"),
        ];
        if let Some((_, name)) = fields.iter().find(|(set, _)| *set) {
            return Err(format!("model.{name}"));
        }
        if sentence_piece { self.sentence_piece() } else { self.byte_level() }
    }

    fn byte_level(&self) -> Result<Scheme, String> {
        let nfc = match kind(&self.normalizer) {
            "NFC" => true,
            "" => false,
            _ => return Err(format!("normalizer {}", self.normalizer)),
        };
        if kind(&self.decoder) != "ByteLevel" {
            return Err(format!("decoder {}", self.decoder));
        }
        let rule = |pointer: &str| self.pre_tokenizer.pointer(pointer);
        let text = |pointer: &str| rule(pointer).and_then(Value::as_str);
        let false_at = |pointer: &str| rule(pointer) == Some(&Value::Bool(false));
        let steps = rule("/pretokenizers").and_then(Value::as_array).map_or(0, Vec::len);
        let splits = steps == 2
            && text("/pretokenizers/0/type") == Some("Split")
            && text("/pretokenizers/0/behavior") == Some("Isolated")
            && false_at("/pretokenizers/0/invert")
            && text("/pretokenizers/1/type") == Some("ByteLevel")
            && false_at("/pretokenizers/1/add_prefix_space")
            && false_at("/pretokenizers/1/use_regex");
        let pattern = text("/pretokenizers/0/pattern/Regex").filter(|_| splits);
        match SPLITS.iter().find(|split| pattern == Some(&*split.pattern())) {
            Some(split) => Ok(Scheme::ByteLevel { split, nfc, ignore_merges: self.model.ignore_merges }),
            None => Err(format!("pre_tokenizer {}", self.pre_tokenizer)),
        }
    }

    /// Two forms: the older one writes spaces in the normalizer, the newer one in the pre-tokenizer.
    fn sentence_piece(&self) -> Result<Scheme, String> {
        let prefix = if self.pre_tokenizer.is_null() {
            let space = json!({"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"});
            let prepend = json!({"type": "Prepend", "prepend": "\u{2581}"});
            match steps(&self.normalizer, "normalizers") {
                steps if steps == [&prepend, &space] => SpacePrefix::EachPiece,
                steps if steps == [&space] => SpacePrefix::Never,
                _ => return Err(format!("normalizer {}", self.normalizer)),
            }
        } else {
            let rule = |name: &str| self.pre_tokenizer.get(name);
            let supported = kind(&self.pre_tokenizer) == "Metaspace"
                && rule("replacement") == Some(&json!("\u{2581}"))
                && rule("split") == Some(&json!(false));
            match rule("prepend_scheme").and_then(Value::as_str).filter(|_| supported) {
                Some("always") => SpacePrefix::EachPieceWithout,
                Some("first") => SpacePrefix::FirstPieceWithout,
                Some("never") => SpacePrefix::Never,
                _ => return Err(format!("pre_tokenizer {} with model.byte_fallback", self.pre_tokenizer)),
            }
        };
        if !self.pre_tokenizer.is_null() && !self.normalizer.is_null() {
            return Err(format!("normalizer {} with a pre_tokenizer", self.normalizer));
        }
        let known = sentence_piece_decoder(prefix != SpacePrefix::Never);
        if self.decoder != known {
            return Err(format!("decoder {}", self.decoder));
        }
        Ok(Scheme::SentencePiece { prefix })
    }
}

/// Returns the decoder of a SentencePiece tokenizer; `strips` says whether it takes the first space off.
pub(super) fn sentence_piece_decoder(strips: bool) -> Value {
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if strips {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    json!({"type": "Sequence", "decoders": decoders})
}

/// Returns the steps of a sequence, or the one step that is not in any.
fn steps<'v>(step: &'v Value, name: &str) -> Vec<&'v Value> {
    match step.get(name).and_then(Value::as_array) {
        Some(steps) if kind(step) == "Sequence" => steps.iter().collect(),
        _ => vec![step],
    }
}

/// Returns the token that the post-processor puts before a text, if any; nothing for one that does something else.
fn bos(post_processor: &Value) -> Option<Option<u32>> {
    let mut bos = None;
    for step in steps(post_processor, "processors") {
        match kind(step) {
            "" | "ByteLevel" => {}
            "TemplateProcessing" if bos.is_none() => {
                let text = json!({"Sequence": {"id": "A", "type_id": 0}});
                match step.get("single")?.as_array()?.as_slice() {
                    [only] if *only == text => {}
                    [first, second] if *second == text => {
                        let name = first.pointer("/SpecialToken/id")?.as_str()?;
                        match step.get("special_tokens")?.get(name)?.get("ids")?.as_array()?.as_slice() {
                            [id] => bos = Some(u32::try_from(id.as_u64()?).ok()?),
                            _ => return None,
                        }
                    }
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
    Some(bos)
}

/// Returns the `type` of a step; empty for a step that is absent.
fn kind(step: &Value) -> &str {
    match step {
        Value::Null => "",
        step => step.pointer("/type").and_then(Value::as_str).unwrap_or("?"),
    }
}
