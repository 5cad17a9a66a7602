//! From what the user named to an engine that runs.

use std::path::{Path as FilePath, PathBuf};

use crate::checkpoint::{Checkpoint, GgufVocab, TokenizerSource};
use crate::error::{Error, Result};
use crate::generate::Engine;
use crate::gpu::{self, Class, Facts, Gpu};
use crate::model::{Config, Progress, Qwen, Source};
use crate::plan::cpu::{Cpu, Mode};
use crate::plan::{Backend, Path};
use crate::quant::Quant;
use crate::text::{ChatTemplate, Tokenizer, Vocabulary};

/// What runs a model.
#[derive(Clone, Debug)]
pub enum Device {
    Gpu {
        /// Number or part of the name; none takes the best there is.
        wanted: Option<String>,
        require_gpu: bool,
        options: gpu::Options,
    },
    Cpu,
}

/// A model as the command line names it.
#[derive(Clone, Debug)]
pub enum Spec {
    /// A Hugging Face folder or a GGUF file.
    Files(PathBuf),
    /// A published shape with random weights: `random:qwen2.5-7b`, packed where `quant` says how.
    Random { name: String, config: Box<Config>, quant: Option<Quant> },
}

impl Spec {
    /// # Errors
    /// A path that does not exist; an unknown name after `random:`.
    pub fn parse(text: &str) -> Result<Spec> {
        if let Some(name) = text.strip_prefix("random:") {
            let config = Config::published(name).ok_or_else(|| {
                Error::request(
                    "--model",
                    "a published Qwen",
                    text,
                    format!("known: {}", Config::published_names().join(", ")),
                )
            })?;
            return Ok(Spec::Random { name: name.to_owned(), config: Box::new(config), quant: None });
        }
        let path = PathBuf::from(text);
        if !path.exists() {
            let fix = "give a folder with config.json, a .gguf file, or random:NAME";
            return Err(Error::request("--model", "a folder or a .gguf file", format!("no such file: {text}"), fix));
        }
        Ok(Spec::Files(path))
    }
}

/// A model ready to run, and what came with it.
pub struct Loaded {
    pub engine: Engine,
    /// Random models have none.
    pub tokenizer: Option<Tokenizer>,
    pub chat: Option<ChatTemplate>,
    /// Ids that end a reply.
    pub stop: Vec<u32>,
    /// generation_config.json, as far as the checkpoint has one.
    pub generation: serde_json::Map<String, serde_json::Value>,
    pub run: Run,
}

/// What results say of how they were made.
#[derive(Clone, Debug)]
pub struct Run {
    /// The adapter's name, or the CPU's threads.
    pub adapter: String,
    /// `portable`, `fast` or `cpu`.
    pub path: &'static str,
    /// A CPU behind the name of a GPU.
    pub software: bool,
}

/// Loads `spec` on `device` for sequences of at most `context` tokens (none: 4096, or what the model
/// was trained for if that is less). `progress` hears of the weights' bytes and may stop the loading.
pub fn load(spec: &Spec, device: &Device, context: Option<usize>, progress: Progress) -> Result<Loaded> {
    load_on(spec, open(device)?, context, progress)
}

/// The same model on the CPU reference, its tensors split as on `twin`, so that both run one plan.
pub fn load_reference(spec: &Spec, twin: &mut Engine, progress: Progress) -> Result<Loaded> {
    let cpu = Opened {
        backend: Box::new(Cpu::new(Mode::Host, twin.backend().max_tensor_bytes())),
        run: run_on_cpu(),
        chunk: twin.chunk(),
    };
    load_on(spec, cpu, Some(twin.context()), progress)
}

/// A backend, what to say of it, and the chunk it prefills in.
pub struct Opened {
    pub backend: Box<dyn Backend>,
    pub run: Run,
    pub chunk: usize,
}

/// The number of tokens that `option` gives, or `usual`, less where the model was trained for less.
///
/// # Errors
/// More was given than the model was trained for.
pub fn within(option: &str, given: Option<usize>, usual: usize, config: &Config) -> Result<usize> {
    let most = config.max_position_embeddings;
    match given {
        Some(given) if given == 0 || given > most => {
            let expected = format!("1 to {most}, max_position_embeddings");
            Err(Error::request(option, expected, given, "the model was trained for no more"))
        }
        given => Ok(given.unwrap_or(usual.min(most))),
    }
}

