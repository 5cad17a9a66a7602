//! `qwgpu doctor`: what would stop a model here, and how to mend it.

use serde_json::json;

use super::options::with_options;
use super::output::{ExitStatus, print_json, print_out};
use super::progress::Bar;
use crate::doctor::diagnose;

const HELP: &str = "\
Exit codes: 0 a model can run on the default adapter, 1 that adapter computes wrongly or not at all, 3 there is no \
adapter (--path cpu still works).

Examples:
  qwgpu doctor
  qwgpu doctor --json | jq '.findings[] | select(.level != \"ok\")'";

/// Check whether models can run on this machine, and say how to mend what is wrong
///
/// Looks at drivers, permissions, limits and memory, and compares every kernel on every adapter with the CPU reference.
/// Each finding is ok, slow (models run, but could run faster) or stop (no model runs, or none on that adapter).
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    /// Print one JSON object: can_run, adapter, findings
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let mut diagnosis = diagnose(&mut Bar::new())?;
    for finding in &mut diagnosis.findings {
        finding.fix = finding.fix.take().map(|fix| with_options(&fix));
    }
    let can_run = diagnosis.can_run();
    let adapter = diagnosis.adapter.as_ref().ok().map(|facts| &facts.name);
    if args.json {
        print_json(&json!({ "can_run": can_run, "adapter": adapter, "findings": diagnosis.findings }))?;
    } else {
        for finding in &diagnosis.findings {
            let level = format!("{:?}", finding.level).to_lowercase();
            let fix = finding.fix.as_ref().map(|fix| format!("      -> {fix}\n")).unwrap_or_default();
            print_out(&format!("{level:<5} {}\n{fix}", finding.message))?;
        }
        print_out(&match adapter {
            Some(name) if can_run => format!("a model can run, on {name}\n"),
            Some(name) => format!("a model cannot run on {name}, the default adapter\n"),
            None => "no adapter; --path cpu runs models on the CPU reference\n".to_owned(),
        })?;
    }
    diagnosis.adapter?;
    Ok(if can_run { ExitStatus::Done } else { ExitStatus::Failed })
}
