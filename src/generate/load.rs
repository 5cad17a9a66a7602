//! Loading a model by its name onto a device.

use std::path::{Path, PathBuf};

use super::device::{DeviceChoice, Opened, Run};
use super::engine::Engine;
use super::room::expect_room;
use super::tune::{Autotune, at_start};
use crate::checkpoint::{Checkpoint, TokenizerSource};
use crate::error::{Error, Result};
use crate::formats::QuantType;
use crate::gpu::tuning::Chunk;
use crate::model::{Config, Decoder, WeightSource};
use crate::plan::cpu::{Cpu, Mode};
use crate::progress::Progress;
use crate::text::{ChatTemplate, Message, Tokenizer};

/// Files or random weights of a model: `PATH` or `random:SHAPE`.
#[derive(Clone, Debug)]
pub enum Spec {
    /// Hugging Face folder or GGUF file. With `dequantize`, GGUF's blocks are widened to bf16; else they stay packed.
    Files { path: PathBuf, dequantize: bool },
    /// Published shape with random weights: `random:qwen2.5-7b`, in bf16 where `quant` is None. With `lm_head`, embedding
    /// and output matrix are in 8 bits.
    Random { name: String, config: Box<Config>, quant: Option<QuantType>, lm_head: bool },
}

impl Spec {
    /// Returns the model in these files, as they have it.
    pub fn files(path: impl Into<PathBuf>) -> Spec {
        Spec::Files { path: path.into(), dequantize: false }
    }

    /// Parses the name of a model.
    ///
    /// # Errors
    /// A path that does not exist; an unknown name after `random:`.
    pub fn parse(text: &str) -> Result<Spec> {
        if let Some(name) = text.strip_prefix("random:") {
            let config = Config::published(name).ok_or_else(|| {
                Error::request(
                    "`model`",
                    "the name of a published model",
                    text,
                    format!("known: {}", Config::published_names().join(", ")),
                )
            })?;
            return Ok(Spec::Random { name: name.to_owned(), config: Box::new(config), quant: None, lm_head: false });
        }
        let path = PathBuf::from(text);
        if !path.exists() {
            let fix = "give a folder with config.json, a .gguf file, or random:NAME";
            return Err(Error::request("`model`", "a folder or a .gguf file", format!("no such file: {text}"), fix));
        }
        Ok(Spec::files(path))
    }
}

/// A model on a device, with its tokenizer and chat template.
pub struct Model {
    /// Weights, cache and plans on the device.
    pub engine: Engine,
    /// None for random weights.
    pub(super) tokenizer: Option<Tokenizer>,
    chat: ChatTemplate,
    /// Tokens that end a reply.
    pub stop: Vec<u32>,
    /// Fields of generation_config.json; empty where the checkpoint has none.
    pub generation: serde_json::Map<String, serde_json::Value>,
    /// Name of the device.
    pub run: Run,
}

impl Model {
    /// Returns whether the model has a tokenizer; with random weights there is none.
    pub fn has_tokenizer(&self) -> bool {
        self.tokenizer.is_some()
    }

    /// Returns the tokenizer.
    ///
    /// # Errors
    /// The weights are random.
    pub fn tokenizer(&self) -> Result<&Tokenizer> {
        let fix = "give a model folder or a .gguf file";
        let none = || Error::request("`model`", "a model with a tokenizer", "random weights", fix);
        self.tokenizer.as_ref().ok_or_else(none)
    }

    /// Returns the checkpoint's chat template, or ChatML where it has none.
    pub fn chat_template(&self) -> &ChatTemplate {
        &self.chat
    }

    /// Encodes a text. Random weights have no words: the bytes of the text are its ids.
    ///
    /// # Errors
    /// The tokenizer refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match &self.tokenizer {
            Some(tokenizer) => tokenizer.encode(text),
            None => Ok(text.bytes().map(u32::from).collect()),
        }
    }

    /// Encodes a conversation by the chat template, up to where the reply begins.
    ///
    /// # Errors
    /// The template or the tokenizer refuses it; the weights are random.
    pub fn encode_chat(&self, messages: &[Message]) -> Result<Vec<u32>> {
        self.tokenizer()?.encode_without_bos(&self.chat.render(messages, true)?)
    }
}

/// Loads `spec` on `device` for sequences of at most `context` tokens; None is 4096, or less if the model was trained
/// for less. `progress` receives the bytes of weights.
///
/// # Errors
/// Damaged files, files that are not of one model, one that does not fit the device; what `progress` returns.
pub fn load(spec: &Spec, device: &DeviceChoice, context: Option<usize>, progress: &mut dyn Progress) -> Result<Model> {
    load_on(spec, device.open()?, context, progress)
}

