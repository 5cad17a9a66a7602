//! Times the model-sized cases of the kernels, the variants of a case by turns, so that a machine that slows down
//! slows all of them; compares the kernels with their references.

use serde::{Deserialize, Serialize};

use super::walk::Walk;
use super::{Clock, Elapsed, Probe, Probes, Summary};
use crate::doctor::kernels::KernelCheck;
use crate::error::{Error, Result};
use crate::formats;
use crate::generate::{Compute, DeviceChoice};
use crate::gpu::{Class, Facts, Gpu, tuning};
use crate::plan::{Backend, Case, Kernel, Needs, ProgramId};
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
    let mut time = |name: &str| {
        let (kernel, case) = cases().find(|(kernel, _)| kernel.name == name).expect("the probes are in the list");
        let row = time_case(gpu, kernel, case)?.swap_remove(0);
        let time = row.time.ok_or_else(|| Error::DeviceLost(row.reason.unwrap_or_default()))?;
        Ok((row.bytes, row.flops, time.best))
    };
    let (bytes, _, copy) = time("copy")?;
    let (_, flops, fma) = time("fma")?;
    Ok(Probes { copy: Probe { amount: bytes, elapsed: copy }, fma: Probe { amount: flops, elapsed: fma } })
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
struct Timer {
    row: usize,
    program: ProgramId,
    runs: usize,
    samples: Vec<Elapsed>,
}

impl Timer {
    /// Returns the least seconds and the least CPU seconds.
    fn best(&self) -> Elapsed {
        let least = |f: fn(&Elapsed) -> Option<f64>| self.samples.iter().filter_map(f).min_by(f64::total_cmp);
        Elapsed { seconds: least(|t| Some(t.seconds)).unwrap_or(f64::NAN), cpu_seconds: least(|t| t.cpu_seconds) }
    }
}

fn time_case(gpu: &mut Gpu, kernel: &'static Kernel, case: &Case) -> Result<Vec<KernelTiming>> {
    let chosen = gpu.variant(kernel).0;
    let portable = tuning::choose(kernel, gpu.facts.class, Needs::empty(), 1).0;
    let walk = Walk::new(gpu, case)?;
    let mut rows = Vec::new();
    let mut timers = Vec::new();
    for variant in kernel.variants {
        let program = match gpu.can_run(variant) {
            true => walk.prepare(gpu, kernel, variant).map_err(|e| e.to_string()),
            false => Err(format!("needs {}", variant.needs)),
        };
        if let Ok(program) = program {
            timers.push(Timer { row: rows.len(), program, runs: walk.copies, samples: Vec::new() });
        }
        rows.push(KernelTiming {
            kernel: kernel.name.into(),
            case: case.name.into(),
            variant: variant.name.into(),
            chosen: std::ptr::eq(variant, chosen),
            bytes: walk.work.bytes as u64,
            flops: walk.work.flops as u64,
            time: None,
            reason: program.err(),
        });
    }
    let measured = sample(gpu, &walk, &mut timers);
    for timer in &timers {
        gpu.release(timer.program);
    }
    walk.close(gpu);
    measured?;

    let base = timers.iter().find(|t| rows[t.row].variant == portable.name).map(|t| t.best().cost());
    for timer in &timers {
        let best = timer.best();
        rows[timer.row].time = Some(Timing {
            best,
            seconds: Summary::of(timer.samples.iter().map(|t| t.seconds)),
            samples: timer.samples.len(),
            runs: timer.runs,
            speedup: base.map_or(1.0, |base| base / best.cost()),
        });
    }
    Ok(rows)
}

/// Takes samples of all variants by turns. A sample is long enough for the clock; a variant so slow that one walk is
/// many samples long gets fewer.
fn sample(gpu: &mut Gpu, walk: &Walk, timers: &mut [Timer]) -> Result<()> {
    let software = gpu.facts.class == Class::Software;
    let (sample_s, total_s) = match (software, clock(gpu)) {
        (true, _) => (0.02, 0.8),
        (false, Clock::Timestamps) => (0.005, 0.1),
        (false, Clock::Wall) => (0.02, 0.3),
    };
    let mut wanted = Vec::new();
    for timer in &mut *timers {
        // The first walk wakes the device; it counts only where there is no time for more.
        let first = walk.time(gpu, timer.program, 1)?;
        let seconds = first.seconds * walk.copies as f64;
        if seconds > total_s {
            timer.samples.push(first);
            wanted.push(usize::from(seconds < 4.0 * total_s));
            continue;
        }
        let one = walk.time(gpu, timer.program, 1)?.seconds.max(1e-9);
        timer.runs = ((sample_s / one).ceil() as usize).next_multiple_of(walk.copies);
        let samples = (total_s / (one * timer.runs as f64)) as usize;
        wanted.push(samples.clamp(3, 15));
    }
    for round in 0..wanted.iter().copied().max().unwrap_or(0) {
        for (timer, &wanted) in timers.iter_mut().zip(&wanted) {
            if round < wanted {
                timer.samples.push(walk.time(gpu, timer.program, timer.runs)?);
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
