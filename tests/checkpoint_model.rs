//! Reads a whole real model: QWGPU_MODEL names it, or it lies in models/.

use std::path::{Path, PathBuf};
use std::time::Instant;

use qwgpu::checkpoint::{Checkpoint, TokenizerSource};

fn model() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("QWGPU_MODEL") {
        return Some(path.into());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut files = std::fs::read_dir(folder).ok()?.flatten().map(|e| e.path());
    files.find(|path| path.extension().is_some_and(|ending| ending == "gguf"))
}

#[test]
fn every_tensor_of_a_real_model_reads() {
    let Some(path) = model() else {
        println!("skipped: neither QWGPU_MODEL nor models/*.gguf is there");
        return;
    };
    let start = Instant::now();
    let checkpoint = Checkpoint::open(&path).unwrap();
    println!("open {:.3} s", start.elapsed().as_secs_f64());
    println!("{}", serde_json::to_string(&checkpoint.config).unwrap());
    println!("{}", serde_json::to_string(&checkpoint.generation).unwrap());
    if let TokenizerSource::Gguf(vocab) = &checkpoint.tokenizer {
        println!("{} tokens, {} merges", vocab.tokens.len(), vocab.merges.len());
        assert_eq!(vocab.tokens.len(), vocab.token_types.len());
    }
    let rows = checkpoint.config["vocab_size"].as_u64().unwrap();
    let width = checkpoint.config["hidden_size"].as_u64().unwrap();
    let embeddings = checkpoint.tensor("model.embed_tokens.weight").unwrap();
    assert_eq!(embeddings.shape, [rows as usize, width as usize]);

    // The page cache is filled first, so that the speeds are those of the decoders.
    let mut bytes = Vec::new();
    for tensor in checkpoint.tensors() {
        checkpoint.read_bytes(&tensor.name, 0..tensor.elements(), &mut bytes).unwrap();
    }
    let mut speeds: Vec<(&str, usize, f64)> = Vec::new();
    let (mut exact, mut rounded) = (Vec::new(), Vec::new());
    for tensor in checkpoint.tensors() {
        let all = 0..tensor.elements();
        checkpoint.read_f32(&tensor.name, all.clone(), &mut exact).unwrap();
        checkpoint.read_bf16(&tensor.name, all.clone(), &mut rounded).unwrap();
        let start = Instant::now();
        checkpoint.read_bf16(&tensor.name, all, &mut rounded).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        for (exact, rounded) in exact.iter().zip(&rounded) {
            assert_eq!(half::bf16::from_f32(*exact).to_bits(), *rounded);
        }
        let name = tensor.storage.name;
        match speeds.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, elements, total)) => {
                *elements += rounded.len();
                *total += seconds;
            }
            None => speeds.push((name, rounded.len(), seconds)),
        }
    }
    for (name, elements, seconds) in speeds {
        let rate = 2.0 * elements as f64 / seconds / 1e6;
        println!("{name}: {elements} elements to bf16 at {rate:.0} MB/s");
    }
}
