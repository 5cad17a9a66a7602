//! `qwgpu quantize`: a model in, a quantized folder out.

use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::ProgressBar;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::method_args::{MethodArgs, expect_bits, method};
use super::model::{DeviceArgs, PathArg, announce};
use super::output::{note, print_json, print_out, read_text, size};
use super::{Outcome, count, interrupt, progress};
use crate::checkpoint::Checkpoint;
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::generate::{load, open};
use crate::model::Config;
use crate::formats::method::{Method, Quant, RunOptions};
use crate::quantize::calibration::{self, Wanted};
use crate::quantize::{self, Job, LayerReport, Settings, Watch};

pub const HELP: &str = "\
Methods: rtn rounds to the nearest code; int8 is LLM.int8(); gptq and spqr correct the columns still to come
for the error of each column, by what calibration saw of the layer's inputs. The defaults are those of the
references: groups of 128 for rtn and gptq; for spqr groups of 16, 3-bit statistics, outliers above 0.2.

Only the decoder's linears are quantized, never the embedding, the output matrix or a norm. Layers are done
one at a time: the device holds one of them and a sample's activations. A run that is stopped or killed goes
on where it was when it is given again, and ends with the same bytes; unfinished work lies in OUT.partial.

The folder holds a GPTQ checkpoint (rtn, gptq; version 2 where zeros are asymmetric), a bitsandbytes 8-bit
checkpoint (int8) or qwgpu's SpQR layout, and quantize_report.json: true bits per weight, everything counted,
outliers, and each layer's error.

On a software adapter `--path cpu` is faster.

Examples:
  qwgpu quantize --model Qwen2.5-0.5B --method gptq --bits 4 --calibration c4.jsonl --seed 0 --out q4
  qwgpu quantize --model model.gguf --method spqr --bits 3 --outlier-share 0.01 --calibration text.txt --out q3
  qwgpu quantize --model Qwen2.5-7B --method int8 --out q8";

#[derive(clap::Args)]
pub struct Args {
    /// A Hugging Face folder or a .gguf file
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Quantization method
    #[arg(long, value_name = "METHOD", value_parser = method)]
    method: &'static Method,
    /// Bits of a code: 8, 4, 3 or 2 [default: 8 for int8, else 4]
    #[arg(long, value_name = "BITS")]
    bits: Option<u32>,
    #[command(flatten)]
    calibration: Calibration,
    #[command(flatten)]
    options: MethodArgs,
    /// Gather all inputs of a layer before any of its linears is quantized
    #[arg(help_heading = "Method", long)]
    no_true_sequential: bool,
    /// Leave linears of this name unquantized; may be given several times
    #[arg(help_heading = "Method", long, value_name = "NAME")]
    skip: Vec<String>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Clone, Debug)]
pub struct Calibration {
    /// Text, documents (.jsonl) or instructions (.json, as Alpaca's); gptq and spqr need it
    #[arg(help_heading = "Calibration", long = "calibration", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How many samples
    #[arg(help_heading = "Calibration", long, default_value_t = 128, value_name = "N", value_parser = count)]
    pub samples: usize,
    /// Tokens of a sample
    #[arg(help_heading = "Calibration", long, default_value_t = 2048, value_name = "TOKENS", value_parser = count)]
    pub length: usize,
    /// Draw documents and places at random by this seed [default: from the beginning on]
    #[arg(help_heading = "Calibration", long, value_name = "SEED")]
    pub seed: Option<u64>,
    /// Field of a .jsonl document that holds its text
    #[arg(help_heading = "Calibration", long, default_value = "text", value_name = "NAME")]
    pub field: String,
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let (method, bits) = (args.method, args.bits.unwrap_or(args.method.default_bits));
    expect_bits(method, bits)?;
    let run = RunOptions { true_sequential: !args.no_true_sequential, skip: args.skip.clone() };
    let settings = Settings { quant: Quant { method, bits }, options: args.options.options(method)?, run };
    let report = quantize(&args.model, settings, &args.calibration, &args.device, &args.out)?;
    if args.json {
        print_json(&report)?;
    } else {
        print_out(&summary(&report, &args.out))?;
    }
    Ok(Outcome::Done)
}

/// Quantizes `model` into `out`; gives the report.
pub fn quantize(
    model: &Path,
    settings: Settings,
    from: &Calibration,
    device: &DeviceArgs,
    out: &Path,
) -> anyhow::Result<Value> {
    let checkpoint = Checkpoint::open(model)?;
    let job = job(&checkpoint, model, settings, from)?;
    run_job(&job, device, out)
}

