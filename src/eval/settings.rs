//! Settings of an evaluation: tasks, model, options.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::limits::Limits;
use crate::generate::{KvType, Run};

/// The settings of an evaluation: all that decides its requests. The journal keeps them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvalSettings {
    /// The folder or file of the model that answers.
    pub model: PathBuf,
    /// Widens the blocks of a GGUF file to bf16.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dequantize: bool,
    /// The model's name in the results.
    pub label: String,
    /// Longest sequence in tokens.
    pub context: usize,
    /// The path that computes: `fast`, `portable` or `cpu`.
    pub path: String,
    /// The adapter's name.
    pub adapter: String,
    /// Type of the keys and values in the cache.
    #[serde(skip_serializing_if = "is_f32")]
    pub kv_cache: KvType,
    /// The model that judges replies, by the name its endpoint knows.
    pub judge: Option<String>,
    /// Names of tasks: `mmlu`, or `mmlu:stem` for a part.
    pub tasks: Vec<String>,
    /// The folder with the tasks' data.
    pub data: PathBuf,
    /// Profile of the prompts; None is each task's first one.
    pub profile: Option<String>,
    /// Few-shot examples; None is the profile's number.
    pub shots: Option<usize>,
    /// Documents of each set; None is the profile's limit, else all.
    pub limit: Option<Limits>,
    /// The most tokens of a reply, where a task allows more.
    #[serde(rename = "reply_tokens")]
    pub max_new_tokens: Option<usize>,
    /// Few-shot examples of conversations become turns of them.
    pub fewshot_as_multiturn: bool,
    /// The token in front of an empty context.
    pub prefix_token: Option<u32>,
}

/// Returns whether the cache is in f32, as all were before there was a choice: that is not written down.
pub(super) fn is_f32(kind: &KvType) -> bool {
    *kind == KvType::F32
}

impl EvalSettings {
    /// Returns settings for the model at `model` on the device `run`, with sequences of 4096 tokens.
    pub fn new(model: impl Into<PathBuf>, run: &Run) -> EvalSettings {
        let model = model.into();
        EvalSettings {
            label: model.display().to_string(),
            model,
            context: 4096,
            path: run.path.to_owned(),
            adapter: run.adapter.clone(),
            kv_cache: run.kv_cache,
            ..EvalSettings::default()
        }
    }
}
