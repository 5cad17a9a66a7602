//! One form of one model under measurement: each step once, its result in a file that says what of.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::adapters::StudyAdapters;
use super::conditions::digest;
use super::matrix::ModelForm;
use super::memory_speed::{self, MemorySpeed, ModelFiles, measure_apart};
use super::model::StudyModel;
use super::scores::scores;
use super::settings::StudySettings;
use super::step::{cached, ends_study};
use super::texts::StudyText;
use crate::atomic_write;
use crate::checkpoint::Checkpoint;
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::eval::journal::NUMERICS;
use crate::eval::layout::samples_file;
use crate::eval::{Evaluation, Shard, divergence, perplexity};
use crate::generate::{Compute, Model};
use crate::metrics::information::Distance;
use crate::progress::Progress;
use crate::quantize::session;
use crate::quantize::{REPORT, model_digest};
use crate::report::data::{
    BASELINE, Conditions, Memory, NamedValue, OutlierResult, Perplexity, RunResult, Score, SpeedResult,
};
use crate::units;

/// One form of one model under measurement.
pub struct FormRun<'a> {
    settings: &'a StudySettings,
    adapters: &'a StudyAdapters,
    model: &'a StudyModel,
    form: &'a ModelForm,
    /// The files that are run.
    path: PathBuf,
    digest: String,
    folder: PathBuf,
    loaded: Option<(Compute, Model)>,
    progress: &'a mut dyn Progress,
}

