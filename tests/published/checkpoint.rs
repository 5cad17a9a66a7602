//! A whole real model's file.

use std::path::PathBuf;

use qwgpu::checkpoint::{Checkpoint, TokenizerSource};

use crate::external::External;

pub static TESTS: &[External] = &[External {
    name: "checkpoint/every_tensor_of_a_real_model_reads",
    needs: &["QWGPU_MODEL"],
    run: every_tensor_of_a_real_model_reads,
}];

fn every_tensor_of_a_real_model_reads(paths: &[PathBuf]) {
    let checkpoint = Checkpoint::open(&paths[0]).unwrap();
    if let TokenizerSource::Gguf(vocab) = &checkpoint.tokenizer {
        assert_eq!(vocab.tokens.len(), vocab.token_types.len());
    }
    let rows = checkpoint.config["vocab_size"].as_u64().unwrap();
    let width = checkpoint.config["hidden_size"].as_u64().unwrap();
    let embeddings = checkpoint.tensors.get("model.embed_tokens.weight").unwrap();
    assert_eq!(embeddings.shape, [rows as usize, width as usize]);
    let (mut exact, mut rounded) = (Vec::new(), Vec::new());
    for tensor in checkpoint.tensors.infos() {
        let all = 0..tensor.elements();
        checkpoint.tensors.read_f32(&tensor.name, all.clone(), &mut exact).unwrap();
        checkpoint.tensors.read_bf16(&tensor.name, all, &mut rounded).unwrap();
        assert_eq!(exact.len(), rounded.len(), "{}", tensor.name);
        for (exact, rounded) in exact.iter().zip(&rounded) {
            assert_eq!(half::bf16::from_f32(*exact).to_bits(), *rounded, "{}", tensor.name);
        }
    }
}
