//! Configurations and weights whose numbers do not make a model: each ends in an error that names
//! the file and the field.

use qwgpu::Error;
use qwgpu::generate::{DeviceChoice, Flow, Model, ReplyOptions, Sampling, Spec, load};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::errors::assert_says;
use crate::micro::{self, Weight, with_config, with_weights};

fn open(folder: &TempDir) -> qwgpu::Result<Model> {
    let spec = Spec::parse(folder.path().to_str().unwrap())?;
    load(&spec, &DeviceChoice::cpu(), None, &mut ())
}

/// The error's message, which names the folder's file and all of `words`.
#[track_caller]
fn refused(folder: &TempDir, words: &[&str]) -> Error {
    let error = open(folder).err().expect("an error");
    let message = error.to_string();
    assert!(message.starts_with(folder.path().to_str().unwrap()), "{message}");
    assert_says(message, words);
    error
}

/// micro-qwen with one field of config.json set to `value` is refused by this name.
#[track_caller]
fn bad_field(field: &str, value: Value) {
    let folder = with_config(|config| {
        config.insert(field.into(), value);
    });
    refused(&folder, &["config.json", field]);
}

/// The greedy continuation of a few tokens.
fn continuation(loaded: &mut Model) -> Vec<u32> {
    let settings = ReplyOptions { max_new_tokens: 8, sampling: Sampling::GREEDY, ignore_eos: true, lookup: 0 };
    loaded.reply(&[1, 2, 3], &settings, &mut |_| Ok(Flow::Continue)).unwrap().ids
}

fn nothing(_: &mut Map<String, Value>) {}

fn all(_: &str, weight: Weight) -> Option<Weight> {
    Some(weight)
}

#[test]
fn the_unchanged_copies_load() {
    let expected = continuation(&mut open(&with_config(nothing)).unwrap());
    assert_eq!(continuation(&mut open(&with_weights(nothing, all)).unwrap()), expected);
}

#[test]
fn heads_that_do_not_divide() {
    bad_field("num_attention_heads", json!(3));
    bad_field("num_attention_heads", json!(0));
}

#[test]
fn key_value_heads_that_do_not_divide_the_heads() {
    bad_field("num_key_value_heads", json!(3));
    bad_field("num_key_value_heads", json!(8));
}

#[test]
fn other_heads_than_the_weights_have() {
    let folder = with_config(|config| {
        config.insert("num_key_value_heads".into(), json!(4));
    });
    refused(&folder, &["k_proj", "[64, 64]", "[32, 64]"]);
}

#[test]
fn more_or_fewer_layers_than_the_weights_have() {
    for layers in [1, 3] {
        let folder = with_config(|config| {
            config.insert("num_hidden_layers".into(), json!(layers));
        });
        refused(&folder, &["num_hidden_layers", "2, the layers of the weights", &layers.to_string()]);
    }
}

#[test]
fn no_layers_and_too_many() {
    bad_field("num_hidden_layers", json!(0));
    bad_field("num_hidden_layers", json!(1_000_000_000));
}

#[test]
fn another_vocabulary_than_the_embedding_has_rows() {
    for size in [300, 321] {
        let folder = with_config(|config| {
            config.insert("vocab_size".into(), json!(size));
        });
        refused(&folder, &["model.embed_tokens.weight", &format!("[{size}, 64]"), "[320, 64]"]);
    }
}

#[test]
fn fewer_rows_than_tokens() {
    let config = |config: &mut Map<String, Value>| {
        config.insert("vocab_size".into(), json!(256));
    };
    let folder = with_weights(config, |name, mut weight| {
        if name == "lm_head.weight" || name == "model.embed_tokens.weight" {
            weight.shape[0] = 256;
            weight.bytes.truncate(256 * 128);
        }
        Some(weight)
    });
    refused(&folder, &["config.json", "vocab_size", "259", "256"]);
}

#[test]
fn a_tied_head_needs_no_matrix_and_ignores_one() {
    let tied = |config: &mut Map<String, Value>| {
        config.insert("tie_word_embeddings".into(), json!(true));
    };
    let without = |name: &str, weight| (name != "lm_head.weight").then_some(weight);
    let expected = continuation(&mut open(&with_weights(tied, without)).unwrap());
    assert_eq!(continuation(&mut open(&with_weights(tied, all)).unwrap()), expected);
    assert_ne!(continuation(&mut open(&with_config(nothing)).unwrap()), expected);
}

#[test]
fn an_untied_head_needs_a_matrix() {
    let folder = with_weights(nothing, |name, weight| (name != "lm_head.weight").then_some(weight));
    refused(&folder, &["lm_head.weight", "no such tensor", "tie_word_embeddings"]);
}

