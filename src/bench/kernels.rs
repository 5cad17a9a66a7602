//! Times the model-sized cases of the kernels in the list, their variants by turns, so that a
//! machine that slows down slows all of them.

use serde::{Deserialize, Serialize};

use super::{Clock, Probes, Spread, Took, usage};
use crate::error::{Error, Result};
use crate::formats;
use crate::generate::{Compute, DeviceChoice};
use crate::gpu::{Class, Facts, Gpu, tuning};
use crate::plan::trial::{self, Checked};
use crate::plan::{Backend, Case, Kernel, Needs, ProgramId, Trial, Variant};
use crate::progress::Progress;

/// Bytes of weights that a timed program walks over: more than any adapter's cache keeps.
const WALK_BYTES: u64 = 128 << 20;
/// Limits to that: copies of one case, and operations of one program.
const MOST_COPIES: u64 = 64;
const MOST_FLOPS: u64 = 1 << 30;
/// Dispatches recorded for one sample.
const MOST_DISPATCHES: usize = 4096;

/// One variant of one case, measured or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub kernel: String,
    pub case: String,
    pub variant: String,
    /// Whether plans run this variant here.
    pub chosen: bool,
    /// Counted from the step: what must be read and written once, multiplied and added.
    pub bytes: u64,
    pub flops: u64,
    pub timed: Option<Timed>,
    /// Why there is no time: what the adapter lacks, or what went wrong.
    pub reason: Option<String>,
}

/// The time of one run of a case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timed {
    /// The quickest sample's seconds, and the least CPU seconds on a software adapter.
    pub took: Took,
    pub seconds: Spread,
    pub samples: usize,
    /// Runs of the case in one sample.
    pub runs: usize,
    pub share_of_copy: Option<f64>,
    pub share_of_fma: Option<f64>,
    /// Times as fast as the variant of the portable path.
    pub speedup: f64,
}

/// What the clock of this adapter is.
pub fn clock(gpu: &Gpu) -> Clock {
    if gpu.has_timestamps() { Clock::Timestamps } else { Clock::Wall }
}

/// Measures the adapter's copy bandwidth and multiply-add rate.
pub fn probe(gpu: &mut Gpu) -> Result<Probes> {
    let mut rate = |name: &str| -> Result<Row> {
        let kernel = formats::kernels().find(|k| k.name == name).expect("the probes are in the list");
        let case = kernel.cases.iter().find(|c| c.bench).expect("a probe has a case to time");
        Ok(time_case(gpu, kernel, case, None)?.swap_remove(0))
    };
    let (copy, fma) = (rate("copy")?, rate("fma")?);
    let took = |row: &Row| match (&row.timed, &row.reason) {
        (Some(timed), _) => Ok(timed.took),
        (None, reason) => Err(Error::DeviceLost(reason.clone().unwrap_or_default())),
    };
    Ok(Probes { copy_bytes: copy.bytes, copy: took(&copy)?, fma_flops: fma.flops, fma: took(&fma)? })
}

/// Measures the rates of the adapter that a model will run on; the CPU reference has none.
pub fn probes(device: &DeviceChoice) -> Result<Option<(Facts, Probes)>> {
    if device.path == Compute::Cpu {
        return Ok(None);
    }
    let mut gpu = device.open_gpu()?;
    let probes = probe(&mut gpu)?;
    Ok(Some((gpu.facts, probes)))
}

/// Times all cases whose `kernel/case` contains `filter`.
pub fn time(gpu: &mut Gpu, filter: &str, probes: &Probes, progress: &mut dyn Progress) -> Result<Vec<Row>> {
    let cases = formats::kernels().flat_map(|kernel| kernel.cases.iter().filter(|c| c.bench).map(move |c| (kernel, c)));
    let cases: Vec<_> = cases.filter(|(k, c)| format!("{}/{}", k.name, c.name).contains(filter)).collect();
    let mut rows = Vec::new();
    for (number, (kernel, case)) in cases.iter().enumerate() {
        progress.at(&format!("{}/{}", kernel.name, case.name), number as u64, cases.len() as u64)?;
        rows.extend(time_case(gpu, kernel, case, Some(probes))?);
    }
    Ok(rows)
}

/// A variant under the clock.
struct Timer {
    row: usize,
    program: ProgramId,
    repeats: usize,
    samples: Vec<Took>,
}

