//! The trial of one adapter: its limits, its features, and every kernel against the CPU reference.

use super::kernels::KernelCheck;
use super::{Finding, Level};
use crate::error::Result;
use crate::formats::kernels;
use crate::gpu::{Adapter, Class, Facts, Gpu, Options};
use crate::plan::{Kernel, Needs, Variant};
use crate::progress::Progress;
use crate::units::binary_bytes;

/// Limits that every kernel may count on; WebGPU grants them.
const WORKGROUP_SIZE: u32 = 256;
const WORKGROUP_MEMORY: u32 = 16 << 10;
const BINDING: u64 = 128 << 20;

/// Opens an adapter and runs the small cases of every kernel on it.
///
/// # Errors
/// The error that `progress` returns.
pub fn try_adapter(adapter: Adapter, progress: &mut dyn Progress) -> Result<Vec<Finding>> {
    let facts = adapter.facts.clone();
    let name = format!("adapter {}, {} ({})", facts.index, facts.name, facts.backend);
    let mut findings = match Gpu::open(adapter, Options::default()) {
        Ok(mut gpu) => try_kernels(&mut gpu, &name, progress)?,
        Err(error) => {
            let message = format!("{name}: the driver refuses a device: {error}");
            vec![Finding::new(Level::Stop, "device", message, "update the driver, or choose another `device`")]
        }
    };
    findings.extend(limits(&facts, &name));
    findings.iter_mut().for_each(|finding| finding.adapter = Some(facts.index));
    Ok(findings)
}

fn try_kernels(gpu: &mut Gpu, name: &str, progress: &mut dyn Progress) -> Result<Vec<Finding>> {
    let (mut failed, mut cases, all) = (Vec::new(), 0, kernels().count());
    for (number, kernel) in kernels().enumerate() {
        progress.at(kernel.name, number as u64, all as u64)?;
        let check = KernelCheck::new(kernel, gpu);
        cases += check.cases;
        // One case a kernel is enough.
        failed.extend(check.faults.first().map(|fault| {
            let message = format!("{name}: kernel {}, variant {}, case {fault}", kernel.name, check.variant);
            Finding::new(Level::Stop, "kernels", message, fix(kernel, gpu.variant(kernel).0))
        }));
    }
    if failed.is_empty() {
        let message = format!("{name}: {all} kernels agree with the CPU reference in {cases} cases");
        failed.push(Finding::ok("kernels", message));
    }
    Ok(failed)
}

fn fix(kernel: &Kernel, variant: &Variant) -> String {
    if variant.needs == Needs::empty() {
        return format!("update the driver; if that does not help, report this line and shaders/{}.wgsl", kernel.name);
    }
    let features = variant.needs.iter_names().map(|(name, _)| format!("`without` {}", name.to_lowercase()));
    let features = features.collect::<Vec<_>>().join(" ");
    format!("update the driver, or run with {features} or `Compute::Portable`")
}

/// Returns what an adapter has less of than the kernels can use.
fn limits(facts: &Facts, name: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |level, check, message: String, fix: &str| {
        findings.push(Finding::new(level, check, format!("{name}{message}"), fix));
    };
    if facts.class == Class::Software {
        let fix = "use a GPU with its driver; `require_gpu` refuses this adapter";
        find(Level::Slow, "software", " computes on the CPU: for checks and small models".into(), fix);
    }
    let (size, memory) = (facts.max_workgroup_size, facts.max_workgroup_memory);
    if size < WORKGROUP_SIZE || memory < WORKGROUP_MEMORY {
        let needed = format!("kernels need {WORKGROUP_SIZE} and {WORKGROUP_MEMORY}");
        let message = format!(": workgroups of {size} invocations and {memory} bytes; {needed}");
        find(Level::Stop, "limits", message, "choose another `device` or WGPU_BACKEND");
    }
    let binding = facts.max_binding.min(facts.max_buffer);
    if binding < BINDING {
        let message = format!(": a binding holds {}, so that weights are cut into more parts", binary_bytes(binding));
        find(Level::Slow, "binding", message, "another WGPU_BACKEND may offer more");
    }
    for (need, feature) in [(Needs::SUBGROUP, "subgroup operations"), (Needs::F16, "f16 arithmetic")] {
        if !facts.has.contains(need) {
            let message = format!(" has no {feature}: portable kernels run in place of faster ones");
            find(Level::Slow, "features", message, "a newer driver may have them");
        }
    }
    findings
}
