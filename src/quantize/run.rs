//! The run: each decoder layer is loaded, quantized and written, and the samples go through it to the next.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::folder::{finish, is_finished, piece, read_report, rounded_tables};
use super::job::{Job, identity_digest};
use super::report::{self, LayerReport, LinearReport, PhaseSeconds};
use super::search;
use super::stages::{CalibrationSample, Calibrator};
use super::weights::{SharedFactor, factor_for, weight_values};
use crate::checkpoint::{NewTensor, PartialFolder};
use crate::error::Result;
use crate::formats::file::{self, FolderWriter, Quantization};
use crate::formats::linear::Orders;
use crate::formats::method::{InputStatistics, MethodOptions, OutlierSearch};
use crate::formats::solver::{Hessian, Weight};
use crate::formats::{Linear, QuantizedWeight};
use crate::gpu::tuning::Chunk;
use crate::model::families::LinearInput;
use crate::model::{Layer, WeightSource};
use crate::plan::Backend;
use crate::progress::{Progress, StepProgress};

/// Quantizes into the folder `out` and returns the report. None: a run before this one had finished the folder.
///
/// # Errors
/// Settings or samples that do not fit the model, tensors that cannot be read, quantized or written, those of the device.
pub fn run(
    job: &Job,
    out: &Path,
    (backend, chunk): (&mut dyn Backend, Chunk),
    progress: &mut dyn Progress,
) -> Result<Option<Value>> {
    job.check()?;
    let identity = job.identity()?;
    let digest = identity_digest(&identity);
    if is_finished(out, &digest) {
        return Ok(None);
    }
    let Some(work) = PartialFolder::open(out, &identity)? else { return Ok(None) };
    let layers = job.config.num_hidden_layers;
    let folder = job.settings.folder();
    let longest = job.samples.iter().map(Vec::len).max().unwrap_or(0);
    let mut samples = embed(job)?;
    let calibrator = match samples.is_empty() {
        true => None,
        false => Some(Calibrator::new(backend, &job.config, longest, chunk)?),
    };
    let search = job.settings.options.outlier_search(job.settings.quant.bits);
    let threshold = match (&search, &calibrator) {
        (Some(search), Some(calibrator)) => {
            Some(found_threshold(job, search, &work, backend, calibrator, &samples, progress)?)
        }
        _ => None,
    };
    let options = match (&search, threshold) {
        (Some(search), Some(threshold)) => (search.with_threshold)(threshold),
        _ => job.settings.options.clone(),
    };

    taken(&calibrator);
    let mut reports = Vec::new();
    let begun = Instant::now();
    let mut start = begun;
    // From the end of the layer before, as its seconds.
    let mut phases = PhaseSeconds::default();
    for i in 0..layers {
        let mut step = StepProgress::new(progress, "quantizing", i, layers);
        step.alive()?;
        let kept = backend.residents();
        let done = work.has(&piece(i));
        let source = WeightSource::dequantized(job.checkpoint);
        let mut layer = timed(&mut phases.loading_seconds, || Layer::load(&job.config, source, i, backend, &mut step))?;
        let mut quantizer = LayerQuantizer {
            job,
            i,
            options: &*options,
            folder: &*folder,
            orders: Orders::default(),
            backend,
            phases: &mut phases,
            progress: &mut step,
        };
        if done {
            // The samples go through its linears as they were written.
            reports.push(read_report(&work, i)?);
            if i + 1 < layers && calibrator.is_some() {
                quantizer.take_written(&work, &mut layer)?;
            }
        } else {
            let (entries, tensors) = quantizer.quantize(&mut layer, calibrator.as_ref(), &mut samples)?;
            [phases.forward_seconds, phases.hessian_seconds] = taken(&calibrator);
            let report = LayerReport::new(i, entries, start.elapsed().as_secs_f64(), phases);
            (start, phases) = (Instant::now(), PhaseSeconds::default());
            let json = serde_json::to_vec(&report).expect("numbers and names");
            work.write_bytes(&format!("{}.json", piece(i)), &json)?;
            timed(&mut phases.writing_seconds, || work.write(&piece(i), &tensors))?;
            reports.push(report);
        }
        if i + 1 < layers
            && let Some(calibrator) = &calibrator
        {
            if done {
                for stage in [LinearInput::Attention, LinearInput::MlpNorm] {
                    calibrator.run(backend, &layer, Some(stage), &mut samples, None, &mut step)?;
                }
                calibrator.seconds.take();
                (start, phases) = (Instant::now(), PhaseSeconds::default());
            }
            calibrator.run(backend, &layer, None, &mut samples, None, &mut step)?;
        }
        backend.keep_residents(kept);
        if !done {
            progress.note(&reports[i].line(begun.elapsed().as_secs_f64()));
        }
    }
    StepProgress::new(progress, "writing", layers, layers).alive()?;
    let tables = rounded_tables(job)?;
    let report = report::report(job, &digest, threshold, &reports, &tables);
    finish(job, work, &*folder, &report, tables)?;
    Ok(Some(report))
}

