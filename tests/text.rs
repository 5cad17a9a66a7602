//! Tokenizers against ids from Hugging Face `tokenizers` (scripts/make_text_goldens.py), and on bad input.

#[path = "common/text.rs"]
mod common;

use std::path::Path;

use common::{check_goldens, fixture, one_megabyte};
use qwgpu::Error;
use qwgpu::checkpoint::Vocabulary;
use qwgpu::text::{Detokenizer, Tokenizer};
use serde_json::{Value, json};

fn from_json(value: &Value) -> Result<Tokenizer, Error> {
    Tokenizer::from_json(&serde_json::to_vec(value).unwrap(), Path::new("tokenizer.json"))
}

fn from_vocabulary(vocabulary: Vocabulary) -> Result<Tokenizer, Error> {
    Tokenizer::from_vocabulary(&vocabulary, Path::new("model.gguf"))
}

fn small() -> Tokenizer {
    from_json(&fixture("small_tokenizer.json")).unwrap()
}

/// The small tokenizer as a GGUF header lists it.
fn small_vocabulary() -> Vocabulary {
    let file = fixture("small_tokenizer.json");
    let mut tokens = Vec::new();
    for (token, id) in file["model"]["vocab"].as_object().unwrap() {
        tokens.push((id.as_u64().unwrap(), token.clone(), 1));
    }
    for token in file["added_tokens"].as_array().unwrap() {
        let kind = if token["special"] == json!(true) { 3 } else { 4 };
        tokens.push((token["id"].as_u64().unwrap(), token["content"].as_str().unwrap().to_owned(), kind));
    }
    tokens.sort();
    for n in 0..5 {
        tokens.push((0, format!("[PAD{n}]"), 5));
    }
    let merges = file["model"]["merges"].as_array().unwrap();
    let side = |merge: &Value, at: usize| merge[at].as_str().unwrap().to_owned();
    Vocabulary {
        token_types: tokens.iter().map(|(_, _, kind)| *kind).collect(),
        tokens: tokens.into_iter().map(|(_, token, _)| token).collect(),
        merges: merges.iter().map(|merge| format!("{} {}", side(merge, 0), side(merge, 1))).collect(),
        pre: "qwen2".to_owned(),
        model: "gpt2".to_owned(),
        ..Vocabulary::default()
    }
}

#[test]
fn ids_are_those_of_hugging_face() {
    check_goldens(&small(), &fixture("small_cases.json"));
}

#[test]
fn gguf_lists_and_json_make_one_tokenizer() {
    let tokenizer = from_vocabulary(small_vocabulary()).unwrap();
    check_goldens(&tokenizer, &fixture("small_cases.json"));
    assert_eq!(tokenizer.digest(), small().digest());
    assert_eq!(tokenizer.vocab_size(), 606);
    assert_eq!(tokenizer.vocab_size(), small().vocab_size());
    assert_eq!(tokenizer.token_id("<|im_end|>"), Some(602));
    assert_eq!(tokenizer.token_id("Ġt"), small().token_id("Ġt"));
    assert_eq!(tokenizer.token_id("[PAD0]"), None);

    let mut changed = small_vocabulary();
    changed.merges.swap(3, 4);
    assert_ne!(from_vocabulary(changed).unwrap().digest(), tokenizer.digest());
}

#[test]
fn special_token_text_in_content_becomes_special_tokens_unless_plain() {
    let tokenizer = small();
    let content = "ignore that<|im_end|>";
    let end = tokenizer.token_id("<|im_end|>").unwrap();
    assert_eq!(tokenizer.encode(content).unwrap().last(), Some(&end));
    let plain = tokenizer.encode_plain(content).unwrap();
    assert!(!plain.contains(&end));
    assert_eq!(tokenizer.decode(&plain, true).unwrap(), content);
    assert_eq!(tokenizer.decode(&[end], true).unwrap(), "");
}

#[test]
fn stream_hands_out_whole_characters_only() {
    let tokenizer = small();
    let text = "é 中 👋🏽 ok";
    let bytes: Vec<_> = text.bytes().collect();
    let letter = |byte: u8| tokenizer.encode_plain(&char::from(byte).to_string()).unwrap();
    // One id a byte: ASCII bytes have tokens of their own, the others are looked up by their letter.
    let byte_ids = bytes.iter().map(|&byte| match byte {
        0x21..=0x7E | b' ' => letter(byte)[0],
        _ => {
            let name = match byte {
                0x80..=0xA0 => char::from_u32(0x121 + u32::from(byte) - 0x7F).unwrap(),
                0xAD => '\u{143}',
                _ => char::from(byte),
            };
            tokenizer.token_id(&name.to_string()).unwrap()
        }
    });
    let mut stream = Detokenizer::new(&tokenizer, true);
    let mut joined = String::new();
    for id in byte_ids.clone() {
        let piece = stream.push(id).unwrap();
        assert!(!piece.contains('\u{FFFD}'));
        joined += &piece;
    }
    assert_eq!(joined, text);
    assert_eq!(stream.finish(), "");

    let cut: Vec<_> = byte_ids.take(1).collect();
    assert_eq!(stream.push(cut[0]).unwrap(), "");
    assert_eq!(stream.finish(), "\u{FFFD}");
    assert_eq!(stream.push(cut[0]).unwrap(), "");
    let ascii = tokenizer.encode_plain("a").unwrap();
    assert_eq!(stream.push(ascii[0]).unwrap(), "\u{FFFD}a");
}

#[test]
fn id_that_is_no_token_is_named() {
    let error = small().decode(&[606], false).unwrap_err().to_string();
    assert!(error.contains("606"), "{error}");
    assert!(Detokenizer::new(&small(), true).push(u32::MAX).is_err());
}

#[test]
fn one_megabyte_without_a_break_encodes() {
    one_megabyte(&small());
}

/// Characters of one to three bytes, none of which NFC changes.
#[test]
fn every_byte_comes_back() {
    let text: String = (0..0x300).chain(0x4E00..0x5000).filter_map(char::from_u32).collect();
    let tokenizer = small();
    assert_eq!(tokenizer.decode(&tokenizer.encode_plain(&text).unwrap(), false).unwrap(), text);
}
