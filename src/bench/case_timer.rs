//! A case under the clock.

use super::work::Work;
use super::{Elapsed, Stopwatch};
use crate::error::Result;
use crate::gpu::{Class, Gpu};
use crate::plan::{Backend, Case, Kernel, Plan, ProgramId, Trial, Variant, trial};

/// Bytes of inputs that a pass covers: more than any adapter's cache keeps.
const WALK_BYTES: u64 = 128 << 20;
/// Most copies of one case.
const MOST_COPIES: u64 = 64;
/// Most operations of one pass.
const MOST_FLOPS: u64 = 1 << 30;
/// Most dispatches of one submission.
const MOST_DISPATCHES: usize = 4096;

/// A case on an adapter. Its step runs over several copies of the tensors it only reads, one after the other, so that
/// no cache keeps a weight that a model would have pushed out.
pub struct CaseTimer {
    /// Work of one run of the case.
    pub work: Work,
    /// Runs of the case in the plan.
    pub copies: usize,
    plan: Plan,
    /// Number of tensors that the adapter held before.
    residents: usize,
}

impl CaseTimer {
    /// Creates the tensors of a case.
    ///
    /// # Errors
    /// Those of the device.
    pub fn new(gpu: &mut Gpu, case: &Case) -> Result<CaseTimer> {
        let residents = gpu.residents();
        let (trial, _) = Trial::new(case);
        let work = Work::of(&trial.plan, 1.0);
        let bytes: u64 = trial.residents.iter().map(|(tensor, _)| tensor.bytes()).sum();
        let copies =
            WALK_BYTES.div_ceil(bytes.max(1)).min(MOST_FLOPS / (work.flops as u64).max(1)).clamp(1, MOST_COPIES);
        let plan = trial::place(&trial, copies as usize, gpu)?;
        gpu.wait()?;
        Ok(CaseTimer { work, copies: copies as usize, plan, residents })
    }

    /// Prepares the case for a variant of its kernel.
    ///
    /// # Errors
    /// Those of the device; the shader does not compile.
    pub fn prepare(&self, gpu: &mut Gpu, kernel: &'static Kernel, variant: &'static Variant) -> Result<ProgramId> {
        gpu.force(kernel, variant);
        let program = gpu.prepare(&self.plan, false);
        gpu.unforce(kernel);
        program
    }

    /// Returns the time of one run of the case: the mean of at least `runs`, in whole passes.
    ///
    /// # Errors
    /// Those of the device.
    pub fn time(&self, gpu: &mut Gpu, program: ProgramId, runs: usize) -> Result<Elapsed> {
        let passes = runs.div_ceil(self.copies).max(1);
        let most = (MOST_DISPATCHES / self.plan.steps.len()).max(1);
        let watch = Stopwatch::start();
        let (mut seconds, mut left) = (0.0, passes);
        while left > 0 {
            let now = left.min(most);
            seconds += gpu.time(program, now)?;
            left -= now;
        }
        let software = gpu.facts.class == Class::Software;
        let cpu_seconds = watch.elapsed().cpu_seconds.filter(|s| software && *s > 0.0);
        let runs = (passes * self.copies) as f64;
        Ok(Elapsed { seconds: seconds / runs, cpu_seconds: cpu_seconds.map(|s| s / runs) })
    }

    /// Frees the tensors.
    pub fn close(self, gpu: &mut Gpu) {
        gpu.keep_residents(self.residents);
    }
}
