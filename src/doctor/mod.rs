//! Diagnosis of this machine: drivers, adapters, kernels, memory.

mod adapter;
pub mod drivers;
pub mod kernels;
pub mod system;

use serde::Serialize;

use crate::error::Result;
use crate::gpu::{self, Facts};
use crate::model::{Config, weights};
use crate::progress::Progress;
use crate::units::binary_bytes;
use system::System;

/// Weight of a [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is wrong.
    Ok,
    /// Models run, but could run faster.
    Slow,
    /// No model runs, or none on the adapter.
    Stop,
}

/// Result of one check of the machine.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub level: Level,
    /// A stable name for scripts: `driver`, `kernels`, `memory`.
    pub check: &'static str,
    /// Index of the adapter, if the check is about one.
    pub adapter: Option<usize>,
    pub message: String,
    /// Remedy; None if nothing is wrong.
    pub fix: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, message: String) -> Finding {
        Finding { level: Level::Ok, check, adapter: None, message, fix: None }
    }

    fn new(level: Level, check: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { level, check, adapter: None, message: message.into(), fix: Some(fix.into()) }
    }
}

/// Findings about the machine.
pub struct Diagnosis {
    pub findings: Vec<Finding>,
    /// The adapter that is taken by default, or why there is none.
    pub adapter: Result<Facts>,
}

impl Diagnosis {
    /// Returns whether a model can run on the adapter that is taken by default.
    pub fn can_run(&self) -> bool {
        let stops = |finding: &Finding, taken: &Facts| {
            finding.level == Level::Stop && finding.adapter.is_none_or(|index| index == taken.index)
        };
        self.adapter.as_ref().is_ok_and(|taken| !self.findings.iter().any(|finding| stops(finding, taken)))
    }
}

/// Looks at drivers, permissions, limits and memory, and runs the small cases of every kernel on every adapter against
/// the CPU reference.
///
/// # Errors
/// The error that `progress` returns.
pub fn diagnose(progress: &mut dyn Progress) -> Result<Diagnosis> {
    let system = System::here();
    let adapters = gpu::adapters();
    let facts: Vec<Facts> = adapters.iter().map(|adapter| adapter.facts.clone()).collect();
    let mut findings = Vec::new();
    if let (true, Ok(backend)) = (adapters.is_empty(), std::env::var("WGPU_BACKEND")) {
        let message = format!("WGPU_BACKEND={backend} leaves no adapter");
        findings.push(Finding::new(Level::Stop, "environment", message, "unset WGPU_BACKEND"));
    }
    if cfg!(target_os = "linux") {
        findings.extend(drivers::drivers(&system, &facts, has_vulkan_loader()));
    }
    for adapter in adapters {
        findings.extend(adapter::try_adapter(adapter, progress)?);
    }
    findings.push(cache_folder());
    findings.extend(system.free_memory.map(memory));
    Ok(Diagnosis { findings, adapter: gpu::select(gpu::adapters(), None, false).map(|adapter| adapter.facts) })
}

/// Returns whether the library that finds Vulkan drivers is installed.
fn has_vulkan_loader() -> bool {
    // SAFETY: every Vulkan program loads this library; loading it runs nothing of ours.
    unsafe { libloading::Library::new("libvulkan.so.1") }.is_ok()
}

/// Checks that compiled shaders can be kept.
fn cache_folder() -> Finding {
    let Some(folder) = gpu::cache_folder() else {
        let message = "no folder for compiled shaders: every start compiles them";
        return Finding::new(Level::Slow, "cache", message, "set HOME or XDG_CACHE_HOME");
    };
    let probe = folder.join(format!("probe-{}", std::process::id()));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&probe, b"probe"));
    let _ = std::fs::remove_file(&probe);
    match written {
        Ok(()) => Finding::ok("cache", format!("compiled shaders are kept in {}", folder.display())),
        Err(error) => {
            let message = format!("{}: {error}: every start compiles the shaders", folder.display());
            let fix = "make the folder writable, or set XDG_CACHE_HOME to one that is";
            Finding::new(Level::Slow, "cache", message, fix)
        }
    }
}

/// Finds the largest published model whose bf16 weights fit in the free memory.
fn memory(free: u64) -> Finding {
    let bytes = |name: &&str| Config::published(name).map(|config| weights::bf16_bytes(&config));
    let mut sizes: Vec<(u64, &str)> =
        Config::published_names().iter().filter_map(|name| Some((bytes(name)?, *name))).collect();
    sizes.sort_unstable();
    let free_memory = binary_bytes(free);
    // A tenth is left for cache and scratch.
    match sizes.iter().rev().find(|(bytes, _)| bytes / 10 * 11 < free) {
        Some((bytes, name)) => {
            let message = format!("{free_memory} of memory free: {name} in bf16 fits ({})", binary_bytes(*bytes));
            Finding::ok("memory", message)
        }
        None => {
            let (bytes, name) = sizes[0];
            let message = format!("{free_memory} of memory free: {name} in bf16 takes {}", binary_bytes(bytes));
            Finding::new(Level::Slow, "memory", message, "close other programs")
        }
    }
}
