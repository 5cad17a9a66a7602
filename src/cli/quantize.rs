//! `qwgpu quantize`: a model in, a quantized folder out.

use std::path::PathBuf;

use super::method_args::{MethodArgs, expect_bits};
use super::model::DeviceArgs;
use super::output::{Outcome, print_json, print_out};
use super::progress::Bar;
use super::values::{count, method};
use crate::formats::method::{Method, Quant, RunOptions};
use crate::quantize::Settings;
use crate::quantize::calibration::Calibration;
use crate::quantize::session::{quantize, summary};

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
    calibration: CalibrationArgs,
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
pub struct CalibrationArgs {
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

impl CalibrationArgs {
    /// Returns the samples that the options choose.
    pub fn choice(&self) -> Calibration {
        Calibration {
            file: self.file.clone(),
            samples: self.samples,
            length: self.length,
            seed: self.seed,
            field: self.field.clone(),
        }
    }
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let (method, bits) = (args.method, args.bits.unwrap_or(args.method.default_bits));
    expect_bits(method, bits)?;
    let run = RunOptions { true_sequential: !args.no_true_sequential, skip: args.skip.clone() };
    let settings = Settings { quant: Quant { method, bits }, options: args.options.options(method)?, run };
    let (calibration, device) = (args.calibration.choice(), args.device.choice());
    let report = quantize(&args.model, settings, &calibration, &device, &args.out, &mut Bar::new())?;
    if args.json {
        print_json(&report)?;
    } else {
        print_out(&(summary(&report, &args.out) + "\n"))?;
    }
    Ok(Outcome::Done)
}
