//! One form of one model under measurement: each step once, its result in a file that says what of.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::eval::{Prepared, ask};
use super::model::PathArg;
use super::output::note;
use super::study::{Args, Model, ends_all};
use super::study_conditions::Machine;
use super::{bench, interrupt, progress, quantize};
use crate::bench::models::{Measured, Protocol, measure};
use crate::bench::usage;
use crate::checkpoint::Checkpoint;
use crate::date;
use crate::digest::sha256;
use crate::error::Error;
use crate::eval::divergence;
use crate::eval::journal::{Journal, NUMERICS};
use crate::eval::layout;
use crate::eval::perplexity;
use crate::eval::run::Shard;
use crate::generate::Loaded;
use crate::metrics::information::Distance;
use crate::quantize::model_digest;
use crate::report::data::{Conditions, Fact, Memory, Outliers, Perplexity, Run, Score, Speed};
use crate::study::texts::Text;
use crate::study::{Form, scores};
use crate::whole_file;

/// Results of steps that are done, in files that say what of.
pub(super) struct Step {
    folder: PathBuf,
    key: Value,
}

impl Step {
    pub fn new(folder: &Path, key: Value) -> Step {
        Step { folder: folder.to_owned(), key }
    }

    pub fn done<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        make: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let path = self.folder.join(format!("{name}.json"));
        let known: Option<Value> = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(known) = known.filter(|known| known["key"] == self.key)
            && let Ok(value) = serde_json::from_value(known["value"].clone())
        {
            return Ok(value);
        }
        let value = make()?;
        let text = serde_json::to_vec(&json!({ "key": self.key, "value": value }))?;
        whole_file::write(&path, text)?;
        Ok(value)
    }
}

/// One form of one model under measurement.
pub(super) struct Measuring<'a> {
    args: &'a Args,
    machine: &'a Machine,
    model: &'a Model,
    form: &'a Form,
    /// The files that are run.
    path: PathBuf,
    digest: String,
    folder: PathBuf,
    loaded: Option<(PathArg, Loaded)>,
    /// Whether the process's peak of memory is this form's own.
    own_peak: bool,
}

