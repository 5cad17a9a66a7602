//! Tokenizers and chat templates in the manner of each family, against Hugging Face (scripts/text_families.py).

use std::path::Path;

use qwgpu::Error;
use qwgpu::checkpoint::Vocabulary;
use qwgpu::text::{ChatTemplate, Detokenizer, Message, Tokenizer, tokenizer_json};
use serde_json::{Value, json};

fn goldens() -> Value {
    serde_json::from_str(include_str!("../fixtures/text/families.json")).unwrap()
}

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn from_json(file: &Value) -> Result<Tokenizer, Error> {
    Tokenizer::from_json(file.to_string().as_bytes(), Path::new("tokenizer.json"))
}

fn from_gguf(vocabulary: Vocabulary) -> Result<Tokenizer, Error> {
    Tokenizer::from_vocabulary(&vocabulary, Path::new("model.gguf"))
}

fn vocabulary(family: &Value) -> Vocabulary {
    let keys = &family["vocabulary"];
    Vocabulary {
        model: string(&keys["model"]),
        tokens: list(&keys["tokens"]),
        token_types: list(&keys["token_types"]),
        merges: list(&keys["merges"]),
        scores: list(&keys["scores"]),
        pre: string(&keys["pre"]),
        bos: Some(keys["bos"].as_u64().unwrap() as u32),
        add_bos: true,
        add_space_prefix: true,
        ..Vocabulary::default()
    }
}

fn family(name: &str) -> Value {
    goldens()["tokenizers"].as_array().unwrap().iter().find(|family| family["name"] == name).unwrap().clone()
}

/// The cases in which a tokenizer does otherwise than Hugging Face.
fn differences(tokenizer: &Tokenizer, family: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut same = |what: &str, found: String, expected: String| {
        if found != expected {
            wrong.push(format!("{} {what}\n  found    {found}\n  expected {expected}", family["name"]));
        }
    };
    let cases = family["cases"].as_array().unwrap();
    assert!(cases.len() > 100);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let ids: Vec<u32> = list(&case["ids"]);
        same(&format!("{text:?}"), format!("{:?}", tokenizer.encode(text).unwrap()), format!("{ids:?}"));
        let found = tokenizer.encode_without_bos(text).unwrap();
        same(&format!("without BOS {text:?}"), format!("{found:?}"), format!("{:?}", &ids[1..]));
        let plain = case.get("plain").map_or(ids[1..].to_vec(), list);
        let found = tokenizer.encode_plain(text).unwrap();
        same(&format!("plain {text:?}"), format!("{found:?}"), format!("{plain:?}"));
    }
    let decodes = family["decodes"].as_array().unwrap();
    assert!(decodes.len() > 50);
    for case in decodes {
        let ids: Vec<u32> = list(&case["ids"]);
        for (key, skip_special) in [("text", false), ("skipped", true)] {
            let expected = format!("{:?}", case[key].as_str().unwrap());
            same(
                key,
                format!("{:?} of {ids:?}", tokenizer.decode(&ids, skip_special).unwrap()),
                format!("{expected} of {ids:?}"),
            );
            let mut stream = Detokenizer::new(tokenizer, skip_special);
            let mut pieces: Vec<_> = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
            pieces.push(stream.finish());
            same("streamed", format!("{:?} of {ids:?}", pieces.concat()), format!("{expected} of {ids:?}"));
        }
    }
    wrong
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong[..wrong.len().min(6)].join("\n"));
}

#[test]
fn ids_of_every_family_are_those_of_hugging_face() {
    for family in goldens()["tokenizers"].as_array().unwrap() {
        none(&differences(&from_json(&family["tokenizer"]).unwrap(), family));
    }
}

#[test]
fn gguf_lists_give_the_ids_of_tokenizer_json() {
    for name in ["llama3", "tekken", "llama2"] {
        let family = family(name);
        let tokenizer = from_gguf(vocabulary(&family)).unwrap();
        none(&differences(&tokenizer, &family));
        assert_eq!(tokenizer.digest(), from_json(&family["tokenizer"]).unwrap().digest(), "{name}");
    }
    // GGUF cannot say that only the first piece gets a space; where no added token comes before text, nothing differs.
    let family = family("mistral");
    let (gguf, json) = (from_gguf(vocabulary(&family)).unwrap(), from_json(&family["tokenizer"]).unwrap());
    assert_eq!(gguf.encode("Hello [/INST]").unwrap(), json.encode("Hello [/INST]").unwrap());
    assert_ne!(gguf.encode("[INST] a").unwrap(), json.encode("[INST] a").unwrap());
}

