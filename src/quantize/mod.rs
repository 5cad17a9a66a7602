//! A model in, a quantized folder out: layer by layer, with calibration where the method asks for it.
//!
//! Each finished decoder layer is on disk before the next begins; a run that was killed goes on from
//! there and ends with the same bytes (`checkpoint::Work`).

pub mod calibration;
mod folder;
mod report;
mod search;
pub mod session;
mod settings;
mod stages;

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use folder::model_digest;
use folder::{finish, piece, read_report};
pub use report::{Entry, LayerReport};
pub use settings::Settings;
use stages::{Bench, Sample, Stage};

use crate::checkpoint::{Checkpoint, NewTensor, Work};
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::formats::file::{self, Quantization};
use crate::formats::linear::Orders;
use crate::formats::method::{Calibration, MethodOptions, OutlierSearch};
use crate::formats::solver::{Factor, FactorOptions, Hessian, Weight};
use crate::formats::{Linear, QuantizedWeight};
use crate::model::families::LinearInput;
use crate::model::{Config, Layer, Source};
use crate::plan::Backend;
use crate::progress::{Progress, Step};

/// What is to be quantized, how, and on what.
pub struct Job<'a> {
    pub checkpoint: &'a Checkpoint,
    pub config: Config,
    pub settings: Settings,
    /// Tokens of each calibration sample; empty for methods that need none.
    pub samples: Vec<Vec<u32>>,
    /// What the report says of where the samples came from.
    pub calibration: Value,
}

impl Job<'_> {
    /// All that decides the folder's bytes, as text.
    pub fn identity(&self) -> Result<String> {
        let mut sha = Sha256::new();
        for sample in &self.samples {
            sha.update((sample.len() as u64).to_le_bytes());
            sha.update(bytemuck::cast_slice(sample));
        }
        let samples = hex(sha.finalize());
        let identity = json!({
            "model": model_digest(self.checkpoint)?,
            "settings": self.settings.to_json(),
            "samples": samples,
            "version": env!("CARGO_PKG_VERSION"),
        });
        Ok(identity.to_string())
    }

    fn check(&self) -> Result<()> {
        self.settings.check()?;
        if self.settings.quant.method.calibrated && self.samples.is_empty() {
            let fix = "give a text, JSONL documents or instructions";
            return Err(Error::request("`calibration`", "samples for this method", "none", fix));
        }
        if Quantization::of(self.checkpoint)?.is_some() {
            return Err(Error::Unsupported {
                file: self.checkpoint.path().to_owned(),
                what: "quantizing a model that is quantized already".into(),
                fix: "start from the original model".into(),
            });
        }
        let vocab = self.config.vocab_size;
        if let Some(id) = self.samples.iter().flatten().find(|id| **id as usize >= vocab) {
            return Err(Error::malformed(
                self.checkpoint.path(),
                "vocab_size",
                format!("more than {id}, a token of the calibration text"),
                vocab,
                "tokenizer and weights are not of the same model; download both again",
            ));
        }
        let longest = self.config.max_position_embeddings;
        match self.samples.iter().find(|s| s.is_empty() || s.len() > longest) {
            Some(sample) => Err(Error::request(
                "`length`",
                format!("samples of 1 to {longest} tokens, what the model was trained for"),
                sample.len(),
                "give a smaller `length`",
            )),
            None => Ok(()),
        }
    }
}

/// Quantizes into the folder `out`. None: a run before had finished it.
pub fn run(job: &Job, out: &Path, backend: &mut dyn Backend, progress: &mut dyn Progress) -> Result<Option<Value>> {
    job.check()?;
    let Some(work) = Work::open(out, &job.identity()?)? else { return Ok(None) };
    let layers = job.config.num_hidden_layers;
    let quantization = job.settings.folder();
    let longest = job.samples.iter().map(Vec::len).max().unwrap_or(0);
    let mut samples = embed(job)?;
    let bench = if samples.is_empty() { None } else { Some(Bench::new(backend, &job.config, longest)?) };
    let search = job.settings.options.outlier_search(job.settings.quant.bits);
    let threshold = match (&search, &bench) {
        (Some(search), Some(bench)) => Some(found_threshold(job, search, &work, backend, bench, &samples, progress)?),
        _ => None,
    };
    let options = match (&search, threshold) {
        (Some(search), Some(threshold)) => (search.with_threshold)(threshold),
        _ => job.settings.options.clone(),
    };

    let mut reports = Vec::new();
    let begun = Instant::now();
    let mut start = begun;
    for i in 0..layers {
        let mut step = Step::new(progress, "quantizing", i, layers);
        step.alive()?;
        let kept = backend.residents();
        let done = work.has(&piece(i));
        let mut layer = Layer::load(&job.config, Source::Checkpoint(job.checkpoint), i, backend, &mut step)?;
        let mut layer_run = LayerRun {
            job,
            i,
            options: &*options,
            quantization: &quantization,
            orders: Orders::default(),
            backend,
            progress: &mut step,
        };
        if done {
            // Its linears as they were written carry the samples on.
            reports.push(read_report(&work, i)?);
            if i + 1 < layers && bench.is_some() {
                layer_run.take_written(&work, &mut layer)?;
            }
        } else {
            let (entries, tensors) = layer_run.quantize(&mut layer, bench.as_ref(), &mut samples)?;
            let report = LayerReport::new(i, entries, start.elapsed().as_secs_f64());
            start = Instant::now();
            let json = serde_json::to_vec(&report).expect("numbers and names");
            work.write_bytes(&format!("{}.json", piece(i)), &json)?;
            work.write(&piece(i), &tensors)?;
            reports.push(report);
        }
        if i + 1 < layers
            && let Some(bench) = &bench
        {
            if done {
                bench.run(backend, &layer, Stage::Output, &mut samples, None, &mut step)?;
                bench.run(backend, &layer, Stage::GateUp, &mut samples, None, &mut step)?;
                start = Instant::now();
            }
            bench.run(backend, &layer, Stage::End, &mut samples, None, &mut step)?;
        }
        backend.keep_residents(kept);
        if !done {
            progress.note(&reports[i].line(begun.elapsed().as_secs_f64()));
        }
    }
    Step::new(progress, "writing", layers, layers).alive()?;
    let report = report::report(&job.settings, threshold, &job.calibration, &reports);
    finish(job, work, &quantization, &report)?;
    Ok(Some(report))
}