/// Quantization of one decoder layer.
struct LayerQuantizer<'a, 'w> {
    job: &'a Job<'a>,
    i: usize,
    /// Options with the threshold found, if there was a search.
    options: &'a dyn MethodOptions,
    folder: &'a dyn FolderWriter,
    orders: Orders,
    backend: &'w mut dyn Backend,
    phases: &'w mut PhaseSeconds,
    progress: &'w mut dyn Progress,
}

impl<'a> LayerQuantizer<'a, '_> {
    /// Returns the full name of a linear.
    fn name(&self, linear: &str) -> String {
        format!("model.layers.{}.{linear}", self.i)
    }

    /// Quantizes the linears, those with one input together. Returns their reports and the layer's tensors.
    fn quantize(
        &mut self,
        layer: &mut Layer,
        calibrator: Option<&Calibrator>,
        samples: &mut [CalibrationSample],
    ) -> Result<(Vec<LinearReport>, Vec<NewTensor<'a>>)> {
        let mut entries = Vec::new();
        let mut solved = Vec::new();
        for input in LinearInput::ALL {
            let subset: Vec<_> = self.job.config.family.linears_of(input).collect();
            let mut gathered = None;
            if let Some(calibrator) = calibrator {
                let name = self.name(subset[0]);
                gathered = calibrator.run(self.backend, layer, Some(input), samples, Some(&name), self.progress)?;
            }
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
            if self.job.settings.run.true_sequential && calibrator.is_some() {
                for (name, packed) in solved.iter().filter(|(name, _)| subset.contains(name)) {
                    self.replace(layer, name, &**packed)?;
                }
            }
        }
        let mut tensors = Vec::new();
        for (name, packed) in &solved {
            if !self.job.settings.run.true_sequential && calibrator.is_some() {
                self.replace(layer, name, &**packed)?;
                // Inputs of down_proj are now others.
                samples.iter_mut().for_each(|sample| sample.a = Vec::new());
            }
            let begun = Instant::now();
            tensors.extend(self.folder.write(&self.name(name), &**packed)?);
            self.phases.writing_seconds += begun.elapsed().as_secs_f64();
        }
        self.add_rest(layer, &mut tensors)?;
        Ok((entries, tensors))
    }

    /// Quantizes one linear.
    fn solve<'h>(
        &mut self,
        linear: &str,
        hessian: Option<&'h Hessian>,
        factor: &mut SharedFactor<'h>,
    ) -> Result<(LinearReport, Box<dyn QuantizedWeight>)> {
        let name = self.name(linear);
        let checkpoint = self.job.checkpoint;
        let read = || weight_values(checkpoint, &name);
        let (values, rows, cols) = timed(&mut self.phases.loading_seconds, read)?;
        let weight = Weight { name: &name, values: &values, rows, cols };
        let (options, bits) = (self.options, self.job.settings.quant.bits);
        let mut device = self.job.settings.run.feedback.device(self.backend);
        let factor = timed(&mut self.phases.factor_seconds, || match hessian {
            Some(hessian) => factor_for(options, hessian, &weight, factor, device.as_deref_mut()),
            None => Ok(None),
        })?;
        let inputs = InputStatistics { hessian, factor };
        let quantized = timed(&mut self.phases.feedback_seconds, || match device {
            Some(backend) => options.quantize_on(backend, bits, &weight, inputs),
            None => options.quantize(bits, &weight, inputs),
        })?;
        let error = quantized.relative_error.unwrap_or_else(|| plain_error(&values, &*quantized.weight));
        for note in &quantized.notes {
            self.progress.note(&format!("{name}: {note}"));
        }
        let entry = LinearReport::new(linear, &quantized, error);
        // As a run that resumes after this layer will read it, so that both compute the same.
        Ok((entry, quantized.weight.as_stored().unwrap_or(quantized.weight)))
    }

    /// Replaces a linear of the layer by a quantized one.
    fn replace(&mut self, layer: &mut Layer, linear: &str, weight: &dyn QuantizedWeight) -> Result<()> {
        let (name, slot) = (self.name(linear), layer.linear_mut(linear));
        let new = Linear::upload(self.backend, &name, weight, &mut self.orders)?;
        *slot = Linear { bias: slot.bias, ..new };
        Ok(())
    }

    /// Replaces the layer's linears by those of its finished piece.
    fn take_written(&mut self, work: &PartialFolder, layer: &mut Layer) -> Result<()> {
        let written = self.job.checkpoint.with_tensors(work.piece(&piece(self.i))?);
        let quantization = Quantization::new(self.job.settings.folder());
        let shapes: Vec<_> = layer.linears().iter().map(|(name, l)| (*name, l.rows, l.cols)).collect();
        for (name, rows, cols) in shapes {
            if let Some(packed) = file::read(&written, &self.name(name), rows, cols, &quantization)? {
                self.replace(layer, name, &*packed)?;
            }
        }
        Ok(())
    }

    /// Adds norms, biases and unquantized linears.
    fn add_rest(&self, layer: &Layer, tensors: &mut Vec<NewTensor<'a>>) -> Result<()> {
        let mut names: Vec<String> =
            self.job.config.family.norms().map(|norm| self.name(&format!("{norm}.weight"))).collect();
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
            tensors.push(NewTensor::from_checkpoint(self.job.checkpoint, &name, self.folder.rest_type())?);
        }
        Ok(())
    }
}