#[test]
fn tokenizer_json_that_is_written_gives_the_same_ids_here_and_in_hugging_face() {
    for family in goldens()["tokenizers"].as_array().unwrap() {
        let direct = from_gguf(vocabulary(family)).unwrap();
        let bytes = tokenizer_json(&vocabulary(family), Path::new("model.gguf")).unwrap();
        let read = Tokenizer::from_json(&bytes, Path::new("tokenizer.json")).unwrap();
        assert_eq!(read.digest(), direct.digest(), "{}", family["name"]);
        let theirs: tokenizers::Tokenizer = serde_json::from_slice(&bytes).unwrap();
        for case in family["cases"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let expected = theirs.encode(text, true).unwrap();
            assert_eq!(read.encode(text).unwrap(), expected.get_ids(), "{} {text:?}", family["name"]);
        }
    }
}

/// NFC is only for Qwen: these families leave the characters as they are.
#[test]
fn every_byte_comes_back() {
    let text: String = (0..0x900).chain(0xF000..0xF100).filter_map(char::from_u32).collect();
    for family in goldens()["tokenizers"].as_array().unwrap() {
        let tokenizer = from_json(&family["tokenizer"]).unwrap();
        let ids = tokenizer.encode_plain(&text).unwrap();
        assert_eq!(tokenizer.decode(&ids, false).unwrap(), text, "{}", family["name"]);
    }
}

#[test]
fn bos_is_what_the_checkpoint_says() {
    let family = family("llama2");
    let mut tokenizer = from_json(&family["tokenizer"]).unwrap();
    let bos = tokenizer.bos().unwrap();
    assert_eq!(tokenizer.token_id("<s>"), Some(bos));
    let (with, digest) = (tokenizer.encode("a").unwrap(), tokenizer.digest().to_owned());
    tokenizer.set_bos(None).unwrap();
    assert_eq!(tokenizer.encode("a").unwrap(), with[1..]);
    assert_ne!(tokenizer.digest(), digest);
    assert!(tokenizer.set_bos(Some("<bos>")).unwrap_err().to_string().contains("<bos>"));
    tokenizer.set_bos(Some("<s>")).unwrap();
    assert_eq!(tokenizer.digest(), digest);

    let silent = Vocabulary { add_bos: false, ..vocabulary(&family) };
    assert_eq!(from_gguf(silent).unwrap().bos(), None);
    let nothing = Vocabulary { bos: None, ..vocabulary(&family) };
    assert!(from_gguf(nothing).err().unwrap().to_string().contains("tokenizer.ggml.bos_token_id"));
}

#[test]
fn bytes_that_make_no_character_become_one_replacement() {
    let tokenizer = from_json(&family("llama2")["tokenizer"]).unwrap();
    let ids =
        ["▁the", "<0xE4>", "<0xB8>", "▁", "<0xE4>", "<0xB8>", "<0xAD>"].map(|token| tokenizer.token_id(token).unwrap());
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), "the\u{FFFD} \u{4E2D}");
    let mut stream = Detokenizer::new(&tokenizer, true);
    let pieces: Vec<_> = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
    assert_eq!(pieces, ["the", "", "", "\u{FFFD} ", "", "", "\u{4E2D}"]);
}

#[test]
fn end_tokens_are_those_of_every_source() {
    for (name, known, given) in [
        ("llama3", ["<|eot_id|>", "<|end_of_text|>"].as_slice(), "<|end_header_id|>"),
        ("llama2", &["</s>"], "<s>"),
        ("mistral", &["</s>"], "[/INST]"),
    ] {
        let tokenizer = from_json(&family(name)["tokenizer"]).unwrap();
        let id = |token: &str| tokenizer.token_id(token).unwrap();
        let mut expected: Vec<_> = known.iter().map(|token| id(token)).collect();
        expected.sort_unstable();
        assert_eq!(tokenizer.end_tokens(None, &[], None), expected, "{name}");
        expected.push(id(given));
        expected.sort_unstable();
        for eos in [json!(id(given)), json!([id(given), id(known[0])])] {
            assert_eq!(tokenizer.end_tokens(Some(&eos), &[], None), expected, "{name}");
        }
        assert_eq!(tokenizer.end_tokens(None, &[id(given)], None), expected, "{name}");
        assert_eq!(tokenizer.end_tokens(Some(&json!(null)), &[], Some(given)), expected, "{name}");
    }
}

