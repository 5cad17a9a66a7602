//! Kernels under the emulator: what is wrong with their shaders, and what their instructions and requests cost.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{
    Counters, EmulatedAdapter, Emulator, EmulatorOptions, FindingKind, InstructionClass, Schedule, StepResult, folder,
};
use crate::error::{Error, Result};
use crate::formats;
use crate::gpu::{Options, pipeline};
use crate::plan::trial::{Checked, check};
use crate::plan::{Case, Kernel, Step, Trial, Variant};
use crate::progress::Progress;

/// Kernels, variants, cases and sizes of subgroups that are looked at.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Name of a kernel, or the beginning of names; None takes all.
    pub kernel: Option<String>,
    /// Name of a variant; None takes all.
    pub variant: Option<String>,
    /// Name of a case; None takes those that are not of a real model's size.
    pub case: Option<String>,
    /// Lanes of a subgroup.
    pub subgroups: Vec<usize>,
    /// A folder whose shaders replace the built-in ones of the same name.
    pub shaders: Option<PathBuf>,
}

/// Fault of a shader.
#[derive(Clone, Debug, Serialize)]
pub struct ShaderFault {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Name of the variant.
    pub variant: &'static str,
    /// Name of the case.
    pub case: &'static str,
    /// Lanes of a subgroup.
    pub subgroup: usize,
    /// A [`FindingKind`], or `wrong-result`, `order-dependent` and `compile`.
    pub kind: String,
    /// Shader file, from the folder of shaders on.
    pub file: String,
    /// Line of the file, from 1.
    pub line: u32,
    /// The fault in a sentence, with the invocation and both accesses.
    pub message: String,
}

/// Cost of one case of a variant.
#[derive(Clone, Debug, Serialize)]
pub struct ShaderProfile {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Name of the variant.
    pub variant: &'static str,
    /// Name of the case.
    pub case: &'static str,
    /// Lanes of a subgroup.
    pub subgroup: usize,
    /// Instructions of subgroups, by class.
    pub instructions: serde_json::Map<String, serde_json::Value>,
    /// Loads and stores by subgroups, by address space and by the bytes of a lane: `load_storage_16`.
    pub accesses: serde_json::Map<String, serde_json::Value>,
    /// Loads and stores of buffers by subgroups.
    pub requests: u64,
    /// 128-byte lines that the requests touch.
    pub lines: u64,
    /// The fewest 128-byte lines that could hold the requests' bytes.
    pub fewest_lines: u64,
    /// Bytes of the 32-byte sectors that the requests touch.
    pub bytes_moved: u64,
    /// Bytes that the step must read and write once.
    pub bytes_needed: u64,
    /// Cycles that conflicts of banks add to requests of workgroup memory.
    pub bank_conflicts: u64,
    /// Barriers that workgroups passed.
    pub barriers: u64,
    /// 32-byte sectors that loads touch again.
    pub rereads: u64,
    /// Longest chain of loads, each of which needs the value of the one before.
    pub dependent_loads: u64,
    /// Times that workgroups use a load that is still under way, in the order written.
    pub waits: u64,
    /// Workgroups of the dispatch.
    pub workgroups: u64,
    /// Invocations of the dispatch.
    pub invocations: u64,
    /// Workgroups over the cores of a card, where one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workgroups_per_core: Option<f64>,
    /// Invocations over the cores of a card, where one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocations_per_core: Option<f64>,
    /// Instructions of one lane for each 32-bit word that the dispatch stores; idle lanes count.
    pub instructions_per_output: f64,
    /// The same for each weight of a product.
    pub instructions_per_weight: Option<f64>,
    /// Share of the lanes that instructions leave idle.
    pub idle_lanes: f64,
    /// The line of the shader with the most instructions, and its share of them.
    pub costliest: Option<(String, u32, f64)>,
    /// Shader files and their texts.
    #[serde(skip)]
    pub files: Vec<(String, String)>,
    /// Instructions, requests and 128-byte lines of each line of a file.
    #[serde(skip)]
    pub by_line: Vec<(String, u32, super::LineCounters)>,
}

/// Shader file and line.
type SourcePlace = (String, u32);