fn time_case(gpu: &mut Gpu, kernel: &'static Kernel, case: &Case, probes: Option<&Probes>) -> Result<Vec<Row>> {
    let kept = gpu.residents();
    gpu.unforce(kernel);
    let chosen = gpu.variant(kernel).0;
    let portable = tuning::choose(kernel, gpu.facts.class, Needs::empty(), 1).0;
    let (trial, output) = Trial::new(case);
    let steps = &trial.plan.steps;
    let (bytes, flops): (u64, u64) = (steps.iter().map(|s| s.bytes).sum(), steps.iter().map(|s| s.flops).sum());
    let residents: u64 = trial.residents.iter().map(|(t, _)| t.bytes()).sum();
    let copies = WALK_BYTES.div_ceil(residents.max(1)).min(MOST_FLOPS / flops.max(1)).clamp(1, MOST_COPIES) as usize;
    let (plan, _) = trial::place(&trial, output, copies, gpu)?;
    gpu.wait()?;

    let mut rows = Vec::new();
    let mut timers = Vec::new();
    for variant in kernel.variants {
        let mut row = Row {
            kernel: kernel.name.into(),
            case: case.name.into(),
            variant: variant.name.into(),
            chosen: std::ptr::eq(variant, chosen),
            bytes,
            flops,
            timed: None,
            reason: None,
        };
        match start(gpu, kernel, variant, &plan) {
            Ok(program) => timers.push(Timer { row: rows.len(), program, repeats: 1, samples: Vec::new() }),
            Err(reason) => row.reason = Some(reason),
        }
        rows.push(row);
    }
    gpu.unforce(kernel);
    let measured = sample(gpu, &mut timers, plan.steps.len());
    for timer in &timers {
        gpu.release(timer.program);
    }
    gpu.keep_residents(kept);
    measured?;

    let best = |timer: &Timer| {
        let least = |f: fn(&Took) -> Option<f64>| timer.samples.iter().filter_map(f).min_by(f64::total_cmp);
        let seconds = least(|t| Some(t.seconds)).unwrap_or(f64::NAN);
        let per_run = (timer.repeats * copies) as f64;
        Took { seconds: seconds / per_run, cpu_seconds: least(|t| t.cpu_seconds).map(|s| s / per_run) }
    };
    let cost = |took: Took| took.cpu_seconds.unwrap_or(took.seconds);
    let base = timers.iter().find(|t| rows[t.row].variant == portable.name).map(|t| cost(best(t)));
    for timer in &timers {
        let took = best(timer);
        let runs = timer.repeats * copies;
        rows[timer.row].timed = Some(Timed {
            took,
            seconds: Spread::of(timer.samples.iter().map(|t| t.seconds / runs as f64)),
            samples: timer.samples.len(),
            runs,
            share_of_copy: probes.map(|p| p.share_of_copy(bytes, took)),
            share_of_fma: probes.filter(|_| flops > 0).map(|p| p.share_of_fma(flops, took)),
            speedup: base.map_or(1.0, |base| base / cost(took)),
        });
    }
    Ok(rows)
}

/// Makes a plan ready with this variant, or says why it cannot run here.
fn start(
    gpu: &mut Gpu,
    kernel: &'static Kernel,
    variant: &'static Variant,
    plan: &crate::plan::Plan,
) -> Result<ProgramId, String> {
    if !gpu.can_run(variant) {
        return Err(format!("needs {}", variant.needs));
    }
    gpu.force(kernel, variant);
    gpu.prepare(plan, false).map_err(|e| e.to_string())
}

/// Takes samples of all programs by turns. A sample is long enough for the clock; a variant so slow
/// that one run is many samples long gets fewer.
fn sample(gpu: &mut Gpu, timers: &mut [Timer], steps: usize) -> Result<()> {
    let software = gpu.facts.class == Class::Software;
    let (sample_s, total_s) = match (software, clock(gpu)) {
        (true, _) => (0.02, 0.8),
        (false, Clock::Timestamps) => (0.005, 0.1),
        (false, Clock::Wall) => (0.02, 0.3),
    };
    let mut wanted = Vec::new();
    for timer in &mut *timers {
        // The first run wakes the device; it counts only where there is no time for more.
        let first = took(gpu, timer.program, 1)?;
        if first.seconds > total_s {
            timer.samples.push(first);
            wanted.push(usize::from(first.seconds < 4.0 * total_s));
            continue;
        }
        let one = took(gpu, timer.program, 1)?.seconds.max(1e-7);
        timer.repeats = ((sample_s / one).ceil() as usize).clamp(1, (MOST_DISPATCHES / steps).max(1));
        let samples = (total_s / (one * timer.repeats as f64)) as usize;
        wanted.push(samples.clamp(3, 15));
    }
    for round in 0..wanted.iter().copied().max().unwrap_or(0) {
        for (timer, &wanted) in timers.iter_mut().zip(&wanted) {
            if round < wanted {
                timer.samples.push(took(gpu, timer.program, timer.repeats)?);
            }
        }
    }
    Ok(())
}

fn took(gpu: &mut Gpu, program: ProgramId, repeats: usize) -> Result<Took> {
    let before = usage::cpu_seconds();
    let seconds = gpu.time(program, repeats)?;
    let used = before.zip(usage::cpu_seconds()).map(|(before, after)| after - before);
    Ok(Took { seconds, cpu_seconds: used.filter(|s| gpu.facts.class == Class::Software && *s > 0.0) })
}

/// What the self-check found for one kernel: its chosen variant on all small cases.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    pub kernel: String,
    pub variant: String,
    pub cases: usize,
    /// The largest normalized mean square error, and what the variant may have.
    pub nmse: f64,
    pub allowed: f64,
    /// Cases at fault, and how.
    pub faults: Vec<String>,
}

/// Compares the chosen variant of every kernel with the reference.
pub fn self_check(gpu: &mut Gpu, progress: &mut dyn Progress) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (number, kernel) in formats::kernels().enumerate() {
        progress.at(kernel.name, number as u64, formats::kernels().count() as u64)?;
        let variant = gpu.variant(kernel).0;
        let mut check = Check {
            kernel: kernel.name.into(),
            variant: variant.name.into(),
            cases: 0,
            nmse: 0.0,
            allowed: variant.nmse,
            faults: Vec::new(),
        };
        for case in kernel.cases.iter().filter(|c| !c.bench) {
            let kept = gpu.residents();
            let Checked { nmse, fault } = trial::check(kernel, case, gpu)?;
            gpu.keep_residents(kept);
            check.cases += 1;
            // JSON has no infinity; a fault says what it was.
            check.nmse = check.nmse.max(if nmse.is_finite() { nmse } else { 0.0 });
            check.faults.extend(fault.map(|fault| format!("{}: {fault}", case.name)));
        }
        checks.push(check);
    }
    Ok(checks)
}