/// Loads the same model on the CPU reference, its tensors split, its steps fused and its cache of the type as on `twin`, so that both
/// run one plan.
///
/// # Errors
/// As [`load`].
pub fn load_reference(spec: &Spec, twin: &mut Engine, progress: &mut dyn Progress) -> Result<Model> {
    let device = twin.backend();
    let cpu = Cpu::new(Mode::Host, device.max_tensor_bytes()).fusing(device.fuses());
    let cpu = Opened {
        backend: Box::new(cpu),
        run: Run { kv_cache: twin.kv_cache(), ..Run::on_cpu() },
        chunk: Chunk::any(twin.chunk()),
        autotune: Autotune::Off,
    };
    load_on(spec, cpu, Some(twin.context()), progress)
}

/// Returns the number of tokens that the field `name` gives, or `usual`, less where the model was trained for less.
///
/// # Errors
/// More was given than the model was trained for.
pub fn within(name: &str, given: Option<usize>, usual: usize, config: &Config) -> Result<usize> {
    let most = config.max_position_embeddings;
    match given {
        Some(given) if given == 0 || given > most => {
            let expected = format!("1 to {most}, max_position_embeddings");
            Err(Error::request(name, expected, given, "the model was trained for no more"))
        }
        given => Ok(given.unwrap_or(usual.min(most))),
    }
}

/// Loads as [`load`] does, on a device that is open already.
///
/// # Errors
/// As [`load`].
pub fn load_on(spec: &Spec, opened: Opened, context: Option<usize>, progress: &mut dyn Progress) -> Result<Model> {
    let checkpoint;
    let (config, source) = match spec {
        &Spec::Random { ref config, quant, lm_head, .. } => {
            ((**config).clone(), WeightSource::Random { seed: 0, quant, lm_head })
        }
        Spec::Files { path, dequantize } => {
            checkpoint = Checkpoint::open(path)?;
            let config = Config::from_json(&checkpoint.config, &config_file(path))?;
            (config, WeightSource::Checkpoint { checkpoint: &checkpoint, dequantize: *dequantize })
        }
    };
    let context = within("`context`", context, 4096, &config)?;
    let name = match spec {
        Spec::Random { name, .. } => name.clone(),
        Spec::Files { path, .. } => path.display().to_string(),
    };
    expect_room(&name, &source, &config, context, &opened.run)?;
    let Opened { mut backend, run, chunk, autotune } = opened;
    let chunk = chunk.rows(config.row_flops(context)).min(context);
    let kv_cache = run.kv_cache;
    let model = Decoder::load(config, source, &mut *backend, progress)?;
    let mut engine = Engine::new(backend, model, context, chunk, kv_cache)?;
    at_start(&mut engine, autotune, progress)?;
    engine.prepare()?;
    let mut loaded = Model {
        tokenizer: None,
        chat: ChatTemplate::chatml(),
        stop: Vec::new(),
        generation: Default::default(),
        run,
        engine,
    };
    if let WeightSource::Checkpoint { checkpoint, .. } = source {
        let path = &checkpoint.path;
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
        loaded.chat = chat_template(checkpoint)?;
        loaded.tokenizer = Some(tokenizer);
    }
    Ok(loaded)
}

/// Returns the file that holds the config of the checkpoint at `path`.
pub fn config_file(path: &Path) -> PathBuf {
    if path.is_dir() && path.join("config.json").exists() { path.join("config.json") } else { path.to_owned() }
}

/// Reads the tokenizer of a checkpoint.
pub fn tokenizer(checkpoint: &Checkpoint, path: &Path) -> Result<Tokenizer> {
    match &checkpoint.tokenizer {
        TokenizerSource::Json(bytes) => {
            let mut tokenizer = Tokenizer::from_json(bytes, &path.join("tokenizer.json"))?;
            // tokenizer_config.json overrules tokenizer.json.
            match (checkpoint.special_tokens.add_bos, &checkpoint.special_tokens.bos) {
                (Some(true), Some(bos)) => tokenizer.set_bos(Some(bos))?,
                (Some(false), _) => tokenizer.set_bos(None)?,
                _ => {}
            }
            Ok(tokenizer)
        }
        TokenizerSource::Gguf(vocab) => Tokenizer::from_vocabulary(vocab, path),
    }
}

/// Reads the chat template of a checkpoint, else returns ChatML.
pub fn chat_template(checkpoint: &Checkpoint) -> Result<ChatTemplate> {
    match &checkpoint.chat_template {
        Some(source) => {
            let tokens = &checkpoint.special_tokens;
            ChatTemplate::new(source, tokens.bos.as_deref(), tokens.eos.as_deref())
        }
        None => Ok(ChatTemplate::chatml()),
    }
}

/// Returns the ids that end a reply: those of the checkpoint and those by which known families end a turn.
fn stop_ids(checkpoint: &Checkpoint, tokenizer: &Tokenizer) -> Vec<u32> {
    let ids: Vec<u32> = match &checkpoint.tokenizer {
        TokenizerSource::Gguf(vocab) => vocab.eos.into_iter().chain(vocab.eot).collect(),
        TokenizerSource::Json(_) => Vec::new(),
    };
    tokenizer.end_tokens(checkpoint.generation.get("eos_token_id"), &ids, checkpoint.special_tokens.eos.as_deref())
}