impl<'a> Measuring<'a> {
    pub fn new(
        args: &'a Args,
        machine: &'a Machine,
        model: &'a Model,
        form: &'a Form,
        conditions: &mut Conditions,
    ) -> anyhow::Result<Measuring<'a>> {
        let path = match &form.settings {
            None => model.path.clone(),
            Some(settings) => {
                let device = args.device_on(args.device.path);
                quantize::cached(&model.path, settings.clone(), &args.calibration, &device)?
            }
        };
        let folder = args.out.join("runs").join(&model.name).join(&form.name);
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let digest = model_digest(&Checkpoint::open(&path)?)?;
        conditions.digests.push(Fact { name: format!("{} {}", model.name, form.name), value: digest.clone() });
        Ok(Measuring { args, machine, model, form, path, digest, folder, loaded: None, own_peak: false })
    }

    /// The model on this path, of which one at a time is held.
    fn loaded(&mut self, on: PathArg) -> anyhow::Result<&mut Loaded> {
        if self.loaded.as_ref().is_none_or(|(path, _)| *path != on) {
            self.loaded = None;
            // What ran before, the 16-bit reference too, is not this model's memory.
            self.own_peak = usage::reset_peak();
            self.loaded = Some((on, self.model.load(&self.path, self.args, on)?));
        }
        Ok(&mut self.loaded.as_mut().expect("just loaded").1)
    }

    fn step(&self, on: PathArg, more: Value) -> Step {
        let adapter = if on == self.args.device.path { &self.machine.scores } else { &self.machine.speed };
        Step::new(&self.folder, json!([NUMERICS, self.digest, on.name(), adapter, self.model.context, more]))
    }

    /// Everything of this form; `prepared` are the benchmarks' requests.
    pub fn run(mut self, prepared: Option<&mut Prepared>) -> anyhow::Result<Run> {
        let (model, speed_path) = (self.model, self.args.speed_path());
        let mut perplexities = Vec::new();
        for (text, ids) in &model.texts {
            let distance = self.distance(text, &ids[..model.window])?;
            let distance_samples = distance.map(|_| self.link(&format!("divergence-{}.json", text.name)));
            perplexities.push(Perplexity { distance, distance_samples, ..self.perplexity(text, ids)? });
        }
        let scores = prepared.map_or(Ok(Vec::new()), |prepared| self.scores(prepared))?;
        // Before memory: scratch tensors are there once a model has run.
        let speeds = self.speeds()?;
        let memory = self.step(speed_path, Value::Null).done("memory", || {
            let (weights, kv, scratch) = self.loaded(speed_path)?.engine.memory();
            let peak = usage::peak_bytes().filter(|_| self.own_peak);
            Ok(Memory {
                weights: Some(weights),
                kv: Some(kv),
                scratch: Some(scratch),
                host_rss_peak: peak,
                ..Memory::default()
            })
        })?;
        let memory = Memory { samples: Some(self.link("memory.json")), ..memory };
        let report = std::fs::read(self.path.join(REPORT)).ok();
        if let Some(report) = &report {
            whole_file::write(&self.folder.join(REPORT), report)?;
        }
        let report: Option<Value> = report.and_then(|report| serde_json::from_slice(&report).ok());
        let spqr = crate::quant::Method::Spqr.name();
        let outliers = report.as_ref().filter(|_| self.form.method == spqr).map(|report| {
            let layers = report["layers"].as_array().into_iter().flatten();
            Outliers {
                share: report["outlier_share"].as_f64().unwrap_or(0.0),
                layers: layers.filter_map(|layer| layer["outlier_share"].as_f64()).collect(),
                threshold: report["outlier_threshold"].as_f64(),
                samples: Some(self.link(REPORT)),
            }
        });
        Ok(Run {
            model: model.name.clone(),
            parameters: model.parameters,
            method: self.form.method.to_owned(),
            bits: self.form.bits,
            true_bits: report.as_ref().map_or(Some(16.0), |report| report["bits_per_weight"].as_f64()),
            purpose: self.form.purpose,
            options: self.form.options.clone(),
            outliers,
            memory,
            speeds,
            perplexities,
            scores,
        })
    }

    fn perplexity(&mut self, text: &Text, ids: &[u32]) -> anyhow::Result<Perplexity> {
        let name = format!("perplexity-{}", text.name);
        let samples = self.link(&format!("{name}.json"));
        let path = self.args.device.path;
        let length = self.model.window;
        self.step(path, json!([length, digest(ids)])).done(&name, || {
            let engine = &mut self.loaded(path)?.engine;
            let bar = progress::counted(text.title, (ids.len() / length) as u64);
            let mut nll = Vec::new();
            for window in ids.chunks_exact(length) {
                interrupt::check()?;
                nll.push(perplexity::window_nll(engine, window)?);
                bar.inc(1);
            }
            bar.finish_and_clear();
            let value = perplexity::perplexity(&nll);
            note(&format!("{}: perplexity {value:.4}", text.title));
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

    /// From the 16-bit model's predictions of the first tokens of `window`; none for that model itself, or where
    /// this one gives no numbers.
    fn distance(&mut self, text: &Text, window: &[u32]) -> anyhow::Result<Option<Distance>> {
        let tokens = &window[..self.args.kl_tokens.min(window.len())];
        if self.form.settings.is_none() || tokens.len() < 2 {
            return Ok(None);
        }
        let (args, model, path) = (self.args, self.model, self.args.device.path);
        let what = json!([&model.digest, digest(tokens)]);
        let step = self.step(path, what.clone());
        step.done(&format!("divergence-{}", text.name), || {
            // Kept beside the 16-bit run's own files, for all other forms of the model.
            let folder = args.out.join("runs").join(&model.name).join("bf16");
            let reference = Step::new(&folder, json!([NUMERICS, path.name(), self.machine.scores, what]));
            let reference = reference.done(&format!("predictions-{}", text.name), || {
                self.loaded = None;
                Ok(divergence::predictions(&mut model.load(&model.path, args, path)?.engine, tokens)?)
            });
            let reference = match reference {
                // What does not run in 16 bits has nothing to be compared with.
                Err(error) if !ends_all(&error) => return Ok(None),
                reference => reference?,
            };
            match divergence::distance(&mut self.loaded(path)?.engine, tokens, &reference) {
                Err(Error::NotFinite { .. }) => Ok(None),
                distance => Ok(Some(distance?)),
            }
        })
    }

    /// A file of this form's folder, as the report links it.
    fn link(&self, file: &str) -> String {
        format!("runs/{}/{}/{file}", self.model.name, self.form.name)
    }

    fn scores(&mut self, prepared: &mut Prepared) -> anyhow::Result<Vec<Score>> {
        prepared.turn_to(&self.path, &format!("{} {}", self.model.name, self.form.name))?;
        let settings = serde_json::to_value(&prepared.settings)?;
        // A form that is quantized otherwise, or computed elsewhere, is another one.
        let who = sha256(serde_json::to_vec(&prepared.identity)?);
        let path = self.folder.join(format!("journal-{}.jsonl", &who[..8]));
        let mut journal = Journal::open(&path, &prepared.identity, settings, date::now(), false)?;
        if prepared.lacks(Shard::ALL, &journal) {
            ask(self.loaded(self.args.device.path)?, prepared, Shard::ALL, &mut journal, true)?;
        }
        let finished = prepared.finished(journal.kept(), journal.begun)?;
        let results = layout::results(&finished);
        let file = layout::write(&finished, &results, &self.folder)?;
        let beside = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let results_file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut all = Vec::new();
        for (task, sets) in &finished.tasks {
            // Prompts are equal for all forms of a model, and with them their digests.
            let digest = sha256(results["task_hashes"].to_string());
            let samples = |set: Option<&str>| {
                let name = set.map_or(results_file.clone(), |set| layout::samples_file(set, journal.begun));
                self.link(&format!("{beside}/{name}"))
            };
            all.extend(scores::scores(task, sets, &digest, samples));
        }
        Ok(all)
    }

    fn speeds(&mut self) -> anyhow::Result<Vec<Speed>> {
        let (prompt, generated) = self.args.speed;
        if prompt == 0 || generated == 0 {
            return Ok(Vec::new());
        }
        let name = format!("{} {}", self.model.name, self.form.name);
        let path = self.args.speed_path();
        let copy_bandwidth = self.machine.bandwidth;
        let speed = self.step(path, json!([prompt, generated])).done("speed", || {
            let loaded = self.loaded(path)?;
            let protocol = Protocol { prompt, generated, repeats: if loaded.run.software { 3 } else { 5 } };
            let m: Measured = match measure(loaded, &name, 0.0, protocol, None, &mut bench::watch("tokens")) {
                // Whoever gives no numbers writes no tokens.
                Err(Error::NotFinite { .. }) => return Ok(None),
                measured => measured?,
            };
            let [prefill, decode] = m.rates;
            Ok(Some(Speed {
                prompt: prompt as u64,
                generated: generated as u64,
                prefill,
                decode,
                bytes_per_token: Some(m.decode.bytes_per_token as u64),
                copy_bandwidth,
                first_token_cold: Some(m.cold_first_token_s),
                samples: None,
            }))
        })?;
        let samples = Some(self.link("speed.json"));
        Ok(speed.into_iter().map(|speed| Speed { samples: samples.clone(), ..speed }).collect())
    }
}

/// How a folder was quantized, as it says itself.
const REPORT: &str = "quantize_report.json";

/// Of tokens.
pub(super) fn digest(ids: &[u32]) -> String {
    sha256(bytemuck::cast_slice::<_, u8>(ids))
}
