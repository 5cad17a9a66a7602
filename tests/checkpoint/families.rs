//! What GGUF says of the families, in Hugging Face's words.

use qwgpu::checkpoint::{Checkpoint, SpecialTokens, TokenizerSource};
use serde_json::{Value, json};

use crate::sample::{self, Gguf, Tensor, array, f32, gguf, llama, text, u32};

fn config(gguf: &Gguf) -> serde_json::Map<String, Value> {
    gguf.open().unwrap().config
}

fn with(mut gguf: Gguf, keys: &[(&str, Vec<u8>)]) -> Gguf {
    for (name, value) in keys {
        gguf.keys.retain(|key| key.0 != name.as_bytes());
        gguf.keys.push((name.as_bytes().to_vec(), value.clone()));
    }
    gguf
}

fn floats(checkpoint: &Checkpoint, name: &str) -> Vec<f32> {
    let (mut values, all) = (Vec::new(), checkpoint.tensors.get(name).unwrap().elements());
    checkpoint.tensors.read_f32(name, 0..all, &mut values).unwrap();
    values
}

#[test]
fn llama_reads_as_the_folder_it_was_converted_from() {
    let (plain, converted) = (gguf().open().unwrap(), llama().open().unwrap());
    assert_eq!(converted.config["model_type"], "llama");
    for field in sample::SHARED_FIELDS.iter().filter(|field| **field != "model_type") {
        assert_eq!(plain.config.get(*field), converted.config.get(*field), "{field}");
    }
    assert!(converted.tensors.infos().iter().all(|tensor| !tensor.name.ends_with("bias")));
    for tensor in converted.tensors.infos() {
        assert_eq!(floats(&plain, &tensor.name), floats(&converted, &tensor.name), "{}", tensor.name);
    }
    // The stored order is another one, without which the test would show nothing.
    let name = "blk.0.attn_q.weight";
    assert_ne!(gguf().tensor(name).data, llama().tensor(name).data);
}

#[test]
fn blocks_of_interleaved_rows_read_by_rows_and_in_parts() {
    // Eight rows of one Q8_0 block each, two heads: within a head 0, 2, 1, 3 are stored.
    let mut gguf = llama();
    let blocks: Vec<Vec<u8>> = (0..8u8).map(|row| [vec![0, 0x24], vec![row; 32]].concat()).collect();
    let q = gguf.tensor("blk.0.attn_q.weight");
    *q = Tensor {
        dims: vec![32, 8],
        kind: 8,
        data: [0, 2, 1, 3, 4, 6, 5, 7].map(|row| blocks[row].clone()).concat(),
        ..q.clone()
    };
    let checkpoint = gguf.open().unwrap();
    let name = "model.layers.0.self_attn.q_proj.weight";
    let tensor = checkpoint.tensors.get(name).unwrap();
    assert_eq!((tensor.storage.name, &tensor.shape[..]), ("Q8_0", &[8, 32][..]));

    let mut bytes = Vec::new();
    for rows in [0..8, 1..2, 3..7, 8..8] {
        checkpoint.tensors.read_rows(name, rows.clone(), &mut bytes).unwrap();
        assert_eq!(bytes, blocks[rows.clone()].concat(), "{rows:?}");
    }
    assert!(checkpoint.tensors.read_rows(name, 7..9, &mut bytes).is_err());
    assert!(checkpoint.tensors.read_rows(name, 0..usize::MAX, &mut bytes).is_err());
    assert!(checkpoint.tensors.read_rows("none", 0..1, &mut bytes).is_err());

    let whole = floats(&checkpoint, name);
    let expected: Vec<f32> = (0..8).flat_map(|row| [row as f32 / 64.0; 32]).collect();
    assert_eq!(whole, expected);
    let (mut part, mut bits) = (Vec::new(), Vec::new());
    checkpoint.tensors.read_f32(name, 96..224, &mut part).unwrap();
    assert_eq!(part, expected[96..224]);
    checkpoint.tensors.read_bf16(name, 32..96, &mut bits).unwrap();
    let rounded: Vec<u16> = expected[32..96].iter().map(|v| half::bf16::from_f32(*v).to_bits()).collect();
    assert_eq!(bits, rounded);
}

