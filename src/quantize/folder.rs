//! The folder under way: names of its pieces, what a resumed run reads back, and its end.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Job, LayerReport};
use crate::checkpoint::{Checkpoint, NewFile, NewTensor, SHARD_BYTES, Work, files_beside_weights};
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::formats::file::Quantization;
use crate::generate::load::vocabulary;
use crate::text;

/// A digest of a model: its config, the names and shapes of its tensors, and of each file its size and 4 KiB
/// of each MiB.
pub fn model_digest(checkpoint: &Checkpoint) -> Result<String> {
    const EVERY: usize = 1 << 20;
    let mut sha = Sha256::new();
    sha.update(serde_json::to_vec(&checkpoint.config).unwrap_or_default());
    sha.update(checkpoint.file_bytes().to_le_bytes());
    let mut bytes = Vec::new();
    for tensor in checkpoint.tensors() {
        sha.update(format!("{} {:?} {}\n", tensor.name, tensor.shape, tensor.storage.name));
        let elements = tensor.elements();
        let block = tensor.storage.elements;
        for start in (0..elements / block * block).step_by(EVERY / block * block) {
            let end = (start + 4096usize.next_multiple_of(block)).min(elements);
            checkpoint.read_bytes(&tensor.name, start..end, &mut bytes)?;
            sha.update(&bytes);
        }
    }
    Ok(hex(sha.finalize()))
}

pub(super) fn piece(layer: usize) -> String {
    format!("block-{layer:05}")
}

pub(super) fn read_report(work: &Work, layer: usize) -> Result<LayerReport> {
    let path = work.path(&format!("{}.json", piece(layer)));
    let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
    let fix = "remove the unfinished folder and start anew";
    serde_json::from_slice(&bytes).map_err(|e| Error::malformed(&path, "report", "what this program wrote", e, fix))
}

/// Embedding, final norm and output matrix, the small files, and the folder's name.
pub(super) fn finish(job: &Job, work: Work, quantization: &Quantization, report: &Value) -> Result<()> {
    const HEAD: &str = "head";
    let dtype = quantization.layout.rest_type();
    if !work.has(HEAD) {
        let mut names = vec!["model.embed_tokens.weight", "model.norm.weight"];
        if !job.config.tie_word_embeddings {
            names.push("lm_head.weight");
        }
        let tensors = names.iter().map(|name| NewTensor::from_checkpoint(job.checkpoint, name, dtype));
        work.write(HEAD, &tensors.collect::<Result<Vec<_>>>()?)?;
    }
    let config = quantization.layout.to_json();
    let name = if dtype == "F16" { "float16" } else { "bfloat16" };
    let origin = job.checkpoint.path();
    let mut files =
        files_beside_weights(job.checkpoint, &config, name, |vocab| text::tokenizer_json(vocabulary(vocab), origin))?;
    let report = serde_json::to_string_pretty(report).expect("numbers and names") + "\n";
    files.push(NewFile { name: "quantize_report.json".into(), bytes: report.into_bytes() });
    let pieces: Vec<String> =
        [HEAD.to_owned()].into_iter().chain((0..job.config.num_hidden_layers).map(piece)).collect();
    work.finish(&pieces, &files, SHARD_BYTES)
}
