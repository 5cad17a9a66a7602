//! `qwgpu devices`: what is there and how it would be used.

use serde_json::json;

use super::output::{ExitStatus, print_json, print_out};
use crate::error::Error;
use crate::formats;
use crate::gpu::{self, tuning};
use crate::plan::Needs;

const HELP: &str = "\
Exit codes: 0 there is an adapter, 3 there is none.

Examples:
  qwgpu devices
  qwgpu devices --json | jq -r '.[].name'
  WGPU_BACKEND=gl qwgpu devices";

/// List the adapters and the shaders that each would run
///
/// For each adapter: name, graphics API, driver, optional features, limits, and the shader variant and constants of each
/// kernel on the fast path, as listed; what `qwgpu tune` kept may differ.
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    /// Print one JSON list
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let adapters = gpu::adapters();
    if args.json {
        let mut list = Vec::new();
        for a in &adapters {
            let mut value = serde_json::to_value(&a.facts)?;
            value["path"] = json!("fast");
            value["kernels"] = kernels(&a.facts);
            list.push(value);
        }
        print_json(&json!(list))?;
    } else {
        for a in &adapters {
            print_out(&describe(&a.facts))?;
        }
    }
    if adapters.is_empty() {
        let reason = match std::env::var("WGPU_BACKEND") {
            Ok(backend) => format!("WGPU_BACKEND={backend} leaves none"),
            Err(_) => "this machine shows none".to_owned(),
        };
        return Err(Error::NoAdapter { reason, fix: "`qwgpu doctor` says what is missing".into() }.into());
    }
    Ok(ExitStatus::Done)
}

/// The variant and constants each kernel would run with.
fn kernels(facts: &gpu::Facts) -> serde_json::Value {
    let subgroup = if facts.has.contains(Needs::SUBGROUP) { facts.subgroup_max } else { 1 };
    let choices = formats::kernels().map(|kernel| {
        let (variant, consts) = tuning::choose(kernel, facts.class, facts.has, subgroup);
        let consts: serde_json::Map<_, _> = consts.iter().map(|(n, v)| (n.to_owned(), json!(v))).collect();
        (kernel.name.to_owned(), json!({ "variant": variant.name, "constants": consts }))
    });
    serde_json::Value::Object(choices.collect())
}

fn describe(f: &gpu::Facts) -> String {
    let mib = |bytes: u64| bytes >> 20;
    let class = format!("{:?}", f.class).to_lowercase();
    let note = if f.class == gpu::Class::Software { ", computes on the CPU" } else { "" };
    let subgroup = if f.has.contains(Needs::SUBGROUP) { f.subgroup_max } else { 1 };
    let mut text = format!(
        "{}: {}\n   {} {class}{note}; driver {}\n   features: {}{}\n   subgroups of {} to {}\n   limits: binding {} MiB, buffer {} MiB, workgroup {} invocations and {} KiB\n   on the fast path:\n",
        f.index,
        f.name,
        f.backend,
        f.driver,
        f.has,
        if f.timestamps { ", timestamps" } else { "" },
        f.subgroup_min,
        f.subgroup_max,
        mib(f.max_binding),
        mib(f.max_buffer),
        f.max_workgroup_size,
        f.max_workgroup_memory >> 10,
    );
    for kernel in formats::kernels() {
        let (variant, consts) = tuning::choose(kernel, f.class, f.has, subgroup);
        let consts: Vec<String> = consts.iter().map(|(name, value)| format!("{name}={value}")).collect();
        text += &format!("     {:<18} {:<16} {}\n", kernel.name, variant.name, consts.join(" "));
    }
    text
}