#[test]
fn mistral_is_told_by_its_name_or_its_window() {
    let named = with(llama(), &[("general.name", text("mistralai_Mistral-7B-v0.3"))]);
    assert_eq!(config(&named)["model_type"], "mistral");
    let named = with(llama(), &[("general.basename", text("Mistral-Nemo")), ("general.name", text("x"))]);
    assert_eq!(config(&named)["model_type"], "mistral");
    let windowed = with(llama(), &[("llama.attention.sliding_window", u32(4096))]);
    assert_eq!(config(&windowed)["model_type"], "mistral");
    assert_eq!(config(&windowed)["sliding_window"], 4096);
    let full = with(llama(), &[("llama.attention.sliding_window", u32(0)), ("general.name", text("Llama"))]);
    assert_eq!(config(&full)["model_type"], "llama");
    assert!(!config(&full).contains_key("sliding_window"));
}

#[test]
fn qwen3_has_norms_of_heads_and_no_biases() {
    let mut gguf = gguf();
    for (name, value) in &mut gguf.keys {
        *name = String::from_utf8(name.clone()).unwrap().replace("qwen2.", "qwen3.").into_bytes();
        if name == b"general.architecture" {
            *value = text("qwen3");
        }
    }
    let mut gguf = with(gguf, &[("qwen3.attention.key_length", u32(4)), ("qwen3.attention.value_length", u32(4))]);
    for (bias, norm) in [("attn_q.bias", "attn_q_norm.weight"), ("attn_k.bias", "attn_k_norm.weight")] {
        let tensor = gguf.tensor(&format!("blk.0.{bias}"));
        (tensor.name, tensor.dims) = (format!("blk.0.{norm}"), vec![4]);
        tensor.data.truncate(16);
    }
    assert!(gguf.open().unwrap_err().to_string().contains("blk.0.attn_v.bias"));
    gguf.tensors.retain(|tensor| tensor.name != "blk.0.attn_v.bias");
    let checkpoint = gguf.open().unwrap();
    assert_eq!((&checkpoint.config["model_type"], &checkpoint.config["head_dim"]), (&json!("qwen3"), &json!(4)));
    for name in ["q_norm", "k_norm"] {
        assert_eq!(checkpoint.tensors.get(&format!("model.layers.0.self_attn.{name}.weight")).unwrap().shape, [4]);
    }
}

#[test]
fn rotations_are_scaled_as_the_file_says() {
    assert_eq!(config(&llama()).get("rope_scaling"), None);
    let bare = llama();
    let keys = bare.keys.iter().filter(|key| key.0 != b"llama.rope.freq_base").cloned().collect();
    assert_eq!(config(&Gguf { keys, ..bare })["rope_theta"], 10_000.0);

    let scaled = |keys: &[(&str, Vec<u8>)]| {
        let named: Vec<_> = keys.iter().map(|(key, value)| (format!("llama.rope.{key}"), value.clone())).collect();
        let named: Vec<_> = named.iter().map(|(key, value)| (&**key, value.clone())).collect();
        config(&with(llama(), &named)).get("rope_scaling").cloned()
    };
    assert_eq!(scaled(&[("scaling.type", text("none")), ("scaling.factor", f32(4.0))]), None);
    assert_eq!(scaled(&[("scaling.type", text("linear")), ("scaling.factor", f32(1.0))]), None);
    let linear = Some(json!({"rope_type": "linear", "factor": 4.0}));
    assert_eq!(scaled(&[("scaling.type", text("linear")), ("scaling.factor", f32(4.0))]), linear);
    assert_eq!(scaled(&[("scale_linear", f32(4.0))]), linear);
    let yarn = [
        ("scaling.type", text("yarn")),
        ("scaling.factor", f32(4.0)),
        ("scaling.original_context_length", u32(32_768)),
    ];
    let expected = json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768});
    assert_eq!(scaled(&yarn), Some(expected));
}

/// The Llama sample with these factors of the rotation's frequencies, two of which a head of four has.
fn with_factors(factors: &[f32]) -> Gguf {
    let mut gguf = with(llama(), &[("llama.rope.freq_base", f32(500_000.0))]);
    let data = factors.iter().flat_map(|factor| factor.to_le_bytes()).collect();
    let (name, dims) = ("rope_freqs.weight".to_owned(), vec![factors.len() as u64]);
    gguf.tensors.push(Tensor { name, dims, kind: 0, offset: None, data });
    gguf
}

