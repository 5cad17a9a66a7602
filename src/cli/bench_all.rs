//! `qwgpu bench all`: one results file for this adapter, from nothing but the program.

use std::path::PathBuf;

use super::measure::{measure_model, open};
use super::model::{DeviceArgs, ModelArgs};
use super::output::{Outcome, note, print_json, print_out};
use super::progress::Bar;
use super::values::count;
use crate::bench::report::{Report, SCHEMA, Skipped, commit};
use crate::bench::{kernels, tables};
use crate::date;
use crate::error::Error;
use crate::gpu::Class;

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
    device: DeviceArgs,
    /// Print the results file's JSON too
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    // Said now, not after minutes.
    if let Some(folder) = args.out.parent().filter(|f| !f.as_os_str().is_empty() && !f.is_dir()) {
        return Err(
            Error::request("--out", "a file in a folder that exists", folder.display(), "make the folder").into()
        );
    }
    let mut gpu = open(&args.device)?;
    let software = gpu.facts.class == Class::Software;
    let probes = kernels::probe(&mut gpu)?;
    let mut report = Report {
        schema: SCHEMA,
        qwgpu: env!("CARGO_PKG_VERSION").into(),
        commit: commit(),
        date: date::today(),
        adapter: serde_json::to_value(&gpu.facts)?,
        path: args.device.path.name(),
        limits: args.device.limits.name(),
        without: args.device.without.iter().map(ToString::to_string).collect(),
        edited_shaders: args.device.shaders.is_some(),
        clock: kernels::clock(&gpu),
        probes,
        checks: kernels::self_check(&mut gpu, &mut Bar::new())?,
        kernels: kernels::time(&mut gpu, "", &probes, &mut Bar::new())?,
        models: Vec::new(),
        skipped: Vec::new(),
    };
    // Its memory is the models' now.
    drop(gpu);
    let (prompt, generated) = if software { (128, 8) } else { (512, 128) };
    let (prompt, generated) = (args.prompt.unwrap_or(prompt), args.r#gen.unwrap_or(generated));
    let shapes: Vec<String> = match args.model.as_slice() {
        [] => SHAPES[..if software { 1 } else { SHAPES.len() }].iter().map(|&s| s.to_owned()).collect(),
        named => named.to_vec(),
    };
    for shape in shapes {
        let model = ModelArgs {
            model: shape.clone(),
            context: Some(prompt + generated),
            quant: None,
            calibration: None,
            calibration_samples: 1,
            calibration_length: 1,
            device: args.device.clone(),
        };
        match measure_model(&model, prompt, generated, args.repeats, Some(&probes)) {
            Ok(measured) => report.models.push(measured),
            Err(e) if matches!(e.downcast_ref(), Some(Error::OutOfMemory { .. })) => {
                note(&format!("{shape}: {e:#}"));
                report.skipped.push(Skipped { model: shape, reason: format!("{e:#}") });
            }
            Err(e) => return Err(e),
        }
    }
    report.write(&args.out)?;
    if args.json {
        print_json(&serde_json::to_value(&report)?)?;
    } else {
        summary(&report)?;
    }
    let (_, faults) = report.checked();
    Ok(if faults == 0 { Outcome::Done } else { Outcome::Failed })
}

fn summary(report: &Report) -> anyhow::Result<()> {
    let (cases, faults) = report.checked();
    for check in report.checks.iter().filter(|c| !c.faults.is_empty()) {
        for fault in &check.faults {
            print_out(&format!("FAILED {}/{}: {fault}\n", check.kernel, check.variant))?;
        }
    }
    print_out(&format!("self-check: {} of {cases} cases agree with the reference\n", cases - faults))?;
    print_out(&format!("{}\n\n", tables::probes(&report.probes, report.clock)))?;
    print_out(&tables::aligned(&tables::kernels(&report.kernels, false)))?;
    print_out(&format!("\n{}", tables::aligned(&tables::models(&report.models))))
}