/// One case of a variant on one size of subgroup.
#[derive(Clone, Copy, Debug)]
struct CaseRun {
    kernel: &'static Kernel,
    variant: &'static Variant,
    case: &'static Case,
    subgroup: usize,
}

impl Selection {
    /// Names the shaders that the folder replaces.
    ///
    /// # Errors
    /// Nothing is selected, or the folder replaces none of its shaders.
    fn note_replaced(&self, runs: &[CaseRun], progress: &mut dyn Progress) -> Result<()> {
        let Some(folder) = &self.shaders else { return Ok(()) };
        let variants: Vec<_> = runs.iter().map(|run| run.variant).collect();
        for stem in super::replaced(folder, &variants)? {
            progress.note(&format!("with {}", folder.join(format!("{stem}.wgsl")).display()));
        }
        Ok(())
    }

    /// Returns the selected variants with their kernels.
    pub(super) fn variants(&self) -> Result<Vec<(&'static Kernel, &'static Variant)>> {
        let mut variants: Vec<_> = self.runs()?.iter().map(|run| (run.kernel, run.variant)).collect();
        variants.dedup_by_key(|(kernel, variant)| (kernel.name, variant.name));
        Ok(variants)
    }

    fn runs(&self) -> Result<Vec<CaseRun>> {
        let mut runs = Vec::new();
        let named = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|w| w == name);
        for kernel in formats::kernels().filter(|k| self.kernel.as_ref().is_none_or(|w| k.name.starts_with(w.as_str())))
        {
            for variant in kernel.variants.iter().filter(|v| named(&self.variant, v.name)) {
                let chosen = |case: &&Case| self.case.as_ref().map_or(!case.bench, |w| w == case.name);
                for case in kernel.cases.iter().filter(chosen) {
                    runs.extend(self.subgroups.iter().map(|&subgroup| CaseRun { kernel, variant, case, subgroup }));
                }
            }
        }
        if runs.is_empty() {
            let names: Vec<&str> = formats::kernels().map(|k| k.name).collect();
            let expected = format!("names of {}", names.join(", "));
            let found = format!("{:?}, {:?}, {:?}", self.kernel, self.variant, self.case);
            return Err(Error::request("`kernel`, `variant`, `case`", expected, found, "see the list of kernels"));
        }
        Ok(runs)
    }
}

/// Runs cases on emulated adapters and returns what is wrong, each fault once for each size of subgroup.
///
/// # Errors
/// Nothing is selected, or the folder replaces none of its shaders; what `progress` returns.
pub fn sanitize(selection: &Selection, progress: &mut dyn Progress) -> Result<Vec<ShaderFault>> {
    let runs = selection.runs()?;
    selection.note_replaced(&runs, progress)?;
    let mut faults: Vec<ShaderFault> = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        progress.at(run.kernel.name, at as u64, runs.len() as u64)?;
        for fault in run.faults(selection.shaders.as_deref())? {
            let same = |f: &ShaderFault| {
                (f.kernel, f.variant, f.subgroup, &f.kind, &f.file, f.line)
                    == (fault.kernel, fault.variant, fault.subgroup, &fault.kind, &fault.file, fault.line)
            };
            if !faults.iter().any(same) {
                faults.push(fault);
            }
        }
    }
    progress.at("done", runs.len() as u64, runs.len() as u64)?;
    Ok(faults)
}

/// Runs cases on emulated adapters and counts.
///
/// # Errors
/// Nothing is selected, or a shader does not compile; what `progress` returns.
pub fn profile(selection: &Selection, progress: &mut dyn Progress) -> Result<Vec<ShaderProfile>> {
    let runs = selection.runs()?;
    selection.note_replaced(&runs, progress)?;
    let mut profiles = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        progress.at(run.kernel.name, at as u64, runs.len() as u64)?;
        if let Some(profile) = run.profile(selection.shaders.as_deref())? {
            profiles.push(profile);
        }
    }
    progress.at("done", runs.len() as u64, runs.len() as u64)?;
    Ok(profiles)
}