#[test]
fn flags_that_are_no_flags() {
    bad_field("tie_word_embeddings", json!("yes"));
    bad_field("use_sliding_window", json!(1));
}

#[test]
fn rope_theta_zero_negative_or_no_number() {
    for value in [json!(0), json!(-10_000.0), json!("10000"), json!(1e300)] {
        bad_field("rope_theta", value.clone());
        let folder = with_config(|config| config["rope_parameters"]["rope_theta"] = value.clone());
        refused(&folder, &["config.json", "rope_theta", &value.to_string()]);
    }
}

#[test]
fn rope_theta_absent() {
    let folder = with_config(|config| {
        config.remove("rope_parameters");
    });
    refused(&folder, &["config.json", "rope_theta", "nothing"]);
}

#[test]
fn rope_theta_nan_or_beyond_numbers() {
    for value in ["NaN", "1e999"] {
        let folder = with_config(|config| {
            config.insert("rope_theta".into(), json!("VALUE"));
        });
        let file = folder.path().join("config.json");
        let text = std::fs::read_to_string(&file).unwrap().replace("\"VALUE\"", value);
        std::fs::write(&file, text).unwrap();
        refused(&folder, &["config.json", "line 1, column"]);
    }
}

#[test]
fn stretched_positions() {
    for field in ["rope_scaling", "rope_parameters"] {
        let folder = with_config(|config| {
            config.insert("rope_theta".into(), json!(1e6));
            config.insert(field.into(), json!({ "rope_type": "yarn", "factor": 4.0 }));
        });
        let error = refused(&folder, &["config.json", field, "yarn"]);
        assert!(matches!(error, Error::Unsupported { .. }));
    }
}

#[test]
fn missing_biases() {
    for bias in ["q_proj.bias", "k_proj.bias", "v_proj.bias"] {
        let folder = with_weights(nothing, |name, weight| (!name.ends_with(bias)).then_some(weight));
        refused(&folder, &["layers.0.self_attn", bias, "no such tensor"]);
    }
}

#[test]
fn eps_zero_or_too_small_for_f32() {
    for value in [json!(0), json!(0.0), json!(-1e-6), json!(1e-60), json!(null)] {
        bad_field("rms_norm_eps", value);
    }
}

#[test]
fn unknown_architectures_and_what_they_compute() {
    for (field, value, found) in [
        ("model_type", json!("gemma2"), "gemma2"),
        ("model_type", json!("qwen2_moe"), "mixture of experts"),
        ("hidden_act", json!("gelu"), "gelu"),
        ("use_sliding_window", json!(true), "use_sliding_window"),
    ] {
        let folder = with_config(|config| {
            config.insert(field.into(), value);
        });
        let error = refused(&folder, &["config.json", field, found]);
        assert!(matches!(error, Error::Unsupported { .. }));
        assert!(field != "model_type" || error.to_string().contains("models of type qwen2"), "{error}");
    }
    let folder = with_config(|config| {
        config.remove("model_type");
    });
    refused(&folder, &["config.json", "model_type", "nothing"]);
}

#[test]
fn sizes_beyond_any_model() {
    for field in [
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "vocab_size",
        "max_position_embeddings",
    ] {
        for value in [json!(1u64 << 40), json!(u64::MAX), json!(-1), json!(64.5), json!("64")] {
            bad_field(field, value);
        }
    }
}

#[test]
fn the_largest_sizes_allowed_end_in_an_error_and_not_in_an_overflow() {
    let folder = with_config(|config| {
        for (field, value) in [
            ("hidden_size", 1 << 20),
            ("intermediate_size", 1 << 20),
            ("num_attention_heads", 1 << 20),
            ("num_key_value_heads", 1 << 20),
            ("head_dim", 256),
            ("vocab_size", 1 << 24),
        ] {
            config.insert(field.into(), json!(value));
        }
    });
    // A cache of 2 TiB, where the system tells that less is free; else the first weight of another shape.
    let error = open(&folder).err().expect("an error");
    let is_memory = matches!(&error, Error::OutOfMemory { what, .. } if what.contains("cache 2.00 TiB"));
    assert!(is_memory || error.to_string().contains("model.embed_tokens.weight"), "{error}");
}

#[test]
fn a_context_beyond_the_model() {
    let spec = Spec::parse(micro::folder().to_str().unwrap()).unwrap();
    for context in [0, 513] {
        let error = load(&spec, &DeviceChoice::cpu(), Some(context), &mut ()).err().expect("an error");
        let message = error.to_string();
        assert!(message.contains("context") && message.contains("1 to 512"), "{message}");
    }
}