/// Returns the time of forward passes and of Hessians since it was last taken.
fn taken(calibrator: &Option<Calibrator>) -> [f64; 2] {
    calibrator.as_ref().map_or([0.0; 2], |calibrator| calibrator.seconds.take())
}

/// Adds the seconds that `work` takes.
fn timed<T>(seconds: &mut f64, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    *seconds += begun.elapsed().as_secs_f64();
    done
}

/// Returns Σ(w - ŵ)² / Σw².
fn plain_error(values: &[f32], quantized: &dyn QuantizedWeight) -> f64 {
    let square = |v: f32| f64::from(v) * f64::from(v);
    let wrong: f64 = quantized.dequantize().iter().zip(values).map(|(q, w)| square(q - w)).sum();
    wrong / values.iter().map(|&w| square(w)).sum::<f64>().max(f64::MIN_POSITIVE)
}

/// Returns the samples with their tokens' embeddings as residual streams.
fn embed(job: &Job) -> Result<Vec<CalibrationSample>> {
    let hidden = job.config.hidden_size;
    let mut row = Vec::new();
    let mut sample = |ids: &Vec<u32>| -> Result<CalibrationSample> {
        let mut x = Vec::with_capacity(ids.len() * hidden);
        for &id in ids {
            let first = id as usize * hidden;
            row.clear();
            job.checkpoint.tensors.read_bf16("model.embed_tokens.weight", first..first + hidden, &mut row)?;
            x.extend(row.iter().map(|&half| f32::from_bits(u32::from(half) << 16)));
        }
        Ok(CalibrationSample { tokens: ids.len(), x, a: Vec::new() })
    };
    job.samples.iter().map(&mut sample).collect()
}

/// Returns the threshold for the wanted share of outliers. A run before this one may have found it.
fn found_threshold(
    job: &Job,
    search: &OutlierSearch<'_>,
    work: &PartialFolder,
    backend: &mut dyn Backend,
    calibrator: &Calibrator,
    samples: &[CalibrationSample],
    progress: &mut dyn Progress,
) -> Result<f32> {
    const FILE: &str = "threshold.json";
    let known = std::fs::read(work.path(FILE)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let threshold = match known {
        Some(threshold) => threshold,
        None => {
            let threshold = search::threshold(job, search, backend, calibrator, samples, progress)?;
            work.write_bytes(FILE, &serde_json::to_vec(&threshold).expect("a number"))?;
            threshold
        }
    };
    progress.note(&format!("outlier threshold {threshold:.4} for a share of {:.3} %", search.share * 100.0));
    Ok(threshold)
}
