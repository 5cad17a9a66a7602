//! Settings of an evaluation, and the identity of its journal.

use std::path::Path;

use qwgpu::eval::EvalSettings;
use qwgpu::eval::journal::{Identity, NUMERICS};
use qwgpu::eval::limits::Limits;
use qwgpu::generate::KvType;
use serde_json::json;

#[test]
fn limits_are_read_and_written() {
    let limits: Limits = "100,mmlu=2".parse().unwrap();
    assert_eq!((limits.of("mmlu"), limits.of("snli")), (Some(2), Some(100)));
    assert_eq!("mmlu=2".parse::<Limits>().unwrap().of("snli"), None);
    for (text, json) in [("7", "7"), ("100,mmlu=2", "\"100,mmlu=2\""), ("mmlu=2", "\"mmlu=2\"")] {
        let limits: Limits = text.parse().unwrap();
        assert_eq!(serde_json::to_string(&limits).unwrap(), json);
        assert_eq!(serde_json::from_str::<Limits>(json).unwrap(), limits);
    }
    for wrong in ["", "0", "mmlu=", "mmlu=0", "5,6", "mmlu=1,mmlu=2", "-3", "a"] {
        assert!(wrong.parse::<Limits>().is_err(), "{wrong}");
    }
    assert!(limits.expect_among(&["snli"]).unwrap_err().to_string().contains("mmlu"));
}

/// Settings as journals have them, the oldest with fewer fields.
#[test]
fn settings_of_journals_are_read() {
    let settings = EvalSettings { max_new_tokens: Some(8), limit: "3".parse().ok(), ..EvalSettings::default() };
    let written = serde_json::to_value(&settings).unwrap();
    assert_eq!((&written["reply_tokens"], &written["limit"]), (&json!(8), &json!(3)));
    assert_eq!(serde_json::from_value::<EvalSettings>(written).unwrap(), settings);
    let old: EvalSettings = serde_json::from_value(json!({ "tasks": ["snli"], "reply_tokens": 8 })).unwrap();
    assert_eq!((old.tasks, old.max_new_tokens, old.limit), (vec!["snli".to_owned()], Some(8), None));
}

#[test]
fn answers_of_another_path_are_refused() {
    let fast = Identity {
        kv_cache: KvType::F32,
        model: "a model".into(),
        digest: "1".into(),
        tokenizer: "2".into(),
        template: "3".into(),
        path: "fast".into(),
        packed: false,
        numerics: NUMERICS,
    };
    let cpu = Identity { path: "cpu".into(), ..fast.clone() };
    assert!(fast.expect(Path::new("journal"), &fast).is_ok());
    let error = fast.expect(Path::new("journal"), &cpu).unwrap_err().to_string();
    assert!(error.contains("computed on path fast"), "{error}");
    let halved = Identity { kv_cache: KvType::F16, ..fast.clone() };
    let error = fast.expect(Path::new("journal"), &halved).unwrap_err().to_string();
    assert!(error.contains("with a cache in f32"), "{error}");
}
