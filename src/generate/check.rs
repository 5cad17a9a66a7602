//! A model on a device against the CPU reference, step by step.

use serde::Serialize;

use super::load::{Spec, load_reference};
use super::{Engine, PassOutput};
use crate::error::{Error, Result};
use crate::plan::check::{StepCheck, check};
use crate::progress::Progress;

/// Largest difference of a kernel's steps from the reference.
#[derive(Clone, Debug, Serialize)]
pub struct KernelDifference {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Number of its steps.
    pub steps: usize,
    /// Largest normalized mean square error of a step.
    pub worst_nmse: f64,
    /// Tolerance of the device for this kernel.
    pub allowed: f64,
}

/// Comparison of a model with the reference.
#[derive(Clone, Debug)]
pub struct ModelCheck {
    /// Kernels in the order of their first steps.
    pub kernels: Vec<KernelDifference>,
    /// First step that differs by more than is allowed, behind its phase: `prefill` or `decode`.
    pub differing: Option<(&'static str, StepCheck)>,
}

/// Runs a prefill of this many tokens and a decode step of the model `spec`, which `engine` holds, and compares them with the
/// reference.
///
/// # Errors
/// More tokens than a chunk or the context hold; those of the devices; what `progress` returns.
pub fn check_model(spec: &Spec, engine: &mut Engine, tokens: usize, progress: &mut dyn Progress) -> Result<ModelCheck> {
    let most = engine.chunk().min(engine.context() - 1);
    if tokens > most {
        let fix = "a chunk of the prompt and one more token must fit";
        return Err(Error::request("`tokens`", format!("at most {most}"), tokens, fix));
    }
    let reference = &mut load_reference(spec, engine, progress)?.engine;
    // Any tokens will do, as long as they differ; the last one is left for the decode step.
    let vocab = engine.model.config.vocab_size.min(100_000) as u32;
    let ids: Vec<u32> = (0..=tokens as u32).map(|i| (i * 7919 + 785) % vocab).collect();
    let mut found = ModelCheck { kernels: Vec::new(), differing: None };
    for (phase, ids) in [("prefill", &ids[..tokens]), ("decode", &ids[tokens..])] {
        engine.place(ids)?;
        reference.place(ids)?;
        let (plan, _) = engine.plan(ids.len(), PassOutput::Token);
        let mut told = |check: &StepCheck| {
            let StepCheck { number, step, output, difference, allowed, .. } = check;
            progress.at(&format!("{phase}: {}", check.name()), *number as u64, plan.steps.len() as u64)?;
            let kernel = step.kernel.name;
            if !found.kernels.iter().any(|known| known.kernel == kernel) {
                found.kernels.push(KernelDifference { kernel, steps: 0, worst_nmse: 0.0, allowed: *allowed });
            }
            for known in found.kernels.iter_mut().filter(|known| known.kernel == kernel) {
                known.steps += usize::from(*output == 0);
                known.worst_nmse = known.worst_nmse.max(difference.nmse);
            }
            Ok(())
        };
        let differing = check(&plan, reference.backend(), engine.backend(), &mut told)?;
        if let Some(step) = differing {
            found.differing = Some((phase, step));
            break;
        }
        engine.skip(ids.len());
        reference.skip(ids.len());
    }
    Ok(found)
}
