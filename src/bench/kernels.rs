//! Times the model-sized cases of the kernels, the variants of a case by turns, so that a machine that slows down
//! slows all of them; compares the kernels with their references.

use serde::{Deserialize, Serialize};

use super::case_timer::CaseTimer;
use super::{Clock, Elapsed, Probe, Probes};
use crate::doctor::kernels::KernelCheck;
use crate::error::{Error, Result};
use crate::formats;
use crate::generate::{Compute, DeviceChoice};
use crate::gpu::{Class, Facts, Gpu, tuning};
use crate::metrics::statistics::Summary;
use crate::plan::{Backend, Case, Kernel, Needs, ProgramId, Variant};
use crate::progress::Progress;

/// Time of one variant of one case, or why there is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KernelTiming {
    pub kernel: String,
    pub case: String,
    pub variant: String,
    /// True if plans run this variant on this adapter.
    pub chosen: bool,
    /// Bytes that the step must read and write once.
    pub bytes: u64,
    /// Additions and multiplications of the step.
    pub flops: u64,
    pub time: Option<Timing>,
    /// Seconds that the shader lab predicts; only on a card that it lists.
    #[serde(default)]
    pub predicted_s: Option<f64>,
    /// The missing feature, or the error.
    pub reason: Option<String>,
}

/// Time of one run of a case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// Least seconds and least CPU seconds of all samples.
    pub best: Elapsed,
    pub seconds: Summary,
    pub samples: usize,
    /// Runs of the case in one sample.
    pub runs: usize,
    /// Speed over that of the variant that the portable path runs.
    pub speedup: f64,
}

/// Returns the clock that times this adapter.
pub fn clock(gpu: &Gpu) -> Clock {
    if gpu.has_timestamps() { Clock::Timestamps } else { Clock::Wall }
}

/// Measures the adapter's copy bandwidth and multiply-add rate.
///
/// # Errors
/// Those of the device.
pub fn probe(gpu: &mut Gpu) -> Result<Probes> {
    let mut probe = |name: &str| {
        let (kernel, case) = cases().find(|(kernel, _)| kernel.name == name).expect("the probes are in the list");
        let row = time_case(gpu, kernel, case)?.swap_remove(0);
        let time = row.time.ok_or_else(|| Error::DeviceLost(row.reason.unwrap_or_default()))?;
        // A copy computes nothing.
        Ok(Probe { amount: if row.flops > 0 { row.flops } else { row.bytes }, elapsed: time.best })
    };
    Ok(Probes { copy: probe("copy")?, fma: probe("fma")? })
}

/// Measures the rates of the adapter that a model will run on. The CPU reference has none.
///
/// # Errors
/// Those of the device.
pub fn probes(device: &DeviceChoice) -> Result<Option<(Facts, Probes)>> {
    if device.path == Compute::Cpu {
        return Ok(None);
    }
    let mut gpu = device.open_gpu()?;
    let probes = probe(&mut gpu)?;
    Ok(Some((gpu.facts, probes)))
}

/// Returns every model-sized case with its kernel.
pub fn cases() -> impl Iterator<Item = (&'static Kernel, &'static Case)> {
    formats::kernels().flat_map(|kernel| kernel.cases.iter().filter(|c| c.bench).map(move |case| (kernel, case)))
}

/// Times all cases whose `kernel/case` contains `filter`.
///
/// # Errors
/// Those of the device; what `progress` returns.
pub fn time(gpu: &mut Gpu, filter: &str, progress: &mut dyn Progress) -> Result<Vec<KernelTiming>> {
    let name = |kernel: &Kernel, case: &Case| format!("{}/{}", kernel.name, case.name);
    let cases: Vec<_> = cases().filter(|(kernel, case)| name(kernel, case).contains(filter)).collect();
    let mut rows = Vec::new();
    for (number, (kernel, case)) in cases.iter().enumerate() {
        progress.at(&name(kernel, case), number as u64, cases.len() as u64)?;
        rows.extend(time_case(gpu, kernel, case)?);
    }
    Ok(rows)
}

/// A variant under the clock.
struct VariantTimer {
    variant: &'static Variant,
    program: ProgramId,
    runs: usize,
    samples: Vec<Elapsed>,
}

impl VariantTimer {
    /// Returns the least seconds and the least CPU seconds.
    fn best(&self) -> Elapsed {
        let least = |f: fn(&Elapsed) -> Option<f64>| self.samples.iter().filter_map(f).min_by(f64::total_cmp);
        Elapsed { seconds: least(|t| Some(t.seconds)).unwrap_or(f64::NAN), cpu_seconds: least(|t| t.cpu_seconds) }
    }
}

