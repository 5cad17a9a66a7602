//! spBLEU: texts in pieces, and the score, equal those of SentencePiece and sacreBLEU (scripts/make_sentencepiece_golden.py).

use std::path::{Path, PathBuf};

use qwgpu::tasks::data::SentencePieces;
use qwgpu::tasks::{Aggregation, Item, Response};
use serde_json::Value;

use super::{open, signature};

/// A folder the script wrote: a larger one where QWGPU_PIECES names it.
fn folder() -> PathBuf {
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/metrics");
    std::env::var_os("QWGPU_PIECES").map_or(bundled, PathBuf::from)
}

fn golden() -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join("pieces.json")).unwrap()).unwrap()
}

fn texts<'a>(golden: &'a Value, field: &str) -> Vec<&'a str> {
    golden[field].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn pieces_are_those_of_sentencepiece() {
    let golden = golden();
    let pieces = SentencePieces::read(&folder().join("pieces.model")).unwrap();
    for (text, expected) in texts(&golden, "texts").iter().zip(texts(&golden, "pieces")) {
        assert_eq!(pieces.apart(text), expected, "{text:?}");
    }
}

/// With the model beside the data set, as a user would put it there.
#[test]
fn pieces_give_spbleu() {
    let golden = golden();
    let data = tempfile::tempdir().unwrap();
    let devtest = data.path().join("flores200/flores200_dataset/devtest");
    std::fs::create_dir_all(&devtest).unwrap();
    for language in ["eng_Latn", "zho_Hans"] {
        let lines = texts(&golden, "references").join("\n");
        std::fs::write(devtest.join(format!("{language}.devtest")), lines).unwrap();
    }
    let without = open("flores:eng_Latn-zho_Hans", data.path()).unwrap().1;
    let model = data.path().join("flores200/flores200_sacrebleu_tokenizer_spm.model");
    std::fs::copy(folder().join("pieces.model"), &model).unwrap();
    let (task, sets) = open("flores:eng_Latn-zho_Hans", data.path()).unwrap();
    let profile = &task.profiles[0];
    let items = |set| -> Vec<Item> {
        let replies = texts(&golden, "replies");
        let score = |(document, reply): (&Value, &str)| {
            let outcomes = (profile.score)(set, document, &[Response::Reply(reply.to_owned())]).unwrap();
            outcomes.into_iter().flat_map(|outcome| outcome.items).find(|item| item.0 == "spbleu").map(|item| item.1)
        };
        set.documents.iter().zip(replies).filter_map(score).collect()
    };
    assert!(items(&without[0]).is_empty());
    let items = items(&sets[0]);
    assert_eq!(items.len(), 20);
    let metric = profile.metrics.iter().find(|metric| metric.name == "spbleu").unwrap();
    let Aggregation::Corpus(spbleu) = metric.aggregation else { panic!("a measure of documents") };
    let expected = golden["score"].as_f64().unwrap();
    assert!((spbleu(&items) - expected).abs() < 1e-6, "{} {expected}", spbleu(&items));
    assert_eq!(golden["signature"], signature(metric));

    std::fs::write(&model, b"no model").unwrap();
    let error = open("flores", data.path()).err().unwrap().to_string();
    assert!(error.contains("flores200_sacrebleu_tokenizer_spm.model: contents: expected"), "{error}");
}

/// Each ends in a model or in an error that names the file, never in a panic.
#[test]
fn pieces_of_damaged_models_are_refused_or_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.model");
    let sound = std::fs::read(self::folder().join("pieces.model")).unwrap();
    let try_bytes = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        match SentencePieces::read(&file) {
            Ok(pieces) => {
                pieces.apart("The bear\u{301} ﬁsh… ½ 老熊");
                None
            }
            Err(error) => {
                assert!(error.to_string().contains("bad.model"), "{error}");
                Some(error.to_string())
            }
        }
    };
    for length in (0..sound.len()).step_by(7) {
        try_bytes(&sound[..length]);
    }
    for at in (0..sound.len()).step_by(11) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x55;
        try_bytes(&bytes);
    }
    assert!(try_bytes(b"").unwrap().contains("pieces: expected at least one"));
    // A trainer's part (field 2) that says so: its model_type (3) is BPE (2), its byte_fallback (35) true.
    let with = |more: &[u8]| try_bytes(&[&sound, more].concat()).unwrap_or_default();
    assert!(with(&[0x12, 2, 0x18, 2]).contains("another kind than unigram"));
    assert!(with(&[0x12, 3, 0x98, 0x02, 1]).contains("pieces for bytes"));
}
