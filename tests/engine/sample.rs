//! Sampling: shares of draws, cuts of the tail, the penalty, and the settings that a model recommends.

use std::path::Path;

use qwgpu::generate::{DeviceChoice, Engine, Flow, Model, PassOutput, Sampler, Sampling, Spec, load};
use serde_json::{Value, json};

use crate::devices::devices;
use crate::files::fixture;

const QWEN: Sampling =
    Sampling { temperature: 0.7, top_k: 20, top_p: 0.8, repetition_penalty: 1.05, ..Sampling::GREEDY };

fn draws(sampling: Sampling, logits: &[f32]) -> Vec<u32> {
    let mut sampler = Sampler::new(sampling, &[]);
    (0..4000).map(|_| sampler.next(logits).unwrap()).collect()
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
fn top_k_top_p_and_min_p_cut_the_tail() {
    let logits = [1.0, 3.0, 2.0, 0.0];
    let hot = Sampling { temperature: 5.0, ..Sampling::GREEDY };
    assert!(draws(Sampling { top_k: 2, ..hot }, &logits).iter().all(|d| [1, 2].contains(d)));
    assert!(draws(Sampling { top_p: 0.01, ..hot }, &logits).iter().all(|d| *d == 1));
    assert!(draws(hot, &logits).contains(&3));
    // exp(-1 / 5) is 0.819 and exp(-2 / 5) is 0.670.
    let least = draws(Sampling { min_p: 0.7, ..hot }, &logits);
    assert!(least.contains(&2) && least.iter().all(|d| [1, 2].contains(d)));
    assert!(draws(Sampling { min_p: 0.83, ..hot }, &logits).iter().all(|d| *d == 1));
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
    assert_eq!(read(qwen).unwrap(), QWEN);
    let bare = read(json!({ "do_sample": true, "top_p": null })).unwrap();
    assert_eq!((bare.temperature, bare.top_k, bare.top_p), (1.0, 50, 1.0));
    assert_eq!(read(json!({ "do_sample": false, "temperature": 0.7 })).unwrap().temperature, 0.0);
    for (field, value) in [
        ("temperature", json!("hot")),
        ("temperature", json!(-1)),
        ("top_p", json!(0)),
        ("min_p", json!(2)),
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
    assert_eq!(sampler.next(&[1.9, 3.0, 0.1]).unwrap(), 0);
    assert_eq!(sampler.next(&[-1.0, -1.0, -1.5]).unwrap(), 2);
    assert!(sampler.next(&[f32::NAN, 0.0, 0.0]).is_err());
}

/// Settings by which candidates decide: Qwen's, others with and without a penalty, and a penalty so high that candidates
/// are often too few.
pub fn settings() -> Vec<Sampling> {
    let hot = Sampling { temperature: 1.5, top_k: 50, ..Sampling::GREEDY };
    let mut all: Vec<Sampling> = (0..3).map(|seed| Sampling { seed, ..QWEN }).collect();
    all.extend((3..6).map(|seed| Sampling { seed, ..hot }));
    all.push(Sampling { repetition_penalty: 1.1, temperature: 1.0, ..QWEN });
    all.push(Sampling { min_p: 0.05, ..hot });
    all.push(Sampling { repetition_penalty: 50.0, ..hot });
    all.push(Sampling { repetition_penalty: 1.3, ..Sampling::GREEDY });
    all
}

fn sampled(engine: &mut Engine, ids: &[u32], count: usize, sampling: Sampling) -> Vec<u32> {
    let mut tokens = Vec::new();
    engine.truncate(0);
    engine.draws_on_device = true;
    let each = |token| {
        tokens.push(token);
        Ok(Flow::Continue)
    };
    engine.sample(ids, count, &mut Sampler::new(sampling, ids), each).unwrap();
    tokens
}

/// Tokens drawn from all logits, which are read one token after the other.
fn from_all_logits(model: &mut Model, ids: &[u32], count: usize, sampling: Sampling) -> Vec<u32> {
    let vocab = model.tokenizer().unwrap().vocab_size();
    let engine = &mut model.engine;
    engine.truncate(0);
    let mut sampler = Sampler::new(sampling, ids);
    let mut tokens = Vec::new();
    let mut logits = engine.logits(ids).unwrap();
    while tokens.len() < count {
        tokens.push(sampler.next(&logits[..vocab]).unwrap());
        logits = engine.logits(&tokens[tokens.len() - 1..]).unwrap();
    }
    tokens
}

pub fn open(model: &str, device: &DeviceChoice) -> Model {
    load(&Spec::files(fixture(model)), device, Some(256), &mut ()).unwrap()
}

fn hold_to_all_logits(model: &mut Model, prompt: usize, count: usize, settings: &[Sampling], on: &str) {
    let ids: Vec<u32> = (0..prompt as u32).map(|i| i * 37 % 300).collect();
    for &sampling in settings {
        let expected = from_all_logits(model, &ids, count, sampling);
        assert_eq!(sampled(&mut model.engine, &ids, count, sampling), expected, "{sampling:?} on {on}");
    }
}

#[test]
fn candidates_give_the_tokens_of_all_logits() {
    for device in devices() {
        let mut model = open("tiny-qwen", &device);
        hold_to_all_logits(&mut model, 7, 12, &settings(), &format!("{device:?}"));
        // More than a chunk, and so many seen that some logits are read.
        hold_to_all_logits(&mut model, 150, 6, &settings()[6..], &format!("{device:?}"));
    }
    let device = DeviceChoice { device: Some("emulated:32".into()), ..DeviceChoice::default() };
    hold_to_all_logits(&mut open("micro-qwen", &device), 40, 5, &settings()[5..], "emulated:32");
}

/// What the device draws is a guess, which decides nothing.
#[test]
fn a_wrong_guess_of_the_device_changes_no_token() {
    let shaders = tempfile::tempdir().unwrap();
    let text = include_str!("../../shaders/draw.wgsl");
    let wrong = text.replace("y[0] = sorted_tokens[at];", "y[0] = sorted_tokens[k - 1u];");
    assert_ne!(wrong, text);
    std::fs::write(shaders.path().join("draw.wgsl"), wrong).unwrap();
    let device = DeviceChoice { shaders: Some(shaders.path().to_owned()), ..DeviceChoice::default() };
    hold_to_all_logits(&mut open("tiny-qwen", &device), 30, 12, &settings(), "a device that guesses wrongly");
}

#[test]
fn candidates_are_read_and_not_all_logits() {
    let model = open("tiny-qwen", &DeviceChoice::cpu());
    let words = |output| model.engine.plan(1, output).1.unwrap().words();
    assert_eq!([PassOutput::Token, PassOutput::Drawn(20), PassOutput::Logits].map(words), [1, 41, 1280]);
}
