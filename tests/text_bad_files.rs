//! Tokenizer files with faults: each ends in an error that names the file, the field and what was found.

use std::path::Path;

use qwgpu::checkpoint::Vocabulary;
use qwgpu::text::Tokenizer;
use serde_json::{Value, json};

const SMALL: &str = include_str!("../fixtures/text/small_tokenizer.json");

fn json_error(change: impl FnOnce(&mut Value)) -> String {
    let mut file: Value = serde_json::from_str(SMALL).unwrap();
    change(&mut file);
    bytes_error(&serde_json::to_vec(&file).unwrap())
}

fn bytes_error(bytes: &[u8]) -> String {
    match Tokenizer::from_json(bytes, Path::new("dir/tokenizer.json")) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}

/// The byte alphabet, and "ab" from "a" and "b".
fn vocabulary() -> Vocabulary {
    let printed = |byte: &u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut tokens: Vec<_> = (0..=255u8).filter(printed).map(|byte| char::from(byte).to_string()).collect();
    tokens.extend((0x100..0x144).map(|code| char::from_u32(code).unwrap().to_string()));
    tokens.push("ab".to_owned());
    Vocabulary {
        model: "gpt2".to_owned(),
        token_types: vec![1; tokens.len()],
        tokens,
        merges: vec!["a b".to_owned()],
        pre: "qwen2".to_owned(),
        ..Vocabulary::default()
    }
}

