//! `qwgpu bench all`: one results file for this adapter, from nothing but the program.

use std::path::PathBuf;

use super::calibration::CalibrationArgs;
use super::measure::{aligned, measure_model, open};
use super::model::{DeviceArgs, LmHeadArgs, ModelArgs, RunArgs};
use super::output::{ExitStatus, note, print_json, print_out};
use super::progress::Bar;
use super::values::count;
use crate::bench::results::{Results, SCHEMA, SkippedModel};
use crate::bench::{COMMIT, kernels, tables};
use crate::date;
use crate::error::Error;
use crate::formats::{METHODS, Quant, QuantType};
use crate::gpu::Class;
use crate::lab::{Card, beside};

/// Shapes measured where none are named; a software adapter gets the first alone.
const SHAPES: &[&str] = &["random:qwen2.5-0.5b", "random:qwen2.5-7b"];

#[derive(clap::Args)]
pub struct Args {
    /// The results file; benches/results/ keeps one for each adapter
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Models to measure; may be given several times [default: random weights of Qwen2.5-0.5B, and on a
    /// GPU of Qwen2.5-7B]
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// Measure the models quantized like this too; may be given several times [default: one method of each format]
    #[arg(long, value_name = "METHOD:BITS")]
    quant: Vec<QuantType>,
    /// Tokens of the prompt [default: 512, on software adapters 128]
    #[arg(long, value_name = "N", value_parser = count)]
    prompt: Option<usize>,
    /// Tokens generated after it [default: 128, on software adapters 8]
    #[arg(long, value_name = "N", value_parser = count)]
    r#gen: Option<usize>,
    /// Measured runs, after one that only warms up [default: 5, on software adapters 2]
    #[arg(long, value_name = "N", value_parser = count)]
    repeats: Option<usize>,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print the results file's JSON too
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    // Now, not after minutes.
    if let Some(folder) = args.out.parent().filter(|f| !f.as_os_str().is_empty() && !f.is_dir()) {
        let expected = "a file in a folder that exists";
        return Err(Error::request("--out", expected, folder.display(), "make the folder").into());
    }
    let mut gpu = open(&args.device)?;
    let software = gpu.facts.class == Class::Software;
    let probes = kernels::probe(&mut gpu)?;
    let mut results = Results {
        schema: SCHEMA,
        qwgpu: env!("CARGO_PKG_VERSION").into(),
        commit: COMMIT.into(),
        date: date::today(),
        adapter: serde_json::to_value(&gpu.facts)?,
        path: args.device.path.name().into(),
        limits: args.device.limits.name(),
        without: args.device.without.iter().map(ToString::to_string).collect(),
        edited_shaders: args.device.shaders.is_some(),
        clock: kernels::clock(&gpu),
        probes,
        checks: kernels::self_check(&mut gpu, &mut Bar::new())?,
        kernels: kernels::time(&mut gpu, "", &mut Bar::new())?,
        models: Vec::new(),
        skipped: Vec::new(),
    };
    let card = Card::of_adapter(&gpu.facts.name);
    match &card {
        Some(card) => beside::time_kernels(card, &mut results.kernels, &mut Bar::new())?,
        None => note(&format!("{} is no card of `qwgpu shader predict`: nothing is predicted beside", gpu.facts.name)),
    }
    // Its memory is the models' now.
    drop(gpu);
    let (prompt, generated) = if software { (128, 8) } else { (512, 128) };
    let (prompt, generated) = (args.prompt.unwrap_or(prompt), args.r#gen.unwrap_or(generated));
    let shapes: Vec<String> = match args.model.as_slice() {
        [] => SHAPES[..if software { 1 } else { SHAPES.len() }].iter().map(|&s| s.to_owned()).collect(),
        named => named.to_vec(),
    };
    let quants = if args.quant.is_empty() { one_of_each_format() } else { args.quant.clone() };
    let quants: Vec<Option<QuantType>> = std::iter::once(None).chain(quants.into_iter().map(Some)).collect();
    for (shape, quant) in shapes.iter().flat_map(|shape| quants.iter().map(move |quant| (shape, *quant))) {
        let model = ModelArgs {
            model: shape.clone(),
            context: Some(prompt + generated),
            dequantize: false,
            quant,
            lm_head: LmHeadArgs::default(),
            calibration: CalibrationArgs::NONE,
            run: args.run,
            device: args.device.clone(),
        };
        match measure_model(&model, [prompt, generated], args.repeats) {
            Ok(mut measured) => {
                // Files that were quantized on the way have no prediction.
                if let Some(card) = card.as_ref().filter(|_| shape.starts_with("random:") || quant.is_none()) {
                    measured.predicted = Some(beside::speed(card, (shape, quant), &measured, &mut Bar::new())?);
                }
                results.models.push(measured);
            }
            Err(e) if matches!(e.downcast_ref(), Some(Error::OutOfMemory { .. })) => {
                note(&format!("{}: {e:#}", model.label()));
                results.skipped.push(SkippedModel { model: model.label(), reason: format!("{e:#}") });
            }
            Err(e) => return Err(e),
        }
    }
    results.write(&args.out)?;
    if args.json {
        print_json(&serde_json::to_value(&results)?)?;
    } else {
        summary(&results)?;
    }
    let (_, faults) = results.checked();
    Ok(if faults == 0 { ExitStatus::Done } else { ExitStatus::Failed })
}

/// Returns the last method of each format, with its default bits.
fn one_of_each_format() -> Vec<QuantType> {
    let mut quants: Vec<Quant> = Vec::new();
    for &method in METHODS {
        quants.retain(|quant| quant.method.format.name != method.format.name);
        quants.push(Quant { method, bits: method.default_bits });
    }
    quants.into_iter().map(QuantType::Method).collect()
}

fn summary(results: &Results) -> anyhow::Result<()> {
    let (cases, faults) = results.checked();
    for check in results.checks.iter().filter(|c| !c.faults.is_empty()) {
        for fault in &check.faults {
            print_out(&format!("FAILED {}/{}: {fault}\n", check.kernel, check.variant))?;
        }
    }
    print_out(&format!("self-check: {} of {cases} cases agree with the reference\n", cases - faults))?;
    print_out(&format!("{}\n\n", tables::probes(&results.probes, results.clock)))?;
    print_out(&aligned(&tables::kernels(&results.kernels, &results.probes, false)))?;
    print_out(&format!("\n{}", aligned(&tables::models(&results.models, Some(&results.probes)))))
}