/// Counts one case of a variant. Returns nothing where the emulated adapter cannot run the variant.
///
/// # Errors
/// The shader does not compile.
pub(super) fn profile_case(
    kernel: &'static Kernel,
    variant: &'static Variant,
    case: &'static Case,
    subgroup: usize,
) -> Result<Option<ShaderProfile>> {
    CaseRun { kernel, variant, case, subgroup }.profile(None)
}

impl std::fmt::Display for ShaderFault {
    /// Writes place, kind and message, and below where it was found. A compiler's message has its own place.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ShaderFault { kernel, variant, case, subgroup, kind, file, line, message } = self;
        if kind != "compile" {
            write!(f, "{file}:{line}: {kind}: ")?;
        }
        write!(f, "{message}\n    {kernel}/{variant}, case {case}, subgroups of {subgroup}")
    }
}

impl CaseRun {
    fn emulator(&self, settings: EmulatorOptions, shaders: Option<&Path>) -> Option<Emulator> {
        let options = Options { shaders: shaders.map(Path::to_path_buf), ..Options::default() };
        let mut adapter = EmulatedAdapter::new(settings, options);
        if !adapter.can_run(self.variant) {
            return None;
        }
        adapter.force(self.kernel, self.variant);
        Some(Emulator::new(adapter, u64::MAX))
    }

    fn fault(&self, kind: &str, place: SourcePlace, message: String) -> ShaderFault {
        let (kernel, variant, case) = (self.kernel.name, self.variant.name, self.case.name);
        ShaderFault {
            kernel,
            variant,
            case,
            subgroup: self.subgroup,
            kind: kind.into(),
            file: place.0,
            line: place.1,
            message,
        }
    }

    /// Returns the faults of one case: those of accesses and arithmetic, a result that differs from the
    /// reference's, and results that depend on the order of workgroups, of subgroups or of lanes.
    fn faults(&self, shaders: Option<&Path>) -> Result<Vec<ShaderFault>> {
        let mut faults = Vec::new();
        let mut usual: Option<(Vec<u32>, Vec<StepResult>)> = None;
        for schedule in [Schedule::Forward, Schedule::GroupsDown, Schedule::SubgroupsDown, Schedule::LanesStrided] {
            let Some(mut emulator) = self.emulator(EmulatorOptions::sanitizing(self.subgroup, schedule), shaders)
            else {
                return Ok(Vec::new());
            };
            let checked: Checked = match check(self.kernel, self.case, &mut emulator) {
                Ok(checked) => checked,
                Err(Error::Shader { message, .. }) => {
                    let place = emulator.executor.failed.unwrap_or_default();
                    return Ok(vec![self.fault("compile", place, message)]);
                }
                Err(error) => return Err(error),
            };
            let order = (schedule != Schedule::Forward).then_some("order-dependent");
            for step in &emulator.executor.outcomes {
                for finding in &step.outcome.findings.all {
                    // Faults that only another order shows are the assumption of the first one.
                    let kind = order.map_or_else(|| name(finding.kind), str::to_owned);
                    let place = folder::place(step.variant, &step.consts, finding.line, shaders)?;
                    let mut message = finding.message.clone();
                    if let Some(other) = finding.other_line {
                        let (file, line) = folder::place(step.variant, &step.consts, other, shaders)?;
                        message += &format!(" (the other access: {file}:{line})");
                    }
                    faults.push(self.fault(&kind, place, message));
                }
            }
            // Neighbours in other subgroups may change the order of a sum; workgroups and subgroups may not.
            let first = usual.as_ref().filter(|_| schedule != Schedule::LanesStrided).and_then(|(found, _)| {
                let at = found.iter().zip(&checked.found).position(|(usual, now)| usual != now)?;
                Some((at, found[at], checked.found[at]))
            });
            let moved = first.map(|(at, usual, now)| {
                let [usual, now] = [usual, now].map(f32::from_bits);
                format!("in this order of workgroups or subgroups result {at} is {now} instead of {usual}")
            });
            let steps = emulator.executor.outcomes;
            if let Some(fault) = checked.fault.or(moved).filter(|_| faults.is_empty()) {
                let place = self.stored_differently(usual.as_ref().map_or(&[], |(_, steps)| steps), &steps, shaders)?;
                faults.push(self.fault(order.unwrap_or("wrong-result"), place, fault));
            }
            if !faults.is_empty() {
                break;
            }
            usual.get_or_insert((checked.found, steps));
        }
        Ok(faults)
    }

