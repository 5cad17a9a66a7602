//! `qwgpu check`: the model on the device against the CPU reference, step by step.

use serde_json::json;

use super::model::ModelArgs;
use super::output::{Outcome, print_json, print_out};
use super::progress::Bar;
use super::values::count;
use crate::error::Error;
use crate::generate::{PassOutput, load_reference};
use crate::plan::check::{StepCheck, check};
use crate::progress::Progress;

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

/// The worst a kernel did over all its steps.
#[derive(Default)]
struct Worst {
    steps: usize,
    nmse: f64,
    allowed: f64,
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut bar = Bar::new();
    let spec = args.model.options().spec(&args.model.model, &mut bar)?;
    let mut loaded = args.model.load_spec(&spec, &mut bar)?;
    // One prefill, then a step of its own.
    let most = loaded.engine.chunk().min(loaded.engine.context() - 1);
    if args.tokens > most {
        let fix = "a chunk of the prompt and one more token must fit";
        return Err(Error::request("--tokens", format!("at most {most}"), args.tokens, fix).into());
    }
    let mut reference = load_reference(&spec, &mut loaded.engine, &mut bar)?;

    // Any tokens will do, as long as they differ; the last one is left for the decode step.
    let vocab = loaded.engine.model.config.vocab_size.min(100_000) as u32;
    let tokens = args.tokens;
    let ids: Vec<u32> = (0..=tokens as u32).map(|i| (i * 7919 + 785) % vocab).collect();
    let mut worst: Vec<(&str, Worst)> = Vec::new();
    let mut differing = None;
    let mut steps = 0;
    for (phase, ids) in [("prefill", &ids[..tokens]), ("decode", &ids[tokens..])] {
        loaded.engine.place(ids)?;
        reference.engine.place(ids)?;
        let (plan, _) = loaded.engine.plan(ids.len(), PassOutput::Token);
        let mut progress = |s: &StepCheck| {
            bar.at(&format!("{phase}: {}", s.step.name), s.number as u64, plan.steps.len() as u64)?;
            let name = s.step.kernel.name;
            let at = worst.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                worst.push((name, Worst::default()));
                worst.len() - 1
            });
            let w = &mut worst[at].1;
            w.steps += 1;
            w.nmse = w.nmse.max(s.difference.nmse);
            w.allowed = s.allowed;
            steps += 1;
            Ok(())
        };
        let found = check(&plan, reference.engine.backend(), loaded.engine.backend(), &mut progress)?;
        loaded.engine.skip(ids.len());
        reference.engine.skip(ids.len());
        if let Some(found) = found {
            differing = Some((phase, found));
            break;
        }
    }
    report(args, &loaded.run, steps, &worst, differing.as_ref())?;
    Ok(if differing.is_none() { Outcome::Done } else { Outcome::Failed })
}

fn report(
    args: &Args,
    run: &crate::generate::Run,
    steps: usize,
    worst: &[(&str, Worst)],
    differing: Option<&(&str, StepCheck)>,
) -> anyhow::Result<()> {
    if args.json {
        let kernels: Vec<_> = worst
            .iter()
            .map(|(name, w)| json!({ "kernel": name, "steps": w.steps, "worst_nmse": w.nmse, "allowed": w.allowed }))
            .collect();
        let first = differing.map(|(phase, p)| {
            let [row, col] = p.at();
            json!({
                "phase": phase, "step": p.step.name, "number": p.number, "kernel": p.step.kernel.name, "row": row, "col": col,
                "expected": p.expected, "found": p.found, "nmse": number(p.difference.nmse), "allowed": p.allowed,
            })
        });
        return print_json(&json!({
            "model": args.model.model, "adapter": run.adapter, "software": run.software, "path": run.path,
            "steps": steps, "passed": differing.is_none(), "first_parting": first, "kernels": kernels,
        }));
    }
    let mut text = format!("{:<20}{:>8}{:>14}{:>12}\n", "kernel", "steps", "worst nmse", "allowed");
    for (name, w) in worst {
        text += &format!("{name:<20}{:>8}{:>14.2e}{:>12.0e}\n", w.steps, w.nmse, w.allowed);
    }
    text += &match differing {
        None => format!("all {steps} steps agree with the reference\n"),
        Some((phase, p)) => format!(
            "FAILED in {phase} at step {}: {} (kernel {}): output{:?} is {}, the reference has {}; nmse {:.2e}, allowed {:.0e}\n",
            p.number,
            p.step.name,
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