/// The folder of `model` quantized with `settings`: made once and kept, by a digest of the model, the settings
/// and the samples.
pub fn cached(model: &Path, settings: Settings, from: &Calibration, device: &DeviceArgs) -> anyhow::Result<PathBuf> {
    let checkpoint = Checkpoint::open(model)?;
    // Of what a method does without, its cached result must not depend.
    let file = from.file.clone().filter(|_| settings.quant.method.calibrated);
    let job = job(&checkpoint, model, settings, &Calibration { file, ..from.clone() })?;
    let digest = Sha256::digest(job.identity()?.as_bytes());
    let name = hex(&digest[..8]);
    let folder = crate::gpu::cache_folder().map(|f| f.join("quantized")).ok_or_else(|| {
        let fix = "set HOME or XDG_CACHE_HOME, or use `qwgpu quantize` with --out";
        Error::request("--quant", "a folder to keep the result in", "none", fix)
    })?;
    std::fs::create_dir_all(&folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
    let out = folder.join(name);
    if out.join("config.json").exists() {
        note(&format!("quantized before: {}", out.display()));
        return Ok(out);
    }
    let report = run_job(&job, device, &out)?;
    note(summary(&report, &out).trim_end());
    Ok(out)
}

fn job<'a>(
    checkpoint: &'a Checkpoint,
    model: &Path,
    settings: Settings,
    from: &Calibration,
) -> anyhow::Result<Job<'a>> {
    let config = Config::from_json(&checkpoint.config, &load::config_file(model))?;
    settings.check()?;
    let wanted = Wanted { samples: from.samples, length: from.length, seed: from.seed, field: from.field.clone() };
    let (samples, source) = match &from.file {
        Some(file) => {
            let text = read_text(file)?;
            let tokenizer = load::tokenizer(checkpoint, model)?;
            let chat = load::chat_template(checkpoint)?;
            let samples = calibration::samples(file, &text, &wanted, &tokenizer, Some(&chat))?;
            let tokens: usize = samples.iter().map(Vec::len).sum();
            note(&format!("calibration: {} samples, {tokens} tokens", samples.len()));
            (samples, json!({ "file": file, "wanted": wanted, "tokens": tokens }))
        }
        None => (Vec::new(), Value::Null),
    };
    Ok(Job { checkpoint, config, settings, samples, calibration: source })
}

fn run_job(job: &Job, device: &DeviceArgs, out: &Path) -> anyhow::Result<Value> {
    let mut opened = open(&device.device()?)?;
    announce(&opened.run);
    if opened.run.software && device.path != PathArg::Cpu && !job.samples.is_empty() {
        note("this adapter computes on the CPU: --path cpu does the same faster");
    }
    let layers = job.config.num_hidden_layers;
    let mut watch = Bar { bar: progress::counted("layers", layers as u64), start: Instant::now() };
    watch.bar.enable_steady_tick(std::time::Duration::from_millis(500));
    let report = quantize::run(job, out, &mut *opened.backend, &mut watch);
    watch.bar.finish_and_clear();
    match report? {
        Some(report) => Ok(report),
        None => {
            note("this folder had been finished by a run before");
            let path = out.join("quantize_report.json");
            Ok(serde_json::from_str(&read_text(&path)?)?)
        }
    }
}

struct Bar {
    bar: ProgressBar,
    start: Instant,
}

impl Watch for Bar {
    fn at(&mut self, what: &str, done: usize, total: usize) -> Result<()> {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(what.to_owned());
        interrupt::check()
    }

    fn alive(&mut self) -> Result<()> {
        interrupt::check()
    }

    fn layer(&mut self, r: &LayerReport) -> Result<()> {
        let line = format!(
            "layer {:>2}  error {:.3e}  loss {:.4e}  outliers {:.3} %  {:.3} bits  {:.1} s  ({:.0} s in all)",
            r.layer,
            r.mean_relative_error,
            r.linears.iter().map(|l| l.loss).sum::<f64>(),
            r.outlier_share * 100.0,
            r.bits_per_weight,
            r.seconds,
            self.start.elapsed().as_secs_f64(),
        );
        self.note(&line);
        interrupt::check()
    }

    fn note(&mut self, line: &str) {
        self.bar.suspend(|| note(line));
    }
}

fn summary(report: &Value, out: &Path) -> String {
    let number = |key: &str| report[key].as_f64().unwrap_or(f64::NAN);
    format!(
        "{}: {} at {} bits nominal, {:.3} true bits a weight, {:.3} % outliers, {} of quantized weights, {:.0} s\n",
        out.display(),
        report["method"].as_str().unwrap_or_default(),
        report["bits"],
        number("bits_per_weight"),
        number("outlier_share") * 100.0,
        size(number("weight_bytes") as u64),
        number("seconds"),
    )
}