#[test]
fn factors_of_frequencies_go_into_the_config() {
    let llama3 = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192});
    // The second frequency, 500000^-1/2, turns 1.84 times in 8192 tokens: between the bounds.
    let turns = 8192.0 / 500_000f64.sqrt() / (2.0 * std::f64::consts::PI);
    let smooth = (turns - 1.0) / 3.0;
    let ramp = (1.0 / ((1.0 - smooth) / 8.0 + smooth)) as f32;
    let checkpoint = with_factors(&[1.0, ramp]).open().unwrap();
    assert!(checkpoint.tensors.get("rope_freqs.weight").is_none());
    // The largest factor is what no frequency below the bounds could say otherwise.
    let listed = |factors: &[f32]| json!({"rope_type": "factors", "factors": factors});
    assert_eq!(checkpoint.config["rope_scaling"], listed(&[1.0, ramp]));
    assert_eq!(config(&with_factors(&[1.0, 7.5]))["rope_scaling"], listed(&[1.0, 7.5]));

    // A head of eight has a frequency that turns less than once.
    let mut long = with(llama(), &[("llama.rope.freq_base", f32(500_000.0)), ("llama.attention.key_length", u32(8))]);
    let factors: [f32; 4] = std::array::from_fn(|i| {
        let turns = 8192.0 * 500_000f64.powf(-(i as f64) / 4.0) / (2.0 * std::f64::consts::PI);
        let smooth = ((turns - 1.0) / 3.0).clamp(0.0, 1.0);
        (1.0 / ((1.0 - smooth) / 8.0 + smooth)) as f32
    });
    long.tensors.push(with_factors(&factors).tensors.pop().unwrap());
    assert_eq!(config(&long)["rope_scaling"], llama3);
}

#[test]
fn pieces_of_sentencepiece_keep_their_scores() {
    let scores: Vec<u8> = (0..32).flat_map(|id| (-(id as f32)).to_le_bytes()).collect();
    let mut gguf = with(
        llama(),
        &[
            ("tokenizer.ggml.model", text("llama")),
            ("tokenizer.ggml.scores", array(6, 32, &scores)),
            ("tokenizer.ggml.unknown_token_id", u32(0)),
            ("tokenizer.ggml.eot_token_id", u32(7)),
        ],
    );
    gguf.keys.retain(|key| key.0 != b"tokenizer.ggml.merges" && key.0 != b"tokenizer.ggml.add_bos_token");
    let checkpoint = gguf.open().unwrap();
    let TokenizerSource::Gguf(vocab) = &checkpoint.tokenizer else { panic!("no vocabulary") };
    assert_eq!((vocab.model.as_str(), vocab.unknown, vocab.scores[3]), ("llama", Some(0), -3.0));
    assert!(vocab.add_bos && vocab.add_space_prefix && vocab.merges.is_empty());
    assert_eq!(checkpoint.generation["eos_token_id"], json!([2, 7]));
    let token = |id: u32| Some(format!("t{id}"));
    assert_eq!(checkpoint.special_tokens, SpecialTokens { bos: token(1), eos: token(2), add_bos: Some(true) });
}

#[test]
fn folders_name_their_special_tokens() {
    let read = |tokenizer_config: &str| {
        let folder = tempfile::tempdir().unwrap();
        crate::put(folder.path(), &sample::folder());
        std::fs::write(folder.path().join("tokenizer_config.json"), tokenizer_config).unwrap();
        Checkpoint::open(folder.path()).map(|checkpoint| checkpoint.special_tokens)
    };
    let text = |text: &str| Some(text.to_owned());
    let both =
        read(r#"{"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "add_bos_token": true}"#);
    assert_eq!(both.unwrap(), SpecialTokens { bos: text("<s>"), eos: text("</s>"), add_bos: Some(true) });
    assert_eq!(read(r#"{"bos_token": null}"#).unwrap(), SpecialTokens::default());
    for (bad, field) in [(r#"{"bos_token": 1}"#, "bos_token"), (r#"{"add_bos_token": "yes"}"#, "add_bos_token")] {
        let error = read(bad).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("tokenizer_config.json"), "{error}");
    }
}
