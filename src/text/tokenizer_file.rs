//! tokenizer.json out: the lists of a GGUF header as a file that Hugging Face `tokenizers` reads.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::bytes::SPACE;
use super::definition::{Definition, Scheme, SpacePrefix, TokenKind};
use super::tokenizer_json::sentence_piece_decoder;
use crate::Result;
use crate::checkpoint::Vocabulary;

/// Returns the tokenizer.json of a vocabulary, which gives the same ids; `origin` is the name that errors give.
pub fn tokenizer_json(vocabulary: &Vocabulary, origin: &Path) -> Result<Vec<u8>> {
    let mut definition = Definition::from_vocabulary(vocabulary, origin)?;
    definition.check_tokens(origin)?;
    // `tokenizers` numbers added tokens on from the vocabulary's length, but for those it finds there.
    let gapless = definition.tokens.iter().zip(0..).all(|(token, id)| token.id == id)
        && definition.tokens.is_sorted_by_key(|token| token.kind != TokenKind::Normal);
    let (mut vocab, mut added) = (Map::new(), Vec::new());
    for token in &definition.tokens {
        if token.kind == TokenKind::Normal || !gapless {
            vocab.insert(token.text.clone(), token.id.into());
        }
        if token.kind != TokenKind::Normal {
            added.push(json!({
                "id": token.id, "content": token.text, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": token.kind == TokenKind::Special,
            }));
        }
    }
    let (byte_fallback, merges_ignored) = match definition.scheme {
        Scheme::ByteLevel { ignore_merges, .. } => (false, ignore_merges),
        Scheme::SentencePiece { .. } => (true, false),
    };
    let [normalizer, pre_tokenizer, post_processor, decoder] = steps(&definition);
    let merges: Vec<Value> = definition.merges.iter().map(|(left, right)| json!([left, right])).collect();
    let file = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor,
        "decoder": decoder,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": byte_fallback,
            "ignore_merges": merges_ignored, "vocab": vocab, "merges": merges,
        },
    });
    Ok(file.to_string().into_bytes())
}

/// Returns the normalizer, pre-tokenizer, post-processor and decoder.
fn steps(definition: &Definition) -> [Value; 4] {
    match definition.scheme {
        Scheme::ByteLevel { split, nfc, .. } => {
            let bytes = json!({
                "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false,
            });
            let pre_tokenizer = json!({"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": split.pattern()}, "behavior": "Isolated", "invert": false},
                bytes,
            ]});
            let post_processor = match first_token(definition) {
                Value::Null => bytes.clone(),
                first => json!({"type": "Sequence", "processors": [bytes, first]}),
            };
            [if nfc { json!({"type": "NFC"}) } else { Value::Null }, pre_tokenizer, post_processor, bytes]
        }
        Scheme::SentencePiece { prefix } => {
            let prefixed = prefix != SpacePrefix::Never;
            let mut normalizers = vec![json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE})];
            if prefixed {
                normalizers.insert(0, json!({"type": "Prepend", "prepend": SPACE}));
            }
            let normalizer = json!({"type": "Sequence", "normalizers": normalizers});
            [normalizer, Value::Null, first_token(definition), sentence_piece_decoder(prefixed)]
        }
    }
}

/// Returns the post-processor that puts [`Definition::bos`] first.
fn first_token(definition: &Definition) -> Value {
    let Some(token) = definition.tokens.iter().find(|token| Some(token.id) == definition.bos) else {
        return Value::Null;
    };
    let special = |kind: u8| json!({"SpecialToken": {"id": token.text, "type_id": kind}});
    let text = |name: &str, kind: u8| json!({"Sequence": {"id": name, "type_id": kind}});
    json!({
        "type": "TemplateProcessing",
        "single": [special(0), text("A", 0)],
        "pair": [special(0), text("A", 0), special(1), text("B", 1)],
        "special_tokens": {(token.text.as_str()): {"id": token.text, "ids": [token.id], "tokens": [token.text]}},
    })
}
