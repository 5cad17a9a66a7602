//! `qwgpu doctor`: what would stop a model here, and the remedy.

use std::time::Instant;

use serde_json::json;

use super::diagnosis::{Finding, Level, drivers};
use super::machine::Machine;
use super::output::{Outcome, print_json, print_out};
use super::progress::Bar;
use crate::error::Result;
use crate::formats::kernels;
use crate::gpu::{self, Class, Facts, Gpu, Options};
use crate::model::{Config, weights};
use crate::plan::trial::run_case;
use crate::plan::{Kernel, Needs, Variant};
use crate::progress::Progress;
use crate::units::binary_bytes;

pub const HELP: &str = "\
Looks at drivers, permissions, limits and memory, and runs the small test cases of every kernel on
every adapter against the CPU reference. Each finding is `ok`, `slow` (it runs, but could be faster) or
`stop` (no model runs, or not on that adapter), with a remedy where there is one.

Exit codes: 0 a model can run on the adapter that is taken by default, 1 that adapter computes wrongly
or not at all, 3 there is no adapter (--path cpu still works).

Examples:
  qwgpu doctor
  qwgpu doctor --json | jq '.findings[] | select(.level != \"ok\")'";

#[derive(clap::Args)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Limits that every kernel may count on; WebGPU grants them.
const WORKGROUP_SIZE: u32 = 256;
const WORKGROUP_MEMORY: u32 = 16 << 10;
const BINDING: u64 = 128 << 20;

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let machine = Machine::here();
    let adapters = gpu::adapters();
    let facts: Vec<Facts> = adapters.iter().map(|a| a.facts.clone()).collect();
    let mut findings = Vec::new();
    if cfg!(target_os = "linux") {
        findings.extend(drivers(&machine, &facts, has_loader()));
    }
    for adapter in adapters {
        findings.extend(examine(adapter)?);
    }
    findings.push(cache_folder());
    findings.extend(machine.free.map(memory));

    let taken = gpu::select(gpu::adapters(), None, false).map(|a| a.facts);
    let can_run = taken.as_ref().is_ok_and(|taken| {
        !findings.iter().any(|f| f.level == Level::Stop && f.adapter.is_none_or(|index| index == taken.index))
    });
    report(args, &findings, taken.as_ref().ok(), can_run)?;
    taken?;
    Ok(if can_run { Outcome::Done } else { Outcome::Failed })
}

fn report(args: &Args, findings: &[Finding], taken: Option<&Facts>, can_run: bool) -> anyhow::Result<()> {
    if args.json {
        let adapter = taken.map(|facts| &facts.name);
        return print_json(&json!({ "can_run": can_run, "adapter": adapter, "findings": findings }));
    }
    let mut text = String::new();
    for finding in findings {
        text += &format!("{:<5} {}\n", finding.level.name(), finding.message);
        if let Some(fix) = &finding.fix {
            text += &format!("      -> {fix}\n");
        }
    }
    text += &match taken {
        Some(facts) if can_run => format!("a model can run, on {}\n", facts.name),
        Some(facts) => format!("a model cannot run on {}, the adapter taken by default\n", facts.name),
        None => "no adapter; --path cpu runs models on the CPU reference\n".to_owned(),
    };
    print_out(&text)
}

/// Whether the library that finds Vulkan drivers is installed.
fn has_loader() -> bool {
    // SAFETY: this library is loaded by every Vulkan program; loading it runs nothing of ours.
    unsafe { libloading::Library::new("libvulkan.so.1") }.is_ok()
}

/// Opens an adapter and tries every kernel on it.
fn examine(adapter: gpu::Adapter) -> Result<Vec<Finding>> {
    let facts = adapter.facts.clone();
    let mut findings = abilities(&facts);
    let name = format!("adapter {}, {} ({})", facts.index, facts.name, facts.backend);
    let mut gpu = match Gpu::open(adapter, Options::default()) {
        Ok(gpu) => gpu,
        Err(error) => {
            let message = format!("{name}: the driver refuses a device: {error}");
            findings.push(Finding::stop("device", message, "update the driver, or choose another --device"));
            return Ok(mark(findings, &facts));
        }
    };
    let start = Instant::now();
    let mut bar = Bar::new();
    let mut cases = 0;
    let mut failed = Vec::new();
    for (number, kernel) in kernels().enumerate() {
        for case in kernel.cases.iter().filter(|case| !case.bench) {
            bar.at(kernel.name, number as u64, kernels().count() as u64)?;
            cases += 1;
            let variant = gpu.variant(kernel).0;
            let wrong = match run_case(kernel, case, &mut gpu) {
                Ok(None) => continue,
                Ok(Some(wrong)) => wrong,
                Err(error) => error.to_string(),
            };
            failed.push(wrong_kernel(&name, kernel, variant, case.name, &wrong));
            // A device that fails once may fail at everything after: the other kernels speak for themselves.
            break;
        }
    }
    drop(bar);
    if failed.is_empty() {
        let seconds = start.elapsed().as_secs_f64();
        let message =
            format!("{name}: {} kernels agree with the reference in {cases} cases ({seconds:.1} s)", kernels().count());
        findings.insert(0, Finding::ok("kernels", message));
    }
    findings.extend(failed);
    Ok(mark(findings, &facts))
}

