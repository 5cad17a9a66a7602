//! `qwgpu quantize`: a model in, a quantized folder out.

use std::path::PathBuf;

use anyhow::anyhow;

use super::calibration::CalibrationArgs;
use super::method_args::MethodArgs;
use super::model::{DeviceArgs, LmHeadArgs};
use super::output::{ExitStatus, note, print_json, print_out};
use super::progress::Bar;
use crate::formats::method::{FeedbackPlace, Quant, Recipe, RunOptions};
use crate::quantize::Settings;
use crate::quantize::session::{quantize, summary};

const HELP: &str = "\
Files:
  OUT/             a GPTQ checkpoint (rtn, gptq), a bitsandbytes 8-bit checkpoint (int8) or qwgpu's SpQR layout
  OUT/quantize_report.json
                   true bits per weight with everything counted, outliers, the error of each linear
  OUT.partial/     an unfinished run; the same command goes on with it and ends with the same weights

On a software adapter --path cpu is faster.

Examples:
  qwgpu quantize --model Qwen2.5-7B --method int8 --out q8
  qwgpu quantize --model Qwen2.5-0.5B --method gptq --bits 4 --calibration c4.jsonl --out q4
  qwgpu quantize --model model.gguf --method spqr --bits 3 --calibration text.txt --out q3";

/// Quantize a model into a folder that other programs read too
///
/// Only the linears of the decoder layers are quantized, and with --lm-head the embedding and the output matrix, never a
/// norm. One layer is done after another: the device holds one layer and the activations of one sample.
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    /// A Hugging Face folder or a .gguf file
    #[arg(long, value_name = "MODEL", value_parser = trained)]
    model: PathBuf,
    /// Folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    method: MethodArgs,
    /// Bits of a code: 8, 4, 3 or 2 [default: 8 for int8, else 4]
    #[arg(long, value_name = "BITS")]
    bits: Option<u32>,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// Calibrate all linears of a layer on the unquantized layer; by default those before are quantized already
    #[arg(help_heading = "Method", long)]
    no_true_sequential: bool,
    /// Leave linears of this name unquantized, such as down_proj; may be given several times
    #[arg(help_heading = "Method", long, value_name = "NAME")]
    skip: Vec<String>,
    /// Place where factors and error feedback are computed: `auto` is a GPU if there is one
    #[arg(help_heading = "Method", long, value_name = "PLACE", default_value = "auto")]
    feedback: FeedbackPlace,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    lm_head: LmHeadArgs,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Refuses random weights.
fn trained(model: &str) -> Result<PathBuf, &'static str> {
    match model.starts_with("random:") {
        true => Err("give a model with trained weights"),
        false => Ok(model.into()),
    }
}

pub fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let MethodArgs { method, options, recipe } = args.method.clone();
    let bits = args.bits.unwrap_or(method.default_bits);
    let quant = Quant::new(method, bits).map_err(|why| anyhow!("--bits {bits}: {why}"))?;
    let run = RunOptions {
        true_sequential: !args.no_true_sequential,
        skip: args.skip.clone(),
        lm_head: args.lm_head.is_given(),
        feedback: args.feedback,
    };
    let settings = Settings { quant, options, run };
    let (calibration, device) = (args.calibration.choice(), args.device.choice());
    if recipe == Recipe::Paper && (method.best)(bits).is_some() {
        note(&format!("--recipe best: {quant} with smaller errors, in the same bits"));
    }
    let report = quantize(&args.model, settings, &calibration, &device, &args.out, &mut Bar::new())?;
    if args.json {
        print_json(&report)?;
    } else {
        print_out(&(summary(&report, &args.out) + "\n"))?;
    }
    Ok(ExitStatus::Done)
}