#[test]
fn faults_of_a_sentencepiece_vocabulary_are_named() {
    let family = family("llama2");
    let error = |change: &dyn Fn(&mut Vocabulary)| {
        let mut vocabulary = vocabulary(&family);
        change(&mut vocabulary);
        from_gguf(vocabulary).err().unwrap().to_string()
    };
    for (names, change) in [
        (
            ["tokenizer.ggml.scores", "one a token"],
            &(|v: &mut Vocabulary| v.scores.truncate(9)) as &dyn Fn(&mut Vocabulary),
        ),
        (["tokenizer.ggml.scores[400]", "NaN"], &|v| v.scores[400] = f32::NAN),
        (["tokenizer.ggml.token_type[7]", "<0x0A>"], &|v| v.tokens[7] = "newline".to_owned()),
        (["tokenizer.ggml.token_type[7]", "1 to 6"], &|v| v.token_types[7] = 9),
        (["<0x05>", "byte 0x05"], &|v| v.token_types[8] = 5),
        (["tokenizer.ggml.tokens[400]", "at most 128 bytes"], &|v| v.tokens[400] = "long".repeat(99)),
        (["tokenizer.ggml.model", "t5"], &|v| v.model = "t5".to_owned()),
        (["id 5000", "no token"], &|v| v.bos = Some(5000)),
    ] {
        let error = error(change);
        for name in names {
            assert!(error.contains(name), "no {name:?} in: {error}");
        }
    }
}

#[test]
fn steps_that_no_family_has_are_refused_by_name() {
    let family = family("llama2");
    for (pointer, value, name) in [
        ("/normalizer/normalizers/0/prepend", json!("_"), "normalizer"),
        ("/normalizer", json!(null), "normalizer"),
        ("/decoder/decoders/3/stop", json!(1), "decoder"),
        (
            "/pre_tokenizer",
            json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true}),
            "Metaspace",
        ),
        ("/post_processor/single/1", json!({"SpecialToken": {"id": "</s>", "type_id": 0}}), "post_processor"),
        ("/post_processor/special_tokens", json!({}), "post_processor"),
        ("/added_tokens/0/normalized", json!(true), "normalized"),
        ("/model/ignore_merges", json!(true), "ignore_merges"),
        ("/model/byte_fallback", json!(false), "unk_token"),
    ] {
        let mut file = family["tokenizer"].clone();
        *file.pointer_mut(pointer).unwrap() = value;
        let error = from_json(&file).err().unwrap_or_else(|| panic!("{pointer} is accepted")).to_string();
        assert!(error.contains(name) && error.contains("not supported"), "{pointer}: {error}");
    }
}

/// Renders on a day that no template and no chat names, and writes the date as the goldens write it.
fn rendered(template: &ChatTemplate, messages: &[Message], prompt: bool) -> Result<String, Error> {
    template.render(messages, prompt).map(|text| text.replace("29 Feb 2000", "<date>"))
}

#[test]
fn templates_of_every_family_render_as_in_transformers() {
    let goldens = goldens();
    let mut wrong = Vec::new();
    for case in goldens["templates"].as_array().unwrap() {
        let token = |name: &str| case["tokens"].get(name).map(string);
        let source = case["source"].as_str().unwrap();
        let template = ChatTemplate::new(source, token("bos_token").as_deref(), token("eos_token").as_deref()).unwrap();
        let template = template.at(951_782_400);
        for row in case["rendered"].as_array().unwrap() {
            let turns = goldens["chats"][row["chat"].as_str().unwrap()].as_array().unwrap();
            let message = |turn: &Value| Message { role: string(&turn["role"]), content: string(&turn["content"]) };
            let messages: Vec<_> = turns.iter().map(message).collect();
            let result = rendered(&template, &messages, row["prompt"] == json!(true));
            let fits = match (&result, row["text"].as_str(), row["error"].as_str()) {
                (Ok(text), Some(expected), _) => text == expected,
                (Err(Error::Template(why)), None, Some(expected)) => why.contains(expected),
                _ => false,
            };
            if !fits {
                wrong.push(format!("{}, {}:\n  {result:?}\n  {row}", case["name"], row["chat"]));
            }
        }
    }
    none(&wrong);
}