fn wrong_kernel(name: &str, kernel: &Kernel, variant: &Variant, case: &str, wrong: &str) -> Finding {
    let fix = if variant.needs == Needs::empty() {
        "update the driver; if that does not help, report this line".to_owned()
    } else {
        let features: Vec<String> =
            variant.needs.iter_names().map(|(name, _)| format!("--without {}", name.to_lowercase())).collect();
        format!("update the driver, or run with {} or --path portable", features.join(" "))
    };
    let message = format!("{name}: kernel {}, variant {}, case {case}: {wrong}", kernel.name, variant.name);
    Finding::stop("kernels", message, fix)
}

fn mark(mut findings: Vec<Finding>, facts: &Facts) -> Vec<Finding> {
    findings.iter_mut().for_each(|finding| finding.adapter = Some(facts.index));
    findings
}

/// What an adapter has less of than the kernels want.
fn abilities(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = format!("adapter {}, {}", facts.index, facts.name);
    if facts.class == Class::Software {
        let message = format!("{name} computes on the CPU: for checks and small models");
        findings.push(Finding::slow("software", message, "a GPU with its driver; --require-gpu refuses this adapter"));
    }
    if facts.max_workgroup_size < WORKGROUP_SIZE || facts.max_workgroup_memory < WORKGROUP_MEMORY {
        let message = format!(
            "{name}: workgroups of {} invocations and {} bytes; kernels need {WORKGROUP_SIZE} and {WORKGROUP_MEMORY}",
            facts.max_workgroup_size, facts.max_workgroup_memory
        );
        findings.push(Finding::stop("limits", message, "choose another --device or WGPU_BACKEND"));
    }
    let binding = facts.max_binding.min(facts.max_buffer);
    if binding < BINDING {
        let message =
            format!("{name}: a binding holds {}, so that weights are cut into more parts", binary_bytes(binding));
        findings.push(Finding::slow("binding", message, "another WGPU_BACKEND may offer more"));
    }
    for (need, what) in [(Needs::SUBGROUP, "subgroup operations"), (Needs::F16, "f16 arithmetic")] {
        if !facts.has.contains(need) {
            let message = format!("{name} has no {what}: portable kernels run in place of faster ones");
            findings.push(Finding::slow("features", message, "a newer driver may have them"));
        }
    }
    findings
}

/// Whether compiled shaders can be kept.
fn cache_folder() -> Finding {
    let Some(folder) = gpu::cache_folder() else {
        let message = "no folder for compiled shaders: every start compiles them anew";
        return Finding::slow("cache", message.into(), "set HOME or XDG_CACHE_HOME");
    };
    let probe = folder.join(format!("probe-{}", std::process::id()));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&probe, b"probe"));
    let _ = std::fs::remove_file(&probe);
    match written {
        Ok(()) => Finding::ok("cache", format!("compiled shaders are kept in {}", folder.display())),
        Err(error) => {
            let message = format!("{}: {error}: every start compiles the shaders anew", folder.display());
            Finding::slow("cache", message, "make the folder writable, or set XDG_CACHE_HOME to one that is")
        }
    }
}

/// Which published models fit, unquantized.
fn memory(free: u64) -> Finding {
    let bytes = |name: &&str| Config::published(name).map(|config| weights::bf16_bytes(&config));
    let mut sizes: Vec<(u64, &str)> =
        Config::published_names().iter().filter_map(|name| Some((bytes(name)?, *name))).collect();
    sizes.sort_unstable();
    // A tenth is left for cache and scratch.
    let fits = sizes.iter().rev().find(|(bytes, _)| bytes / 10 * 11 < free);
    match fits {
        Some((bytes, name)) => {
            let weights = binary_bytes(*bytes);
            let message =
                format!("{} of memory free: room for {name} in bf16 ({weights} of weights)", binary_bytes(free));
            Finding::ok("memory", message)
        }
        None => {
            let (bytes, name) = sizes[0];
            let message =
                format!("{} of memory free: {name} in bf16 takes {}", binary_bytes(free), binary_bytes(bytes));
            Finding::slow("memory", message, "close other programs")
        }
    }
}
