//! A model of a study: what is known of it without its weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::adapters::StudyAdapters;
use super::matrix::ModelForm;
use super::memory_speed::lengths;
use super::settings::StudySettings;
use super::texts::StudyText;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::eval::{EvalSettings, Evaluation, perplexity};
use crate::generate::{Compute, Model, load};
use crate::model::Config;
use crate::progress::Progress;
use crate::quantize::model_digest;
use crate::report::data::NamedValue;
use crate::session::OpenOptions;

/// A model of a study.
pub struct StudyModel {
    /// The name that results use.
    pub name: String,
    pub path: PathBuf,
    pub parameters: u64,
    /// Digest of its files.
    pub digest: String,
    /// Digest of its tokenizer.
    pub tokenizer: String,
    /// The formats of its weights with their shares.
    stored: String,
    /// Bits of a weight of the decoder layers in a GGUF file; None for a folder.
    pub gguf_bits: Option<f64>,
    /// The tokens of each text's windows, one after another.
    pub texts: Vec<(&'static StudyText, Vec<u32>)>,
    pub window: usize,
    pub context: usize,
    /// The requests of the benchmarks.
    pub evaluation: Option<Evaluation>,
}

impl StudyModel {
    /// Reads all of the model `name` but its weights, and makes the requests of the benchmarks.
    ///
    /// # Errors
    /// No such model, text or data; settings that do not fit the model.
    pub fn open(name: &str, settings: &StudySettings, adapters: &StudyAdapters) -> Result<StudyModel> {
        let path = PathBuf::from(name);
        let checkpoint = Checkpoint::open(&path)?;
        let tokenizer = load::tokenizer(&checkpoint, &path)?;
        let config = Config::from_json(&checkpoint.config, &load::config_file(&path))?;
        let context = load::within("`context`", settings.context, 4096, &config)?;
        let window = load::within("`window`", settings.window, 2048, &config)?;
        if let Some((prompt, generated)) = lengths(settings)
            && prompt + generated > context.max(window)
        {
            let expected = format!("at most {} tokens of prompt and reply, the context of {name}", context.max(window));
            let fix = "give a smaller `speed` or a larger `context`";
            return Err(Error::request("`speed`", expected, format!("{prompt}/{generated}"), fix));
        }
        let mut texts = Vec::new();
        for text in &settings.matrix.texts {
            let text = StudyText::named(text)?;
            let ids = tokenizer.encode(&text.read(&settings.data)?)?;
            let windows = perplexity::windows(&ids, window, settings.windows)?;
            texts.push((text, windows.concat()));
        }
        let folder = std::path::absolute(&path).map_err(Error::io(&path))?;
        let name = folder.file_name().map_or(name.to_owned(), |n| n.to_string_lossy().into_owned());
        let name = name.strip_suffix(".gguf").map_or(name.clone(), str::to_owned);
        let asked = (!settings.matrix.tasks.is_empty()).then(|| EvalSettings {
            model: path.clone(),
            label: name.clone(),
            context,
            path: settings.device.path.name().to_owned(),
            adapter: adapters.scores.clone(),
            kv_cache: adapters.scores_cache,
            tasks: settings.matrix.tasks.clone(),
            data: settings.data.clone(),
            shots: settings.shots,
            limit: settings.limit.clone(),
            max_new_tokens: settings.reply_tokens,
            ..EvalSettings::default()
        });
        Ok(StudyModel {
            name,
            parameters: checkpoint.tensors.infos().iter().map(|tensor| tensor.elements() as u64).sum(),
            digest: model_digest(&checkpoint)?,
            tokenizer: tokenizer.digest().to_owned(),
            stored: stored(&checkpoint),
            gguf_bits: checkpoint.is_gguf().then(|| layer_bits(&checkpoint)),
            path,
            texts,
            window,
            context,
            evaluation: asked.map(Evaluation::prepare).transpose()?,
        })
    }

    /// Returns those of `forms` that the model can have: only a GGUF file has blocks.
    pub fn forms<'a>(&self, forms: &'a [ModelForm]) -> impl Iterator<Item = &'a ModelForm> + use<'a> {
        let gguf = self.gguf_bits.is_some();
        forms.iter().filter(move |form| gguf || !form.packed)
    }

    /// Returns the longest sequence that a measurement takes, in tokens.
    pub fn longest(&self) -> usize {
        self.context.max(self.window)
    }

    /// Loads one of its forms from `files`; unless `packed`, GGUF's blocks are widened to bf16.
    ///
    /// # Errors
    /// Damaged files, or a form that does not fit the device; what `progress` returns.
    pub fn load(
        &self,
        files: &Path,
        packed: bool,
        settings: &StudySettings,
        path: Compute,
        progress: &mut dyn Progress,
    ) -> Result<Model> {
        let context = Some(self.longest());
        let device = settings.device_on(path);
        let options = OpenOptions { device, context, dequantize: !packed, ..OpenOptions::default() };
        options.open(&files.display().to_string(), progress)
    }

    /// Returns what the report says of the model's files: the 16-bit form holds what they hold, which may be fewer bits.
    pub fn facts(&self) -> Vec<NamedValue> {
        let [stored, context] = ["is stored in", "context"].map(|what| format!("{} {what}", self.name));
        vec![NamedValue::new(stored, &self.stored), NamedValue::new(context, self.context.to_string())]
    }
}

/// Returns the bits of a weight of the decoder layers' linears, scales and minimums counted.
fn layer_bits(checkpoint: &Checkpoint) -> f64 {
    let linears =
        checkpoint.tensors.infos().iter().filter(|t| t.name.starts_with("model.layers.") && t.shape.len() == 2);
    let (bytes, elements) = linears.fold((0, 0), |(b, e), tensor| (b + tensor.bytes, e + tensor.elements()));
    8.0 * bytes as f64 / elements as f64
}

/// Lists the formats of a checkpoint's weights with their shares, the largest first.
fn stored(checkpoint: &Checkpoint) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for tensor in checkpoint.tensors.infos() {
        *counts.entry(tensor.storage.name).or_default() += tensor.elements();
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let all: usize = counts.iter().map(|(_, count)| count).sum();
    let share = |(name, count): &(&str, usize)| format!("{name} {:.1} %", *count as f64 * 100.0 / all.max(1) as f64);
    counts.iter().map(share).collect::<Vec<_>>().join(", ")
}
