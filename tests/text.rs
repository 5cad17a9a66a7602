//! Tokenizers against ids from Hugging Face `tokenizers` (scripts/make_text_goldens.py), and on bad input.

use std::path::{Path, PathBuf};
use std::time::Instant;

use qwgpu::Error;
use qwgpu::checkpoint::{Checkpoint, TokenizerSource};
use qwgpu::text::{Detokenizer, Tokenizer, Vocabulary};
use serde_json::{Value, json};

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/text").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn from_json(value: &Value) -> Result<Tokenizer, Error> {
    Tokenizer::from_json(&serde_json::to_vec(value).unwrap(), Path::new("tokenizer.json"))
}

fn from_vocabulary(vocabulary: Vocabulary) -> Result<Tokenizer, Error> {
    Tokenizer::from_vocabulary(vocabulary, Path::new("model.gguf"))
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

/// The tokenizer of a real Qwen2.5, where there is one.
fn real() -> Option<Tokenizer> {
    let path = std::env::var_os("QWGPU_MODEL").map(PathBuf::from).or_else(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let mut files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        files.find(|path| path.extension().is_some_and(|ending| ending == "gguf"))
    });
    let Some(path) = path else {
        println!("skipped: neither QWGPU_MODEL nor models/*.gguf is there");
        return None;
    };
    match Checkpoint::open(&path).unwrap().tokenizer {
        TokenizerSource::Json(bytes) => Some(Tokenizer::from_json(&bytes, &path).unwrap()),
        TokenizerSource::Gguf(vocab) => {
            let vocabulary = Vocabulary {
                tokens: vocab.tokens,
                token_types: vocab.token_types,
                merges: vocab.merges,
                pre: vocab.pre.unwrap(),
                model: vocab.model,
                ..Vocabulary::default()
            };
            let start = Instant::now();
            let tokenizer = Tokenizer::from_vocabulary(vocabulary, &path).unwrap();
            println!("built in {:.3} s", start.elapsed().as_secs_f64());
            Some(tokenizer)
        }
    }
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn check_goldens(tokenizer: &Tokenizer, goldens: &Value) {
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
fn ids_of_a_real_model_are_those_of_hugging_face() {
    let Some(tokenizer) = real() else { return };
    check_goldens(&tokenizer, &fixture("qwen2_cases.json"));
    assert_eq!(tokenizer.vocab_size(), 151_665);
    assert_eq!(tokenizer.token_id("<|im_start|>"), Some(151_644));
    let chat = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n\
                <|im_start|>user\nWrite a Python function that checks whether a number is prime.<|im_end|>\n\
                <|im_start|>assistant\n";
    let code = "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n    if n < 2:\n";
    for (text, ids) in [
        ("The capital of France is", &[785, 6722, 315, 9625, 374][..]),
        (
            code,
            &[
                750, 75698, 1445, 982, 262, 4210, 5598, 279, 308, 7563, 79683, 1372, 14442, 262, 421, 308, 366, 220,
                17, 510,
            ],
        ),
        (
            chat,
            &[
                151644, 8948, 198, 2610, 525, 1207, 16948, 11, 3465, 553, 54364, 14817, 13, 1446, 525, 264, 10950,
                17847, 13, 151645, 198, 151644, 872, 198, 7985, 264, 13027, 729, 429, 12341, 3425, 264, 1372, 374,
                10250, 13, 151645, 198, 151644, 77091, 198,
            ],
        ),
    ] {
        assert_eq!(tokenizer.encode(text).unwrap(), ids);
        assert_eq!(tokenizer.decode(ids, false).unwrap(), text);
    }
    one_megabyte(&tokenizer);
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
fn prompt_of_invalid_utf8_names_the_byte() {
    let tokenizer = small();
    assert_eq!(tokenizer.encode_bytes("é".as_bytes()).unwrap(), tokenizer.encode("é").unwrap());
    for (bytes, offset, byte) in [(&b"ab\xFFc"[..], 2, "0xFF"), (b"abcd\xE4\xB8", 4, "0xE4"), (b"\xC0\x80", 0, "0xC0")]
    {
        let error = tokenizer.encode_bytes(bytes).unwrap_err().to_string();
        assert!(error.contains(&format!("{byte} at offset {offset}")), "{error}");
    }
}

#[test]
fn one_megabyte_without_a_break_encodes_in_seconds() {
    one_megabyte(&small());
}

/// Seconds that this thread has computed: a busy machine makes it wait, which is not the tokenizer's doing.
fn busy() -> Option<f64> {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(times.split(' ').next()?.parse::<f64>().ok()? * 1e-9)
}

fn one_megabyte(tokenizer: &Tokenizer) {
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
        let (start, busy_before) = (Instant::now(), busy());
        let ids = tokenizer.encode(&text).unwrap();
        let took = match (busy_before, busy()) {
            (Some(before), Some(after)) => after - before,
            _ => start.elapsed().as_secs_f64(),
        };
        println!("{name}: {} ids in {took:.3} s", ids.len());
        assert!(took < 5.0, "{name}: {took}");
        if name != "marks on one letter" {
            assert_eq!(tokenizer.decode(&ids, false).unwrap(), text, "{name}");
        }
    }
}