fn gguf_error(change: impl FnOnce(&mut Vocabulary)) -> String {
    let mut vocabulary = vocabulary();
    change(&mut vocabulary);
    match Tokenizer::from_vocabulary(&vocabulary, Path::new("dir/model.gguf")) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn names(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
}

#[test]
fn sound_lists_are_accepted() {
    let tokenizer = Tokenizer::from_vocabulary(&vocabulary(), Path::new("model.gguf")).unwrap();
    assert_eq!(tokenizer.encode("abc").unwrap(), [256, tokenizer.token_id("c").unwrap()]);
}

#[test]
fn merges_with_unknown_tokens() {
    let error = gguf_error(|v| v.merges.push("a zz".to_owned()));
    names(&error, &["dir/model.gguf", "tokenizer.ggml.merges[1]", "\"zz\""]);
    let error = gguf_error(|v| v.merges.push("b a".to_owned()));
    names(&error, &["tokenizer.ggml.merges[1]", "\"ba\""]);
    let error = json_error(|file| file["model"]["merges"][7] = json!(["q\u{4E2D}", "x"]));
    names(&error, &["dir/tokenizer.json", "model.merges[7]", "q\u{4E2D}"]);
    // An added token is matched literally: no merge may lead to it.
    let error = gguf_error(|v| {
        v.tokens.push("abab".to_owned());
        v.token_types.push(3);
        v.merges.push("ab ab".to_owned());
    });
    names(&error, &["tokenizer.ggml.merges[1]", "\"abab\""]);
}

#[test]
fn merges_that_are_no_pairs() {
    for merge in ["ab", "", "a  b", "a b c"] {
        let error = gguf_error(|v| v.merges.push(merge.to_owned()));
        names(&error, &["tokenizer.ggml.merges[1]", &format!("{merge:?}")]);
        json_error(|file| file["model"]["merges"][0] = json!(merge));
    }
    json_error(|file| file["model"]["merges"][0] = json!(["a"]));
    json_error(|file| file["model"]["merges"][0] = json!(["a", "b", "c"]));
    json_error(|file| file["model"]["merges"][0] = json!(5));
}

#[test]
fn duplicate_ids_and_duplicate_tokens() {
    let error = json_error(|file| file["model"]["vocab"]["a"] = json!(3));
    names(&error, &["dir/tokenizer.json", "model.vocab", "id 3", "\"a\""]);
    let error = gguf_error(|v| {
        v.tokens.push("ab".to_owned());
        v.token_types.push(1);
    });
    names(&error, &["tokenizer.ggml.tokens", "\"ab\"", "256", "257"]);
    // A parser that keeps the last of two equal keys would not see this one.
    let twice = SMALL.replacen("\"vocab\":{", "\"vocab\":{\"a\":700,", 1);
    assert_ne!(twice, SMALL);
    names(&bytes_error(twice.as_bytes()), &["\"a\"", "700"]);
    let error = json_error(|file| file["added_tokens"][1]["content"] = json!("a"));
    names(&error, &["\"a\""]);
}

#[test]
fn missing_byte_tokens() {
    let error = gguf_error(|v| v.tokens[5] = "newname".to_owned());
    names(&error, &["dir/model.gguf", "tokenizer.ggml.tokens", "0x26"]);
    let error = json_error(|file| drop(file["model"]["vocab"].as_object_mut().unwrap().remove("Ġ")));
    names(&error, &["0x20"]);
    let error = gguf_error(|v| v.token_types[0] = 3);
    names(&error, &["0x21"]);
}

#[test]
fn empty_vocabulary() {
    let error = gguf_error(|v| {
        v.tokens.clear();
        v.token_types.clear();
    });
    names(&error, &["tokenizer.ggml.tokens", "no tokens"]);
    json_error(|file| {
        file["model"]["vocab"] = json!({});
        file["added_tokens"] = json!([]);
    });
    names(&gguf_error(|v| v.tokens[0].clear()), &["empty token"]);
}

#[test]
fn unknown_splitting_rule() {
    let error = gguf_error(|v| v.pre = "nonsense-bpe".to_owned());
    names(&error, &["dir/model.gguf", "tokenizer.ggml.pre", "nonsense-bpe", "qwen2"]);
    let error = json_error(|file| file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = json!("(a+)+$"));
    names(&error, &["dir/tokenizer.json", "pre_tokenizer", "(a+)+$"]);
}

#[test]
fn token_types_that_do_not_fit() {
    names(&gguf_error(|v| v.token_types.truncate(256)), &["token_type", "256", "257"]);
    names(&gguf_error(|v| v.token_types[9] = 77), &["token_type[9]", "77"]);
    names(&gguf_error(|v| v.token_types[9] = -1), &["token_type[9]", "-1"]);
}

#[test]
fn ids_that_would_blow_up_the_table() {
    let error = json_error(|file| file["added_tokens"][0]["id"] = json!(4_294_967_295u32));
    names(&error, &["4294967295"]);
    json_error(|file| file["added_tokens"][0]["id"] = json!(-1));
    json_error(|file| file["model"]["vocab"]["a"] = json!(1u64 << 40));
}

#[test]
fn json_that_is_none_or_no_tokenizer() {
    for bytes in [&b""[..], b"{", b"[]", b"{}", b"null", b"\xFF\xFE", b"{\"model\":{}}", b"<html>"] {
        names(&bytes_error(bytes), &["dir/tokenizer.json", "line "]);
    }
    bytes_error("[".repeat(100_000).as_bytes());
    for cut in [10, SMALL.len() / 2, SMALL.len() - 3] {
        let end = (0..cut).rev().find(|&at| SMALL.is_char_boundary(at)).unwrap();
        bytes_error(&SMALL.as_bytes()[..end]);
    }
}

#[test]
fn steps_that_qwen_does_not_have_are_refused_by_name() {
    for (pointer, value, name) in [
        ("/model/type", json!("WordPiece"), "WordPiece"),
        ("/model/dropout", json!(0.1), "dropout"),
        ("/model/unk_token", json!("<unk>"), "unk_token"),
        ("/model/byte_fallback", json!(true), "byte_fallback"),
        ("/model/end_of_word_suffix", json!("</w>"), "end_of_word_suffix"),
        ("/normalizer", json!({"type": "Lowercase"}), "Lowercase"),
        ("/post_processor", json!({"type": "TemplateProcessing"}), "TemplateProcessing"),
        ("/decoder", json!(null), "decoder"),
        ("/pre_tokenizer", json!(null), "pre_tokenizer"),
        ("/pre_tokenizer/pretokenizers/1/add_prefix_space", json!(true), "add_prefix_space"),
        ("/added_tokens/0/lstrip", json!(true), "lstrip"),
        ("/added_tokens/0/normalized", json!(true), "normalized"),
    ] {
        let error = json_error(|file| *file.pointer_mut(pointer).unwrap() = value);
        names(&error, &["dir/tokenizer.json", "not supported", name]);
    }
}

#[test]
fn damaged_json_ends_in_a_tokenizer_or_an_error() {
    let mut state = 7u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let mut accepted = 0;
    for _ in 0..400 {
        let mut bytes = SMALL.as_bytes().to_vec();
        let at = random(bytes.len());
        let end = (at + random(9)).min(bytes.len());
        bytes.splice(at..end, [b"0", b"9", b",", b"]", b"\"", b"a"][random(6)].iter().copied());
        if let Ok(tokenizer) = Tokenizer::from_json(&bytes, Path::new("tokenizer.json")) {
            tokenizer.encode("Some text, to be sure.<|im_end|>").unwrap();
            accepted += 1;
        }
    }
    assert!(accepted < 400);
}