/// A layer under way.
struct LayerRun<'a, 'w> {
    job: &'a Job<'a>,
    i: usize,
    /// Options with the threshold found, if there was a search.
    options: &'a dyn MethodOptions,
    quantization: &'a Quantization,
    orders: Orders,
    backend: &'w mut dyn Backend,
    progress: &'w mut dyn Progress,
}

impl<'a> LayerRun<'a, '_> {
    fn name(&self, linear: &str) -> String {
        format!("model.layers.{}.{linear}", self.i)
    }

    /// Quantizes the linears subset by subset; gives what was done and the layer's tensors.
    fn quantize(
        &mut self,
        layer: &mut Layer,
        bench: Option<&Bench>,
        samples: &mut [Sample],
    ) -> Result<(Vec<Entry>, Vec<NewTensor<'a>>)> {
        let mut entries = Vec::new();
        let mut solved = Vec::new();
        for input in LinearInput::ALL {
            let subset: Vec<_> = self.job.config.family.linears_of(input).collect();
            let gathered = match bench {
                Some(bench) => {
                    let name = self.name(subset[0]);
                    bench.run(self.backend, layer, Stage::before(input), samples, Some(&name), self.progress)?
                }
                None => None,
            };
            let mut factor = None;
            for &name in &subset {
                if self.job.settings.skips(&self.name(name)) {
                    continue;
                }
                self.progress.at(name, 0, 0)?;
                let (entry, packed) = self.solve(name, gathered.as_ref(), &mut factor)?;
                entries.push(entry);
                solved.push((name, packed));
            }
            if self.job.settings.run.true_sequential && bench.is_some() {
                for (name, packed) in solved.iter().filter(|(name, _)| subset.contains(name)) {
                    self.replace(layer, name, &**packed)?;
                }
            }
        }
        let mut tensors = Vec::new();
        for (name, packed) in &solved {
            if !self.job.settings.run.true_sequential && bench.is_some() {
                self.replace(layer, name, &**packed)?;
            }
            tensors.extend(self.quantization.layout.write(&self.name(name), &**packed)?);
        }
        self.add_rest(layer, &mut tensors)?;
        Ok((entries, tensors))
    }

    fn solve<'h>(
        &mut self,
        linear: &str,
        hessian: Option<&'h Hessian>,
        factor: &mut SharedFactor<'h>,
    ) -> Result<(Entry, Box<dyn QuantizedWeight>)> {
        let name = self.name(linear);
        let (values, rows, cols) = weight_values(self.job.checkpoint, &name)?;
        let weight = Weight { name: &name, values: &values, rows, cols };
        let factor = match hessian {
            Some(hessian) => factor_for(self.options, hessian, &weight, factor)?,
            None => None,
        };
        let calibration = Calibration { hessian, factor };
        let quantized = self.options.quantize(self.job.settings.quant.bits, &weight, calibration)?;
        let error = quantized.relative_error.unwrap_or_else(|| plain_error(&values, &*quantized.weight));
        for note in &quantized.notes {
            self.progress.note(&format!("{name}: {note}"));
        }
        let entry = Entry::new(linear, &quantized, error);
        // As a run that resumes after this layer will read it, so that both compute the same.
        Ok((entry, quantized.weight.as_stored()))
    }

    /// Puts a packed weight in the layer, in place of what was there.
    fn replace(&mut self, layer: &mut Layer, linear: &str, weight: &dyn QuantizedWeight) -> Result<()> {
        let name = self.name(linear);
        let slot = layer.linear_mut(linear);
        let bias = slot.bias;
        let new = Linear::upload(self.backend, &name, weight, &mut self.orders)?;
        *slot = Linear { bias, ..new };
        Ok(())
    }

    /// Takes the layer's packed linears from its finished piece.
    fn take_written(&mut self, work: &Work, layer: &mut Layer) -> Result<()> {
        let written = self.job.checkpoint.with_tensors(work.piece(&piece(self.i))?);
        let shapes: Vec<_> = layer.linears().iter().map(|(name, l)| (*name, l.rows, l.cols)).collect();
        for (name, rows, cols) in shapes {
            if let Some(packed) = file::read(&written, &self.name(name), rows, cols, self.quantization)? {
                self.replace(layer, name, &*packed)?;
            }
        }
        Ok(())
    }

    /// Norms, biases and linears left as they are.
    fn add_rest(&self, layer: &Layer, tensors: &mut Vec<NewTensor<'a>>) -> Result<()> {
        let mut names: Vec<String> = layer.norms().map(|norm| self.name(&format!("{norm}.weight"))).collect();
        for (linear, l) in layer.linears() {
            let name = self.name(linear);
            if self.job.settings.skips(&name) {
                names.push(format!("{name}.weight"));
            }
            if l.bias.is_some() {
                names.push(format!("{name}.bias"));
            }
        }
        for name in names {
            tensors.push(NewTensor::from_checkpoint(self.job.checkpoint, &name, self.quantization.layout.rest_type())?);
        }
        Ok(())
    }
}

