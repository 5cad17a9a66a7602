//! `qwgpu quantize`: a model in, a quantized folder out.

use std::path::PathBuf;

use super::model::DeviceArgs;
use super::output::{Outcome, print_json, print_out};
use super::progress::Bar;
use super::values::{count, method};
use crate::error::{Error, Result};
use crate::quant::{Method, Quant};
use crate::quantize::calibration::Calibration;
use crate::quantize::session::{quantize, summary};
use crate::quantize::{Outliers, Settings};

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
    /// rtn, int8, gptq or spqr
    #[arg(long, value_name = "METHOD", value_parser = method)]
    method: Method,
    /// Bits of a code: 8, 4, 3 or 2 [default: 8 for int8, else 4]
    #[arg(long, value_name = "BITS")]
    bits: Option<u32>,
    #[command(flatten)]
    calibration: CalibrationArgs,
    #[command(flatten)]
    options: Options,
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

#[derive(clap::Args, Clone, Debug, Default)]
pub struct Options {
    /// Columns that share a scale; -1 is a whole row [default: 128, spqr 16]
    #[arg(help_heading = "Method", long, value_name = "COLUMNS", allow_negative_numbers = true)]
    group_size: Option<i64>,
    /// A grid with its zero in the middle
    #[arg(help_heading = "Method", long)]
    sym: bool,
    /// Quantize columns in the order of the Hessian's diagonal, largest first (spqr does unless told not to)
    #[arg(help_heading = "Method", long, overrides_with = "no_act_order")]
    act_order: bool,
    /// Quantize columns as they lie
    #[arg(help_heading = "Method", long)]
    no_act_order: bool,
    /// Fit the groups of the weight's own columns before anything is corrected (gptq)
    #[arg(help_heading = "Method", long)]
    static_groups: bool,
    /// Gather all of a layer's inputs before any of its linears is quantized
    #[arg(help_heading = "Method", long)]
    no_true_sequential: bool,
    /// Share of the mean of the Hessian's diagonal added to it [default: 0.01, spqr 1]
    #[arg(help_heading = "Method", long, value_name = "SHARE")]
    percdamp: Option<f32>,
    /// Added to --percdamp for as long as the factorization fails [default: 0.01]
    #[arg(help_heading = "Method", long, value_name = "SHARE")]
    damp_auto_increment: Option<f32>,
    /// Search each range for the smallest error, to this power
    #[arg(help_heading = "Method", long, value_name = "POWER", num_args = 0..=1, default_missing_value = "2.4")]
    mse: Option<f32>,
    /// Fit groups below 128 columns to weights as corrected so far (gptq)
    #[arg(help_heading = "Method", long)]
    fresh_groups: bool,
    /// Choose codes by the scale as it is stored, in f16
    #[arg(help_heading = "Method", long)]
    f16_scale_grid: bool,
    /// As the references: half the range for a group without negative weights (--sym)
    #[arg(help_heading = "Method", long)]
    reference_sym: bool,
    /// Bits of the codes of scales (spqr) [default: 3]
    #[arg(help_heading = "Method", long, value_name = "BITS")]
    scale_bits: Option<u32>,
    /// Bits of the codes of zeros (spqr) [default: 3]
    #[arg(help_heading = "Method", long, value_name = "BITS")]
    zero_bits: Option<u32>,
    /// Weights with a larger relative error are kept apart (spqr) [default: 0.2]
    #[arg(help_heading = "Method", long, value_name = "THRESHOLD", group = "outliers")]
    outlier_threshold: Option<f32>,
    /// Find the threshold that keeps this share of the weights apart (spqr)
    #[arg(help_heading = "Method", long, value_name = "SHARE", group = "outliers")]
    outlier_share: Option<f64>,
    /// Find the threshold that gives this many true bits a weight (spqr)
    #[arg(help_heading = "Method", long, value_name = "BITS", group = "outliers")]
    bits_per_weight: Option<f64>,
    /// Keep no weights apart (spqr)
    #[arg(help_heading = "Method", long, group = "outliers")]
    no_outliers: bool,
    /// Fit statistics with the outliers in (spqr): faster, worse
    #[arg(help_heading = "Method", long)]
    simplified_outliers: bool,
    /// Order columns by a greedy chain of rank correlations (spqr)
    #[arg(help_heading = "Method", long)]
    spearman: bool,
    /// As the reference: choose codes by statistics in f32, which are then stored in f16 (spqr)
    #[arg(help_heading = "Method", long)]
    reference_f32_stats: bool,
    /// Inputs this large stay out of the 8-bit product (int8) [default: 6]
    #[arg(help_heading = "Method", long, value_name = "VALUE")]
    threshold: Option<f32>,
    /// Leave linears of this name as they are; may be given several times
    #[arg(help_heading = "Method", long, value_name = "NAME")]
    skip: Vec<String>,
}

