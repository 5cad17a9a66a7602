//! `qwgpu check`: the model on the device against the CPU reference, step by step.

use serde_json::json;

use super::model::ModelArgs;
use super::output::{ExitStatus, print_json, print_out};
use super::progress::Bar;
use super::values::count;
use crate::generate::{ModelCheck, Run, check_model};

const HELP: &str = "\
Examples:
  qwgpu check --model Qwen2.5-0.5B-Instruct
  qwgpu check --model model.gguf --path portable --tokens 8 --json
  qwgpu check --model random:qwen2.5-0.5b --shaders my-shaders";

/// Compare every step of a model with the CPU reference
///
/// Loads the model twice, for the device and for the f32 reference on the CPU, and runs a prefill and one decode step on
/// both. The outputs of every step are compared, and the reference goes on from the device's output, so that each kernel
/// answers for its own error alone. The first step that differs by more than is allowed is named, and the exit code is 1.
///
/// The reference holds the weights in memory a second time and takes seconds to minutes.
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Tokens of the prefill
    #[arg(long, default_value_t = 24, value_name = "N", value_parser = count)]
    tokens: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let mut bar = Bar::new();
    let spec = args.model.options().spec(&args.model.model, &mut bar)?;
    let mut loaded = args.model.load_spec(&spec, &mut bar)?;
    let found = check_model(&spec, &mut loaded.engine, args.tokens, &mut bar)?;
    drop(bar);
    report(args, &loaded.run, &found)?;
    Ok(if found.differing.is_none() { ExitStatus::Done } else { ExitStatus::Failed })
}

fn report(args: &Args, run: &Run, found: &ModelCheck) -> anyhow::Result<()> {
    let steps: usize = found.kernels.iter().map(|kernel| kernel.steps).sum();
    if args.json {
        let first = found.differing.as_ref().map(|(phase, p)| {
            let [row, col] = p.at();
            json!({
                "phase": phase, "step": p.name(), "number": p.number, "kernel": p.step.kernel.name, "row": row, "col": col,
                "expected": p.expected, "found": p.found, "nmse": number(p.difference.nmse), "allowed": p.allowed,
            })
        });
        return print_json(&json!({
            "model": args.model.model, "adapter": run.adapter, "software": run.software, "path": run.path,
            "kv_cache": run.kv_cache, "steps": steps, "passed": first.is_none(), "first_parting": first, "kernels": found.kernels,
        }));
    }
    let mut text = format!("{:<20}{:>8}{:>14}{:>12}\n", "kernel", "steps", "worst nmse", "allowed");
    for k in &found.kernels {
        text += &format!("{:<20}{:>8}{:>14.2e}{:>12.0e}\n", k.kernel, k.steps, k.worst_nmse, k.allowed);
    }
    text += &match &found.differing {
        None => format!("all {steps} steps agree with the reference\n"),
        Some((phase, p)) => format!(
            "FAILED in {phase} at step {}: {} (kernel {}): output{:?} is {}, the reference has {}; nmse {:.2e}, allowed {:.0e}\n",
            p.number,
            p.name(),
            p.step.kernel.name,
            p.at(),
            p.found,
            p.expected,
            p.difference.nmse,
            p.allowed
        ),
    };
    print_out(&text)
}

/// JSON has no infinity.
fn number(value: f64) -> serde_json::Value {
    if value.is_finite() { json!(value) } else { json!("infinite") }
}
