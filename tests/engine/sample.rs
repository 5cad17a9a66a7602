//! Sampling: shares of draws, cuts of the tail, the penalty, and the settings that a model recommends.

use std::path::Path;

use qwgpu::generate::{Sampler, Sampling};
use serde_json::{Value, json};

fn draws(sampling: Sampling, logits: &[f32]) -> Vec<u32> {
    let mut sampler = Sampler::new(sampling, &[]);
    let mut draw = || sampler.next(&mut logits.to_vec()).unwrap();
    (0..4000).map(|_| draw()).collect()
}

#[test]
fn draws_follow_the_probabilities_and_the_seed() {
    let sampling = Sampling { temperature: 2.0, seed: 7, ..Sampling::GREEDY };
    // At temperature 2 the probabilities are 1/7, 2/7 and 4/7.
    let logits = [0.0, 4.0f32.ln(), 16.0f32.ln()];
    let drawn = draws(sampling, &logits);
    for (id, share) in [(0, 1.0 / 7.0), (1, 2.0 / 7.0), (2, 4.0 / 7.0)] {
        let found = drawn.iter().filter(|d| **d == id).count() as f64 / drawn.len() as f64;
        assert!((found - share).abs() < 0.03, "{id}: {found} of {share}");
    }
    assert_eq!(drawn, draws(sampling, &logits));
    assert_ne!(drawn, draws(Sampling { seed: 8, ..sampling }, &logits));
}

#[test]
fn top_k_and_top_p_cut_the_tail() {
    let logits = [1.0, 3.0, 2.0, 0.0];
    let hot = Sampling { temperature: 5.0, ..Sampling::GREEDY };
    assert!(draws(Sampling { top_k: 2, ..hot }, &logits).iter().all(|d| [1, 2].contains(d)));
    assert!(draws(Sampling { top_p: 0.01, ..hot }, &logits).iter().all(|d| *d == 1));
    assert!(draws(hot, &logits).contains(&3));
}

#[test]
fn recommendations_are_read_as_transformers_does() {
    let read = |json: Value| {
        let map = json.as_object().cloned().unwrap_or_default();
        Sampling::recommended(&map, Path::new("model"))
    };
    assert_eq!(read(json!({})).unwrap(), Sampling::GREEDY);
    let qwen = json!({
        "do_sample": true, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05,
    });
    let expected = Sampling { temperature: 0.7, top_k: 20, top_p: 0.8, repetition_penalty: 1.05, seed: 0 };
    assert_eq!(read(qwen).unwrap(), expected);
    let bare = read(json!({ "do_sample": true, "top_p": null })).unwrap();
    assert_eq!((bare.temperature, bare.top_k, bare.top_p), (1.0, 50, 1.0));
    assert_eq!(read(json!({ "do_sample": false, "temperature": 0.7 })).unwrap().temperature, 0.0);
    for (field, value) in [
        ("temperature", json!("hot")),
        ("temperature", json!(-1)),
        ("top_p", json!(0)),
        ("top_k", json!(-1)),
        ("repetition_penalty", json!(0)),
    ] {
        let message = read(json!({ "do_sample": true, field: value })).unwrap_err().to_string();
        assert!(message.contains("generation_config.json") && message.contains(field), "{message}");
    }
}

#[test]
fn the_penalty_lowers_what_was_seen() {
    let sampling = Sampling { repetition_penalty: 2.0, ..Sampling::GREEDY };
    let mut sampler = Sampler::new(sampling, &[1]);
    assert_eq!(sampler.next(&mut [1.9, 3.0, 0.1]).unwrap(), 0);
    assert_eq!(sampler.next(&mut [-1.0, -1.0, -1.5]).unwrap(), 2);
    assert!(sampler.next(&mut [f32::NAN, 0.0, 0.0]).is_err());
}
