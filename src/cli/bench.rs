//! `qwgpu bench`: how fast kernels and models are here.

use std::path::PathBuf;

use serde_json::json;

use super::bench_all;
use super::measure::{aligned, measure_model, open};
use super::model::{DeviceArgs, ModelArgs};
use super::output::{ExitStatus, note, print_json, print_out};
use super::progress::Bar;
use super::values::count;
use crate::bench::results::Results;
use crate::bench::{kernels, tables, usage};
use crate::error::Error;
use crate::text::read_text;
use crate::units::binary_bytes;

const HELP: &str = "\
Shares are of this adapter's own rates, measured in the same run: the bandwidth of the copy kernel and the multiply-adds a \
second of the fma kernel. On a software adapter, which computes on the CPU, times are CPU times over all threads, which \
other programs do not disturb.

JSON fields: kernels has adapter, clock, probes, kernels; decode has adapter, path, limits, probes, measured; all prints the \
file that it writes to --out.

Examples:
  qwgpu bench kernels --filter matvec
  qwgpu bench decode --model random:qwen2.5-7b
  qwgpu bench decode --model Qwen2.5-0.5B --prompt 1 --gen 2048
  qwgpu bench all --out benches/results/my-gpu.json
  qwgpu bench table";

/// Measure how fast kernels and models run here
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(clap::Subcommand)]
enum BenchCommand {
    /// Time each kernel on the shapes of models, all variants in turn
    Kernels(KernelArgs),
    /// Measure prefill and decode of a model: tokens per second and memory
    Decode(DecodeArgs),
    /// Check and time all kernels and models of random weights, and write a results file
    All(bench_all::Args),
    /// Write the tables of docs/PERFORMANCE.md from the results files
    Table(TableArgs),
}

#[derive(clap::Args)]
struct KernelArgs {
    /// Time only the cases whose kernel/case contains this
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    filter: String,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct DecodeArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Tokens of the prompt
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = count)]
    prompt: usize,
    /// Tokens generated after it
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = count)]
    r#gen: usize,
    /// Measured runs, after one that only warms up [default: 5, on software adapters 2]
    #[arg(long, value_name = "N", value_parser = count)]
    repeats: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct TableArgs {
    /// Folder of the results files
    #[arg(long, default_value = "benches/results", value_name = "DIR")]
    results: PathBuf,
    /// Document whose tables are written
    #[arg(long, default_value = "docs/PERFORMANCE.md", value_name = "FILE")]
    document: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    match &args.command {
        BenchCommand::Kernels(args) => time_kernels(args),
        BenchCommand::Decode(args) => decode(args),
        BenchCommand::All(args) => bench_all::run(args),
        BenchCommand::Table(args) => table(args),
    }
}

fn time_kernels(args: &KernelArgs) -> anyhow::Result<ExitStatus> {
    let mut gpu = open(&args.device)?;
    let probes = kernels::probe(&mut gpu)?;
    let rows = kernels::time(&mut gpu, &args.filter, &mut Bar::new())?;
    if rows.is_empty() {
        let fix = "`qwgpu bench kernels` without --filter times all";
        return Err(Error::request("--filter", "part of a kernel/case", &args.filter, fix).into());
    }
    let clock = kernels::clock(&gpu);
    if args.json {
        print_json(&json!({ "adapter": gpu.facts, "clock": clock, "probes": probes, "kernels": rows }))?;
    } else {
        print_out(&format!("{}\n\n", tables::probes(&probes, clock)))?;
        print_out(&aligned(&tables::kernels(&rows, &probes, true)))?;
    }
    Ok(ExitStatus::Done)
}

fn decode(args: &DecodeArgs) -> anyhow::Result<ExitStatus> {
    let (adapter, probes) = kernels::probes(&args.model.device.choice())?.unzip();
    let context = args.model.context.unwrap_or(args.prompt + args.r#gen);
    let model = ModelArgs { context: Some(context), ..args.model.clone() };
    let mut measured = measure_model(&model, [args.prompt, args.r#gen], args.repeats)?;
    measured.peak_host_bytes = usage::peak_bytes();
    if args.json {
        print_json(&json!({
            "adapter": adapter, "path": args.model.device.path.name(),
            "limits": args.model.device.limits.name(), "probes": probes, "measured": measured,
        }))?;
        return Ok(ExitStatus::Done);
    }
    let lines = tables::models(std::slice::from_ref(&measured), probes.as_ref());
    let rows: Vec<Vec<&str>> = lines.lines().map(|l| l.trim_matches('|').split('|').map(str::trim).collect()).collect();
    for (name, value) in rows[0].iter().zip(&rows[2]) {
        print_out(&format!("{name:<34}{value}\n"))?;
    }
    if let Some(peak) = measured.peak_host_bytes {
        print_out(&format!("{:<34}{}\n", "host memory, most at once", binary_bytes(peak)))?;
    }
    Ok(ExitStatus::Done)
}

fn table(args: &TableArgs) -> anyhow::Result<ExitStatus> {
    let results = Results::read_all(&args.results)?;
    let old = read_text(&args.document)?;
    let new = tables::fill(&old, &args.document, &results)?;
    if new != old {
        std::fs::write(&args.document, new).map_err(|source| Error::Io { path: args.document.clone(), source })?;
    }
    note(&format!("{}: tables of {} results files", args.document.display(), results.len()));
    Ok(ExitStatus::Done)
}
