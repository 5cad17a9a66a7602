//! Model, settings and calibration samples of a quantization run, and what identifies it.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Settings;
use crate::checkpoint::Checkpoint;
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::formats::file::Quantization;
use crate::formats::gguf::blocks::Q8_0;
use crate::model::Config;
use crate::model::families::Slot;

/// Quantization to be run.
pub struct Job<'a> {
    pub checkpoint: &'a Checkpoint,
    pub config: Config,
    pub settings: Settings,
    /// Tokens of each calibration sample; empty for methods that need none.
    pub samples: Vec<Vec<u32>>,
    /// Origin of the samples, for the report.
    pub calibration: Value,
}

impl Job<'_> {
    /// Returns everything that decides the folder's bytes, as text.
    pub fn identity(&self) -> Result<String> {
        let mut sha = Sha256::new();
        for sample in &self.samples {
            sha.update((sample.len() as u64).to_le_bytes());
            sha.update(bytemuck::cast_slice(sample));
        }
        let (model, settings, samples) = (model_digest(self.checkpoint)?, self.settings.to_json(), hex(sha.finalize()));
        let version = env!("CARGO_PKG_VERSION");
        Ok(json!({ "model": model, "settings": settings, "samples": samples, "version": version }).to_string())
    }

    /// Checks the settings against model and samples.
    pub fn check(&self) -> Result<()> {
        self.settings.check()?;
        if self.settings.quant.method.calibrated && self.samples.is_empty() {
            let fix = "give a text, JSONL documents or instructions";
            return Err(Error::request("`calibration`", "samples for this method", "none", fix));
        }
        if Quantization::of(self.checkpoint)?.is_some() {
            let what = "quantizing a model that is quantized already";
            return Err(Error::unsupported(&self.checkpoint.path, what, "start from the original model"));
        }
        for i in 0..self.config.num_hidden_layers {
            for slot in self.config.family.layer {
                let Slot::Linear { name, rows, cols, .. } = *slot else { continue };
                let name = format!("model.layers.{i}.{name}");
                if !self.settings.skips(&name) {
                    let Settings { quant, options, .. } = &self.settings;
                    options.check_shape(quant.bits, &name, rows.of(&self.config), cols.of(&self.config))?;
                }
            }
        }
        let (vocab, hidden) = (self.config.vocab_size, self.config.hidden_size);
        if self.settings.run.lm_head && !hidden.is_multiple_of(Q8_0.columns) {
            let expected = format!("a hidden_size of whole blocks of {} columns", Q8_0.columns);
            return Err(Error::request("`lm_head`", expected, hidden, "leave it out"));
        }
        if let Some(id) = self.samples.iter().flatten().find(|id| **id as usize >= vocab) {
            let expected = format!("more than {id}, a token of the calibration text");
            let fix = "tokenizer and weights are not of the same model; download both again";
            return Err(Error::malformed(&self.checkpoint.path, "vocab_size", expected, vocab, fix));
        }
        let longest = self.config.max_position_embeddings;
        if let Some(sample) = self.samples.iter().find(|s| s.is_empty() || s.len() > longest) {
            let expected = format!("samples of 1 to {longest} tokens, what the model was trained for");
            return Err(Error::request("`length`", expected, sample.len(), "give a smaller `length`"));
        }
        Ok(())
    }
}

/// Returns the digest of an identity, which names a cached folder and is in the report of every finished one.
pub fn identity_digest(identity: &str) -> String {
    hex(&Sha256::digest(identity.as_bytes())[..8])
}

/// Returns a digest of a model: of its config, the names and shapes of its tensors, the bytes of its files and the
/// first 4 KiB of each MiB of its tensors.
///
/// # Errors
/// A file cannot be read.
pub fn model_digest(checkpoint: &Checkpoint) -> Result<String> {
    const EVERY: usize = 1 << 20;
    let mut sha = Sha256::new();
    sha.update(serde_json::to_vec(&checkpoint.config).unwrap_or_default());
    sha.update(checkpoint.tensors.file_bytes().to_le_bytes());
    let mut bytes = Vec::new();
    for tensor in checkpoint.tensors.infos() {
        sha.update(format!("{} {:?} {}\n", tensor.name, tensor.shape, tensor.storage.name));
        let elements = tensor.elements();
        let block = tensor.storage.elements;
        for start in (0..elements / block * block).step_by(EVERY / block * block) {
            let end = (start + 4096usize.next_multiple_of(block)).min(elements);
            checkpoint.tensors.read_bytes(&tensor.name, start..end, &mut bytes)?;
            sha.update(&bytes);
        }
    }
    Ok(hex(sha.finalize()))
}
