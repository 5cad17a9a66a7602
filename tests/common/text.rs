//! Checks of a tokenizer against ids from Hugging Face `tokenizers`.

use std::path::Path;

use qwgpu::text::{Detokenizer, Tokenizer};
use serde_json::Value;

pub fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/text").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

pub fn check_goldens(tokenizer: &Tokenizer, goldens: &Value) {
    let cases = goldens["cases"].as_array().unwrap();
    assert!(cases.len() > 200);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), ids(&case["ids"]), "{text:?}");
        let plain = case.get("plain").unwrap_or(&case["ids"]);
        assert_eq!(tokenizer.encode_plain(text).unwrap(), ids(plain), "plain {text:?}");
    }
    for case in goldens["decodes"].as_array().unwrap() {
        let ids = ids(&case["ids"]);
        for (key, skip_special) in [("text", false), ("skipped", true)] {
            let text = tokenizer.decode(&ids, skip_special).unwrap();
            assert_eq!(text, case[key].as_str().unwrap(), "{ids:?}");
            let mut stream = Detokenizer::new(tokenizer, skip_special);
            let mut pieces: Vec<_> = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
            pieces.push(stream.finish());
            assert_eq!(pieces.concat(), text, "streamed {ids:?}");
        }
    }
}

/// Encodes and decodes megabytes that no rule cuts: a way that takes time with the square of the length would not end.
pub fn one_megabyte(tokenizer: &Tokenizer) {
    const SIZE: usize = 1 << 20;
    let repeat = |text: &str| text.repeat(SIZE / text.len());
    let mut letters = String::new();
    let mut state = 1u32;
    while letters.len() < SIZE {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        letters.push(char::from(b'a' + (state >> 24) as u8 % 26));
    }
    for (name, text) in [
        ("one letter", repeat("a")),
        ("random letters", letters),
        ("Chinese", repeat("的一是不了人我在有他")),
        ("spaces", repeat(" ")),
        ("spaces before a word", repeat(" ") + "x"),
        ("line ends", repeat("\r\n")),
        ("tabs and a line end", repeat("\t") + "\n"),
        ("punctuation", repeat("!")),
        ("digits", repeat("7")),
        ("marks on one letter", repeat("\u{301}\u{323}")),
        ("zero width joiners", repeat("\u{200D}")),
        ("apostrophes", repeat("'s")),
        ("starts of special tokens", repeat("<|im_")),
        ("special tokens", repeat("<|im_end|>")),
    ] {
        let ids = tokenizer.encode(&text).unwrap();
        if name != "marks on one letter" {
            assert_eq!(tokenizer.decode(&ids, false).unwrap(), text, "{name}");
        }
    }
}