/// [`load`] on a device that is open already.
pub fn load_on(spec: &Spec, opened: Opened, context: Option<usize>, progress: Progress) -> Result<Loaded> {
    let checkpoint = match spec {
        Spec::Files(path) => Some(Checkpoint::open(path)?),
        Spec::Random { .. } => None,
    };
    let (config, source) = match (spec, &checkpoint) {
        (Spec::Random { config, quant, .. }, _) => ((**config).clone(), Source::Random { seed: 0, quant: *quant }),
        (Spec::Files(path), Some(checkpoint)) => {
            (Config::from_json(&checkpoint.config, &config_file(path))?, Source::Checkpoint(checkpoint))
        }
        (Spec::Files(_), None) => unreachable!("files are opened above"),
    };
    let context = within("--context", context, 4096, &config)?;
    let Opened { mut backend, run, chunk } = opened;
    let model = Qwen::load(config, source, &mut *backend, progress)?;
    let mut loaded = Loaded {
        tokenizer: None,
        chat: None,
        stop: Vec::new(),
        generation: Default::default(),
        run,
        engine: Engine::new(backend, model, context, chunk.min(context))?,
    };
    if let (Some(checkpoint), Spec::Files(path)) = (&checkpoint, spec) {
        loaded.generation = checkpoint.generation.clone();
        let tokenizer = tokenizer(checkpoint, path)?;
        if tokenizer.vocab_size() > loaded.engine.model.config.vocab_size {
            return Err(Error::malformed(
                &config_file(path),
                "vocab_size",
                format!("{} or more, the tokens of the tokenizer", tokenizer.vocab_size()),
                loaded.engine.model.config.vocab_size,
                "tokenizer and weights are not of the same model; download both again",
            ));
        }
        loaded.engine.set_vocab(tokenizer.vocab_size());
        loaded.stop = stop_ids(checkpoint, &tokenizer);
        loaded.chat = Some(chat_template(checkpoint)?);
        loaded.tokenizer = Some(tokenizer);
    }
    Ok(loaded)
}

/// Opens `device`.
pub fn open(device: &Device) -> Result<Opened> {
    match device {
        Device::Cpu => Ok(Opened { backend: Box::new(Cpu::new(Mode::Host, u64::MAX)), run: run_on_cpu(), chunk: 256 }),
        Device::Gpu { wanted, require_gpu, options } => {
            let adapter = gpu::select(gpu::adapters(), wanted.as_deref(), *require_gpu)?;
            let gpu = Gpu::open(adapter, options.clone())?;
            let run = run_on(&gpu.facts, gpu.path());
            let chunk = gpu::tuning::prefill_chunk(gpu.facts.class);
            Ok(Opened { backend: Box::new(gpu), run, chunk })
        }
    }
}

fn run_on_cpu() -> Run {
    let adapter = format!("CPU reference, {} threads", rayon::current_num_threads());
    Run { adapter, path: "cpu", software: true }
}

/// What to say of an adapter that runs a model.
pub fn run_on(facts: &Facts, path: Path) -> Run {
    let path = match path {
        Path::Portable => "portable",
        Path::Fast => "fast",
    };
    Run { adapter: format!("{} ({})", facts.name, facts.backend), path, software: facts.class == Class::Software }
}

pub fn config_file(path: &FilePath) -> PathBuf {
    if path.is_dir() && path.join("config.json").exists() { path.join("config.json") } else { path.to_owned() }
}

/// The tokenizer a checkpoint brings.
pub fn tokenizer(checkpoint: &Checkpoint, path: &FilePath) -> Result<Tokenizer> {
    match &checkpoint.tokenizer {
        TokenizerSource::Json(bytes) => Tokenizer::from_json(bytes, &path.join("tokenizer.json")),
        TokenizerSource::Gguf(vocab) => Tokenizer::from_vocabulary(vocabulary(vocab), path),
    }
}

/// A vocabulary of a GGUF file as the tokenizer takes it.
pub fn vocabulary(vocab: &GgufVocab) -> Vocabulary {
    Vocabulary {
        tokens: vocab.tokens.clone(),
        token_types: vocab.token_types.clone(),
        merges: vocab.merges.clone(),
        pre: vocab.pre.clone().unwrap_or_default(),
        model: vocab.model.clone(),
        scores: vocab.scores.clone(),
        bos: vocab.bos,
        add_bos: vocab.add_bos,
        add_space_prefix: vocab.add_space_prefix,
    }
}

/// The template a checkpoint brings, else ChatML.
pub fn chat_template(checkpoint: &Checkpoint) -> Result<ChatTemplate> {
    match &checkpoint.chat_template {
        Some(source) => ChatTemplate::new(source, None, None),
        None => Ok(ChatTemplate::chatml(None)),
    }
}

/// Ids that end a reply: those generation_config names, and ChatML's own.
fn stop_ids(checkpoint: &Checkpoint, tokenizer: &Tokenizer) -> Vec<u32> {
    let mut stop: Vec<u32> = match checkpoint.generation.get("eos_token_id") {
        Some(serde_json::Value::Array(ids)) => ids.iter().filter_map(|v| v.as_u64()).map(|v| v as u32).collect(),
        Some(id) => id.as_u64().map(|v| v as u32).into_iter().collect(),
        None => Vec::new(),
    };
    for token in ["<|im_end|>", "<|endoftext|>"] {
        stop.extend(tokenizer.token_id(token));
    }
    stop.sort_unstable();
    stop.dedup();
    stop
}