/// Factor of a Hessian, kept for the linears that ask for the same one.
type SharedFactor<'h> = Option<(FactorOptions, Factor<'h>)>;

/// Returns the factor that the options ask for. None: the method needs none.
fn factor_for<'f, 'h>(
    options: &dyn MethodOptions,
    hessian: &'h Hessian,
    weight: &Weight,
    shared: &'f mut SharedFactor<'h>,
) -> Result<Option<&'f Factor<'h>>> {
    let Some(wanted) = options.factor(weight) else { return Ok(None) };
    if shared.as_ref().is_none_or(|(known, _)| *known != wanted) {
        let factor = Factor::new(hessian, &wanted)?;
        *shared = Some((wanted, factor));
    }
    Ok(shared.as_ref().map(|(_, factor)| factor))
}

/// A weight in f32, as the model holds it: rounded to bf16.
fn weight_values(checkpoint: &Checkpoint, name: &str) -> Result<(Vec<f32>, usize, usize)> {
    let weight = format!("{name}.weight");
    let shape = checkpoint.tensor(&weight).map(|t| t.shape.clone());
    let Some([rows, cols]) = shape.as_deref() else {
        let fix = "config and weights are not of the same model; download both again";
        return Err(Error::malformed(checkpoint.path(), weight, "a matrix", "no such tensor", fix));
    };
    let mut halves = Vec::new();
    checkpoint.read_bf16(&weight, 0..rows * cols, &mut halves)?;
    Ok((halves.into_iter().map(|h| f32::from_bits(u32::from(h) << 16)).collect(), *rows, *cols))
}

/// Σ(w - ŵ)² / Σw².
fn plain_error(values: &[f32], quantized: &dyn QuantizedWeight) -> f64 {
    let square = |v: f32| f64::from(v) * f64::from(v);
    let wrong: f64 = quantized.dequantize().iter().zip(values).map(|(q, w)| square(q - w)).sum();
    wrong / values.iter().map(|&w| square(w)).sum::<f64>().max(f64::MIN_POSITIVE)
}

/// The samples' embeddings.
fn embed(job: &Job) -> Result<Vec<Sample>> {
    let hidden = job.config.hidden_size;
    let mut row = Vec::new();
    let mut sample = |ids: &Vec<u32>| -> Result<Sample> {
        let mut x = Vec::with_capacity(ids.len() * hidden);
        for &id in ids {
            let first = id as usize * hidden;
            row.clear();
            job.checkpoint.read_bf16("model.embed_tokens.weight", first..first + hidden, &mut row)?;
            x.extend(row.iter().map(|&half| f32::from_bits(u32::from(half) << 16)));
        }
        Ok(Sample { tokens: ids.len(), x, a: Vec::new() })
    };
    job.samples.iter().map(&mut sample).collect()
}

/// The threshold for a wanted share: that of the run before, or a new one.
fn found_threshold(
    job: &Job,
    search: &OutlierSearch<'_>,
    work: &Work,
    backend: &mut dyn Backend,
    bench: &Bench,
    samples: &[Sample],
    progress: &mut dyn Progress,
) -> Result<f32> {
    const FILE: &str = "threshold.json";
    let known = std::fs::read(work.path(FILE)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let threshold = match known {
        Some(threshold) => threshold,
        None => {
            let threshold = search::threshold(job, search, backend, bench, samples, progress)?;
            work.write_bytes(FILE, &serde_json::to_vec(&threshold).expect("a number"))?;
            threshold
        }
    };
    progress.note(&format!("outlier threshold {threshold:.4} for a share of {:.3} %", search.share * 100.0));
    Ok(threshold)
}