    /// Returns the first line that stores other values, or the same ones elsewhere, in one of two runs; else the
    /// first line of the shader.
    fn stored_differently(
        &self,
        usual: &[StepResult],
        now: &[StepResult],
        folder: Option<&Path>,
    ) -> Result<SourcePlace> {
        for (usual, now) in usual.iter().zip(now) {
            if let Some((line, _)) = now.outcome.stores.iter().find(|store| !usual.outcome.stores.contains(store)) {
                return folder::place(now.variant, &now.consts, *line, folder);
            }
        }
        Ok((self.variant.wgsl[0].stem.to_owned() + ".wgsl", 1))
    }

    fn profile(&self, shaders: Option<&Path>) -> Result<Option<ShaderProfile>> {
        let settings = EmulatorOptions {
            sanitize: false,
            profile: true,
            ..EmulatorOptions::sanitizing(self.subgroup, Schedule::Forward)
        };
        let Some(mut emulator) = self.emulator(settings, shaders) else { return Ok(None) };
        let (trial, _) = Trial::new(self.case);
        check(self.kernel, self.case, &mut emulator)?;
        let mut total = Counters::default();
        let mut by_line = Vec::new();
        for step in emulator.executor.outcomes.iter().filter(|o| o.kernel.name == self.kernel.name) {
            total.add(&step.outcome.counters, 1);
            for (&line, counters) in &step.outcome.counters.by_line {
                let (file, line) = folder::place(step.variant, &step.consts, line, shaders)?;
                by_line.push((file, line, *counters));
            }
        }
        let consts = emulator.executor.outcomes.last().map(|o| o.consts.clone()).unwrap_or_default();
        let files = pipeline::files(self.variant, &consts, shaders)?;
        let files = files.into_iter().map(|f| (format!("{}.wgsl", f.stem), f.text.into_owned())).collect();
        let bytes_needed = trial.plan.steps.iter().filter(|s| s.kernel.name == self.kernel.name).map(|s| s.bytes).sum();
        let costliest = by_line.iter().max_by_key(|(_, _, counters)| counters.instructions);
        let share = |n: u64| n as f64 / total.total().max(1) as f64;
        let steps = trial.plan.steps.iter().filter(|s| s.kernel.name == self.kernel.name);
        let weights: Option<u64> = steps.map(Step::weights).sum();
        let per = |n: u64| total.lane_slots as f64 / n.max(1) as f64;
        let classes = InstructionClass::ALL
            .iter()
            .map(|class| (class.name().to_owned(), total.instructions[*class as usize].into()));
        let accesses = total.accesses.iter().map(|(&(space, writes, width), &count)| {
            (format!("{}_{space}_{width}", if writes { "store" } else { "load" }), count.into())
        });
        Ok(Some(ShaderProfile {
            kernel: self.kernel.name,
            variant: self.variant.name,
            case: self.case.name,
            subgroup: self.subgroup,
            instructions: classes.collect(),
            accesses: accesses.collect(),
            requests: total.buffers.loads + total.buffers.stores,
            lines: total.buffers.lines,
            fewest_lines: total.buffers.fewest_lines,
            bytes_moved: total.buffers.sectors * 32,
            bytes_needed,
            bank_conflicts: total.bank_conflicts,
            barriers: total.barriers,
            rereads: total.rereads,
            dependent_loads: total.dependent_loads,
            waits: total.waits,
            workgroups: total.workgroups,
            invocations: total.invocations,
            workgroups_per_core: None,
            invocations_per_core: None,
            instructions_per_output: per(total.buffers.stored_bytes / 4),
            instructions_per_weight: weights.map(per),
            idle_lanes: 1.0 - total.lane_operations as f64 / total.lane_slots.max(1) as f64,
            costliest: costliest.map(|(file, line, c)| (file.clone(), *line, share(c.instructions))),
            files,
            by_line,
        }))
    }
}

/// Returns the name of a kind as results write it.
fn name(kind: FindingKind) -> String {
    serde_json::to_value(kind).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