impl Options {
    /// # Errors
    /// An option that the method has no use for.
    fn expect_used_by(&self, method: Method) -> Result<()> {
        use Method::{Gptq, Int8, Rtn, Spqr};
        let given: &[(&str, bool, &[Method])] = &[
            ("--group-size", self.group_size.is_some(), &[Rtn, Gptq, Spqr]),
            ("--sym", self.sym, &[Rtn, Gptq]),
            ("--act-order", self.act_order, &[Gptq, Spqr]),
            ("--no-act-order", self.no_act_order, &[Gptq, Spqr]),
            ("--static-groups", self.static_groups, &[Gptq]),
            ("--percdamp", self.percdamp.is_some(), &[Gptq, Spqr]),
            ("--damp-auto-increment", self.damp_auto_increment.is_some(), &[Gptq, Spqr]),
            ("--mse", self.mse.is_some(), &[Rtn, Gptq]),
            ("--fresh-groups", self.fresh_groups, &[Gptq]),
            ("--f16-scale-grid", self.f16_scale_grid, &[Rtn, Gptq]),
            ("--reference-sym", self.reference_sym, &[Rtn, Gptq]),
            ("--scale-bits", self.scale_bits.is_some(), &[Spqr]),
            ("--zero-bits", self.zero_bits.is_some(), &[Spqr]),
            ("--outlier-threshold", self.outlier_threshold.is_some(), &[Spqr]),
            ("--outlier-share", self.outlier_share.is_some(), &[Spqr]),
            ("--bits-per-weight", self.bits_per_weight.is_some(), &[Spqr]),
            ("--no-outliers", self.no_outliers, &[Spqr]),
            ("--simplified-outliers", self.simplified_outliers, &[Spqr]),
            ("--spearman", self.spearman, &[Spqr]),
            ("--reference-f32-stats", self.reference_f32_stats, &[Spqr]),
            ("--threshold", self.threshold.is_some(), &[Int8]),
        ];
        for (option, given, methods) in given {
            if *given && !methods.contains(&method) {
                let names: Vec<_> = methods.iter().map(|m| m.name()).collect();
                let expected = format!("--method {}", names.join(" or "));
                return Err(Error::request(*option, expected, method.name(), "leave the option out"));
            }
        }
        Ok(())
    }

    fn settings(&self, quant: Quant) -> Result<Settings> {
        self.expect_used_by(quant.method)?;
        let base = Settings::new(quant);
        let group_size = match self.group_size {
            None => base.group_size,
            Some(-1) if quant.method != Method::Spqr => None,
            Some(group) if group > 0 => Some(group as usize),
            Some(group) => {
                let fix = "give a multiple of 32 (spqr: of 16), or -1 for whole rows";
                return Err(Error::request("--group-size", "a number of columns", group, fix));
            }
        };
        let outliers = match (self.outlier_threshold, self.outlier_share, self.bits_per_weight) {
            (Some(threshold), ..) => Outliers::Threshold(threshold),
            (_, Some(share), _) => Outliers::Share(share),
            (.., Some(bits)) => Outliers::BitsPerWeight(bits),
            _ if self.no_outliers => Outliers::None,
            _ => base.outliers,
        };
        Ok(Settings {
            group_size,
            sym: self.sym,
            act_order: self.act_order || base.act_order && !self.no_act_order && !self.spearman,
            static_groups: self.static_groups,
            true_sequential: !self.no_true_sequential,
            percdamp: self.percdamp.unwrap_or(base.percdamp),
            damp_auto_increment: self.damp_auto_increment.unwrap_or(base.damp_auto_increment),
            mse: self.mse,
            fresh_groups: self.fresh_groups,
            f16_scale_grid: self.f16_scale_grid,
            reference_sym: self.reference_sym,
            scale_bits: self.scale_bits.unwrap_or(base.scale_bits),
            zero_bits: self.zero_bits.unwrap_or(base.zero_bits),
            outliers,
            simplified_outliers: self.simplified_outliers,
            spearman: self.spearman,
            reference_f32_stats: self.reference_f32_stats,
            threshold: self.threshold.unwrap_or(base.threshold),
            skip: self.skip.clone(),
            ..base
        })
    }
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let bits = args.bits.unwrap_or(if args.method == Method::Int8 { 8 } else { 4 });
    if !args.method.bits().contains(&bits) {
        let expected = format!("one of {:?} for {}", args.method.bits(), args.method.name());
        return Err(Error::request("--bits", expected, bits, "choose another width or method").into());
    }
    let settings = args.options.settings(Quant { method: args.method, bits })?;
    let (calibration, device) = (args.calibration.choice(), args.device.choice());
    let report = quantize(&args.model, settings, &calibration, &device, &args.out, &mut Bar::new())?;
    if args.json {
        print_json(&report)?;
    } else {
        print_out(&(summary(&report, &args.out) + "\n"))?;
    }
    Ok(Outcome::Done)
}