fn time_case(gpu: &mut Gpu, kernel: &'static Kernel, case: &Case) -> Result<Vec<KernelTiming>> {
    let chosen = gpu.variant(kernel).0;
    let portable = tuning::choose(kernel, gpu.facts.class, Needs::empty(), 1).0;
    let case_timer = CaseTimer::new(gpu, case)?;
    let (mut timers, mut reasons) = (Vec::new(), Vec::new());
    for variant in kernel.variants {
        let program = match gpu.can_run(variant) {
            true => case_timer.prepare(gpu, kernel, variant).map_err(|e| e.to_string()),
            false => Err(format!("needs {}", variant.needs)),
        };
        reasons.push(program.as_ref().err().cloned());
        let runs = case_timer.copies;
        timers.extend(program.map(|program| VariantTimer { variant, program, runs, samples: Vec::new() }));
    }
    let measured = sample(gpu, &case_timer, &mut timers);
    timers.iter().for_each(|timer| gpu.release(timer.program));
    let work = case_timer.work;
    case_timer.close(gpu);
    measured?;

    let timer = |variant: &Variant| timers.iter().find(|timer| std::ptr::eq(timer.variant, variant));
    let base = timer(portable).map(|timer| timer.best().cost());
    let timing = |timer: &VariantTimer| {
        let (best, samples) = (timer.best(), timer.samples.len());
        let seconds = Summary::new(&timer.samples.iter().map(|t| t.seconds).collect::<Vec<_>>())?;
        let speedup = base.map_or(1.0, |base| base / best.cost());
        Some(Timing { best, seconds, samples, runs: timer.runs, speedup })
    };
    let row = |(variant, reason): (&Variant, Option<String>)| KernelTiming {
        kernel: kernel.name.into(),
        case: case.name.into(),
        variant: variant.name.into(),
        chosen: std::ptr::eq(variant, chosen),
        bytes: work.bytes as u64,
        flops: work.flops as u64,
        time: timer(variant).and_then(timing),
        predicted_s: None,
        reason,
    };
    Ok(kernel.variants.iter().zip(reasons).map(row).collect())
}

/// Takes samples of all variants by turns. A sample is long enough for the clock; a variant so slow that one pass is
/// many samples long gets fewer.
fn sample(gpu: &mut Gpu, case_timer: &CaseTimer, timers: &mut [VariantTimer]) -> Result<()> {
    let software = gpu.facts.class == Class::Software;
    let (sample_s, total_s) = match (software, clock(gpu)) {
        (true, _) => (0.02, 0.8),
        (false, Clock::Timestamps) => (0.005, 0.1),
        (false, Clock::Wall) => (0.02, 0.3),
    };
    let mut wanted = Vec::new();
    for timer in &mut *timers {
        // The first pass wakes the device; it counts only where there is no time for more.
        let first = case_timer.time(gpu, timer.program, 1)?;
        let seconds = first.seconds * case_timer.copies as f64;
        if seconds > total_s {
            timer.samples.push(first);
            wanted.push(usize::from(seconds < 4.0 * total_s));
            continue;
        }
        let one = case_timer.time(gpu, timer.program, 1)?.seconds.max(1e-9);
        timer.runs = ((sample_s / one).ceil() as usize).next_multiple_of(case_timer.copies);
        let samples = (total_s / (one * timer.runs as f64)) as usize;
        wanted.push(samples.clamp(3, 15));
    }
    for round in 0..wanted.iter().copied().max().unwrap_or(0) {
        for (timer, &wanted) in timers.iter_mut().zip(&wanted) {
            if round < wanted {
                timer.samples.push(case_timer.time(gpu, timer.program, timer.runs)?);
            }
        }
    }
    Ok(())
}

/// Compares the chosen variant of every kernel with the reference.
///
/// # Errors
/// What `progress` returns.
pub fn self_check(gpu: &mut Gpu, progress: &mut dyn Progress) -> Result<Vec<KernelCheck>> {
    let check = |(number, kernel): (usize, &'static Kernel)| {
        progress.at(kernel.name, number as u64, formats::kernels().count() as u64)?;
        Ok(KernelCheck::new(kernel, gpu))
    };
    formats::kernels().enumerate().map(check).collect()
}
