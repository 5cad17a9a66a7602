//! Report of a quantization run: quantize_report.json.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::job::Job;
use crate::formats::gguf::table::RoundedTable;
use crate::formats::solver::Quantized;

/// Quantization of one linear.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinearReport {
    pub name: String,
    pub rows: usize,
    pub cols: usize,
    /// Everything counted: codes, scales, zeros, statistics, outliers and their columns.
    pub bits_per_weight: f64,
    pub weight_bytes: u64,
    pub outlier_share: f64,
    /// tr(ΔW H ΔWᵀ) / tr(W H Wᵀ); H is the identity where there was no calibration.
    pub relative_error: f64,
    pub loss: f64,
    pub notes: Vec<String>,
}

/// Seconds by what they were spent on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct PhaseSeconds {
    /// Loading of layers and of the weights to be quantized.
    pub loading_seconds: f64,
    pub forward_seconds: f64,
    pub hessian_seconds: f64,
    pub factor_seconds: f64,
    /// Rounding with error feedback, and the measure of the error.
    pub feedback_seconds: f64,
    /// Packing and writing.
    pub writing_seconds: f64,
}

impl PhaseSeconds {
    /// Adds `more`.
    fn add(&mut self, more: &PhaseSeconds) {
        self.loading_seconds += more.loading_seconds;
        self.forward_seconds += more.forward_seconds;
        self.hessian_seconds += more.hessian_seconds;
        self.factor_seconds += more.factor_seconds;
        self.feedback_seconds += more.feedback_seconds;
        self.writing_seconds += more.writing_seconds;
    }
}

/// Quantization of a decoder layer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LayerReport {
    pub layer: usize,
    pub bits_per_weight: f64,
    pub weight_bytes: u64,
    pub outlier_share: f64,
    /// The sum over its linears of the errors' numerators over that of the denominators is dominated by one
    /// linear; the mean says more.
    pub mean_relative_error: f64,
    /// From the end of the layer before, so that the running of samples through it counts too.
    pub seconds: f64,
    /// Phases that `seconds` were spent on.
    pub phases: PhaseSeconds,
    pub linears: Vec<LinearReport>,
}

/// Rounds to seven digits: enough to read, and few enough that every JSON reader gives the same number back.
fn short(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

impl LinearReport {
    pub fn new(name: &str, quantized: &Quantized, relative_error: f64) -> LinearReport {
        let (weight, outlier_share) = (&quantized.weight, short(quantized.outlier_share));
        let (loss, notes) = (short(quantized.loss), quantized.notes.clone());
        let rounded = LinearReport::rounded(name, [weight.rows(), weight.cols()], weight.true_bits(), relative_error);
        LinearReport { outlier_share, loss, notes, ..rounded }
    }

    /// Returns the report on a weight that was rounded without a method.
    pub fn rounded(name: &str, [rows, cols]: [usize; 2], bits: u64, relative_error: f64) -> LinearReport {
        LinearReport {
            name: name.to_owned(),
            rows,
            cols,
            bits_per_weight: short(bits as f64 / (rows * cols) as f64),
            weight_bytes: bits.div_ceil(8),
            outlier_share: 0.0,
            relative_error: short(relative_error),
            loss: 0.0,
            notes: Vec::new(),
        }
    }

    fn weights(&self) -> f64 {
        (self.rows * self.cols) as f64
    }
}

/// True bits a weight, bytes, and share of outliers of some linears.
fn totals<'a>(entries: impl Iterator<Item = &'a LinearReport> + Clone) -> (f64, u64, f64) {
    let weights: f64 = entries.clone().map(LinearReport::weights).sum();
    let bits: f64 = entries.clone().map(|e| e.bits_per_weight * e.weights()).sum();
    let outliers: f64 = entries.clone().map(|e| e.outlier_share * e.weights()).sum();
    (bits / weights, entries.map(|e| e.weight_bytes).sum(), outliers / weights)
}

impl LayerReport {
    pub fn new(layer: usize, linears: Vec<LinearReport>, seconds: f64, phases: PhaseSeconds) -> LayerReport {
        let (bits_per_weight, weight_bytes, outlier_share) = totals(linears.iter());
        let mean_relative_error = linears.iter().map(|e| e.relative_error).sum::<f64>() / linears.len().max(1) as f64;
        LayerReport {
            layer,
            bits_per_weight: short(bits_per_weight),
            weight_bytes,
            outlier_share: short(outlier_share),
            mean_relative_error: short(mean_relative_error),
            seconds,
            phases,
            linears,
        }
    }

    /// Returns one line for people; the run has taken `seconds` so far. A loss or outliers are in it where the method has
    /// them.
    pub fn line(&self, seconds: f64) -> String {
        let mut line = format!("layer {:>2}  error {:.3e}", self.layer, self.mean_relative_error);
        let loss = self.linears.iter().map(|linear| linear.loss).sum::<f64>();
        if loss > 0.0 {
            line += &format!("  loss {loss:.4e}");
        }
        if self.outlier_share > 0.0 {
            line += &format!("  outliers {:.3} %", self.outlier_share * 100.0);
        }
        line + &format!("  {:.3} bits  {:.1} s  ({seconds:.0} s in all)", self.bits_per_weight, self.seconds)
    }
}

/// Returns the whole report. `digest` is that of the identity of `job`. The rounded embedding and output matrix, `tables`,
/// count too.
pub fn report(
    job: &Job,
    digest: &str,
    threshold: Option<f32>,
    layers: &[LayerReport],
    tables: &[(&str, RoundedTable)],
) -> Value {
    let Job { settings, calibration, .. } = job;
    let shape = [job.config.vocab_size, job.config.hidden_size];
    let entry = |(name, table): &(&str, RoundedTable)| {
        LinearReport::rounded(name, shape, 8 * table.tensor.bytes(), table.relative_error)
    };
    let mut phases = PhaseSeconds::default();
    layers.iter().for_each(|layer| phases.add(&layer.phases));
    let tables: Vec<_> = tables.iter().map(entry).collect();
    let (bits_per_weight, weight_bytes, outlier_share) = totals(layers.iter().flat_map(|l| &l.linears).chain(&tables));
    json!({
        "method": settings.quant.method.name,
        "bits": settings.quant.bits,
        "bits_per_weight": bits_per_weight,
        "outlier_share": outlier_share,
        "outlier_threshold": threshold,
        "geometric_mean_relative_error": geometric_mean(layers.iter().flat_map(|layer| &layer.linears)),
        "weight_bytes": weight_bytes,
        "seconds": layers.iter().map(|l| l.seconds).sum::<f64>(),
        "phases": phases,
        "settings": settings.to_json(),
        "calibration": calibration,
        "digest": digest,
        "layers": layers,
        "lm_head": tables,
    })
}

/// Returns the geometric mean of the relative errors of the linears that are quantized, None where there is none: a figure
/// that 1 % of change shows in, as perplexity at 2 bits does not.
fn geometric_mean<'a>(linears: impl Iterator<Item = &'a LinearReport>) -> Option<f64> {
    let logs: Vec<f64> = linears.map(|linear| linear.relative_error).filter(|e| *e > 0.0).map(f64::ln).collect();
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp())
}