impl<'a> FormRun<'a> {
    /// Quantizes the model, or finds it quantized, and adds its digest to `conditions`.
    ///
    /// # Errors
    /// Those of the quantization; the folder cannot be made.
    pub fn new(
        settings: &'a StudySettings,
        adapters: &'a StudyAdapters,
        model: &'a StudyModel,
        form: &'a ModelForm,
        conditions: &mut Conditions,
        progress: &'a mut dyn Progress,
    ) -> Result<FormRun<'a>> {
        let path = match &form.settings {
            None => model.path.clone(),
            Some(quant) => {
                let device = settings.device_on(settings.device.path);
                session::cached(&model.path, quant.clone(), &settings.calibration, &device, progress)?
            }
        };
        let folder = settings.out.join("runs").join(&model.name).join(&form.name);
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let files = model_digest(&Checkpoint::open(&path)?)?;
        let digest = if form.packed { format!("{files}, blocks packed") } else { files };
        conditions.digests.push(NamedValue::new(form.name_of(&model.name), &digest));
        Ok(FormRun { settings, adapters, model, form, path, digest, folder, loaded: None, progress })
    }

    /// Returns the model on this path, of which one at a time is held, and the progress.
    fn loaded(&mut self, on: Compute) -> Result<(&mut Model, &mut dyn Progress)> {
        if self.loaded.as_ref().is_none_or(|(path, _)| *path != on) {
            self.loaded = None;
            self.loaded = Some((on, self.model.load(&self.path, self.form.packed, self.settings, on, self.progress)?));
        }
        Ok((&mut self.loaded.as_mut().expect("just loaded").1, self.progress))
    }

    /// Returns the key of a result that was measured on this path.
    fn key(&self, on: Compute, more: Value) -> Value {
        let StudyAdapters { scores, speed, scores_cache, speed_cache, .. } = self.adapters;
        let scored = on == self.settings.device.path;
        let (adapter, cache) = if scored { (scores, scores_cache) } else { (speed, speed_cache) };
        json!([NUMERICS, self.digest, on.name(), adapter, cache, self.model.context, more])
    }

    /// Measures everything of this form; `evaluation` has the benchmarks' requests.
    ///
    /// # Errors
    /// A form that does not run or gives no numbers; what the progress returns.
    pub fn run(mut self, evaluation: Option<&mut Evaluation>) -> Result<RunResult> {
        let model = self.model;
        let mut perplexities = Vec::new();
        for (text, ids) in &model.texts {
            let distance = self.distance(text, &ids[..model.window])?;
            let distance_samples = distance.map(|_| self.link(&format!("divergence-{}.json", text.name)));
            perplexities.push(Perplexity { distance, distance_samples, ..self.perplexity(text, ids)? });
        }
        let scores = evaluation.map_or(Ok(Vec::new()), |evaluation| self.scores(evaluation))?;
        let (memory, speeds) = self.memory_and_speeds()?;
        let report = std::fs::read(self.path.join(REPORT)).ok();
        report.iter().try_for_each(|report| atomic_write::write(&self.folder.join(REPORT), report))?;
        let report: Option<Value> = report.and_then(|report| serde_json::from_slice(&report).ok());
        let has_outliers = self.form.settings.as_ref().is_some_and(|settings| settings.quant.method.has_outliers);
        let outliers = report.as_ref().filter(|_| has_outliers).map(|report| {
            let layers = report["layers"].as_array().into_iter().flatten();
            OutlierResult {
                share: report["outlier_share"].as_f64().unwrap_or(0.0),
                layers: layers.filter_map(|layer| layer["outlier_share"].as_f64()).collect(),
                threshold: report["outlier_threshold"].as_f64(),
                samples: Some(self.link(REPORT)),
            }
        });
        let true_bits = match &report {
            Some(report) => report["bits_per_weight"].as_f64(),
            None if self.form.packed => model.gguf_bits,
            None => Some(16.0),
        };
        Ok(RunResult {
            model: model.name.clone(),
            parameters: model.parameters,
            method: self.form.method.to_owned(),
            bits: if self.form.packed { true_bits.unwrap_or(16.0).round() as u32 } else { self.form.bits },
            true_bits,
            purpose: self.form.purpose,
            options: self.form.options.clone(),
            outliers,
            memory,
            speeds,
            perplexities,
            scores,
        })
    }

    fn perplexity(&mut self, text: &StudyText, ids: &[u32]) -> Result<Perplexity> {
        let name = format!("perplexity-{}", text.name);
        let samples = self.link(&format!("{name}.json"));
        let path = self.settings.device.path;
        let length = self.model.window;
        cached(&self.file(&name), self.key(path, json!([length, digest(ids)])), || {
            let (model, progress) = self.loaded(path)?;
            let windows: Vec<&[u32]> = ids.chunks_exact(length).collect();
            let nll = perplexity::window_nlls(&mut model.engine, &windows, progress)?;
            let value = perplexity::perplexity(&nll);
            progress.note(&format!("{}: perplexity {}", text.title, units::perplexity(value)));
            Ok(Perplexity {
                text: text.title.to_owned(),
                protocol: "windows".into(),
                window: length as u64,
                tokens: (nll.len() * (length - 1)) as u64,
                value,
                windows: nll,
                samples: Some(samples),
                distance: None,
                distance_samples: None,
            })
        })
    }

    /// Measures the distance from the 16-bit model's predictions of the first tokens of `window`. There is none for
    /// that model itself, nor where this form gives no numbers.
    fn distance(&mut self, text: &StudyText, window: &[u32]) -> Result<Option<Distance>> {
        let tokens = &window[..self.settings.kl_tokens.min(window.len())];
        if self.form.method == BASELINE || tokens.len() < 2 {
            return Ok(None);
        }
        let (settings, model, path) = (self.settings, self.model, self.settings.device.path);
        let what = json!([&model.digest, digest(tokens)]);
        cached(&self.file(&format!("divergence-{}", text.name)), self.key(path, what.clone()), || {
            // Kept beside the 16-bit run's own files, for all other forms of the model.
            let folder = settings.out.join("runs").join(&model.name).join(BASELINE);
            let key = json!([NUMERICS, path.name(), self.adapters.scores, self.adapters.scores_cache, what]);
            let reference = cached(&folder.join(format!("predictions-{}.json", text.name)), key, || {
                self.loaded = None;
                let mut bf16 = model.load(&model.path, false, settings, path, self.progress)?;
                divergence::predictions(&mut bf16.engine, tokens)
            });
            let reference = match reference {
                // What does not run in 16 bits has nothing to be compared with.
                Err(error) if !ends_study(&error) => return Ok(None),
                reference => reference?,
            };
            match divergence::distance(&mut self.loaded(path)?.0.engine, tokens, &reference) {
                Err(Error::NotFinite { .. }) => Ok(None),
                distance => Ok(Some(distance?)),
            }
        })
    }

    /// Returns the file of a result.
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    /// Returns a file of this form's folder as the report links it.
    fn link(&self, file: &str) -> String {
        format!("runs/{}/{}/{file}", self.model.name, self.form.name)
    }

    fn scores(&mut self, evaluation: &mut Evaluation) -> Result<Vec<Score>> {
        evaluation.retarget(&self.path, !self.form.packed, &self.form.name_of(&self.model.name))?;
        // A form that is quantized otherwise, or computed elsewhere, is another one.
        let who = sha256(serde_json::to_vec(&evaluation.identity).expect("names and digests"));
        let path = self.folder.join(format!("journal-{}.jsonl", &who[..8]));
        let mut journal = evaluation.journal(&path, false)?;
        if evaluation.missing(Shard::ALL, &journal).next().is_some() {
            let (model, progress) = self.loaded(self.settings.device.path)?;
            evaluation.run(model, Shard::ALL, &mut journal, true, progress)?;
        }
        let run = evaluation.finish(journal.responses(), journal.begun);
        let results = run.results();
        let file = run.write(&self.folder)?;
        let beside = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let results_file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut all = Vec::new();
        for (task, sets) in &run.tasks {
            // Prompts are equal for all forms of a model, and with them their digests.
            let digest = sha256(results["task_hashes"].to_string());
            let samples = |set: Option<&str>| {
                let name = set.map_or(results_file.clone(), |set| samples_file(set, journal.begun));
                self.link(&format!("{beside}/{name}"))
            };
            all.extend(scores(task, sets, &digest, samples));
        }
        Ok(all)
    }

    /// Measures memory and speed. The model that this process holds is dropped: it would take part of the same memory.
    fn memory_and_speeds(&mut self) -> Result<(Memory, Vec<SpeedResult>)> {
        let (settings, lengths) = (self.settings, memory_speed::lengths(self.settings));
        let file = "memory_speed.json";
        let key = self.key(settings.speed_path(), json!([lengths]));
        let found: MemorySpeed = cached(&self.folder.join(file), key, || {
            self.loaded = None;
            let files = ModelFiles {
                name: self.form.name_of(&self.model.name),
                path: self.path.clone(),
                packed: self.form.packed,
                context: self.model.longest(),
            };
            measure_apart(settings, &files, self.progress)
        })?;
        let samples = Some(self.link(file));
        let MemorySpeed { weights, cache, scratch, host_peak, speed } = found;
        let speed = speed.map(|measured| SpeedResult {
            prompt: measured.prompt as u64,
            generated: measured.generated as u64,
            bytes_per_token: Some(measured.decode.bytes_per_token as u64),
            prefill: measured.prefill.tokens_per_s,
            decode: measured.decode.tokens_per_s,
            copy_bandwidth: self.adapters.bandwidth,
            first_token_cold: Some(measured.cold_first_token_s),
            samples: samples.clone(),
        });
        let [weights, kv, scratch] = [weights, cache, scratch].map(Some);
        Ok((Memory { weights, kv, scratch, host_rss_peak: host_peak, samples }, speed.into_iter().collect()))
    }
}
