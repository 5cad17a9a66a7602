//! tokenizer.json out: the lists of a GGUF header as a file that Hugging Face `tokenizers` reads.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::parts::{Kind, Parts, Vocabulary};
use crate::Result;

/// The tokenizer.json of a vocabulary, which gives the same ids; `origin` is the name that errors give.
pub fn tokenizer_json(vocabulary: Vocabulary, origin: &Path) -> Result<Vec<u8>> {
    let mut parts = Parts::from_vocabulary(vocabulary, origin)?;
    parts.check_tokens(origin)?;
    // `tokenizers` numbers added tokens on from the vocabulary's length, but for those it finds there.
    let gapless = parts.tokens.iter().zip(0..).all(|(token, id)| token.id == id)
        && parts.tokens.is_sorted_by_key(|token| token.kind != Kind::Normal);
    let (mut vocab, mut added) = (Map::new(), Vec::new());
    for token in &parts.tokens {
        if token.kind == Kind::Normal || !gapless {
            vocab.insert(token.text.clone(), token.id.into());
        }
        if token.kind != Kind::Normal {
            added.push(json!({
                "id": token.id, "content": token.text, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": token.kind == Kind::Special,
            }));
        }
    }
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    let merges: Vec<Value> = parts.merges.iter().map(|(left, right)| json!([left, right])).collect();
    let file = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": if parts.nfc { json!({"type": "NFC"}) } else { Value::Null },
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": parts.split.pattern}, "behavior": "Isolated", "invert": false},
            bytes,
        ]},
        "post_processor": bytes,
        "decoder": bytes,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab, "merges": merges,
        },
    });
    Ok(file.to_string().into_bytes())
}
