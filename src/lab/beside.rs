//! Predictions beside measurements: `qwgpu bench all` on a card that is listed.

use super::cards::Card;
use super::predict::predict;
use super::{roofline, sample};
use crate::bench::kernels::{self, KernelTiming};
use crate::bench::models::{ModelResult, PredictedSpeed};
use crate::error::Result;
use crate::formats::QuantType;
use crate::gpu::tuning;
use crate::plan::{Case, Kernel, Place, Tensor, Trial, Variant};
use crate::progress::Progress;

/// Returns the predicted speed of a model, for the prompt and the generated tokens of a measurement. Its context grows;
/// the middle stands for it.
///
/// # Errors
/// Those of [`predict`].
pub fn speed(
    card: &Card,
    (model, quant): (&str, Option<QuantType>),
    measured: &ModelResult,
    progress: &mut dyn Progress,
) -> Result<PredictedSpeed> {
    let context = measured.prompt + measured.generated.div_ceil(2);
    let predicted = predict(card, model, quant, [Some(context), Some(measured.prompt)], measured.kv_cache, progress)?;
    Ok(PredictedSpeed {
        card: predicted.card,
        prefill_tokens_per_s: predicted.prefill.map_or(f64::NAN, |prefill| prefill.tokens_per_s),
        decode_tokens_per_s: predicted.decode.tokens_per_s,
    })
}

/// Writes the predicted time beside each that was measured.
///
/// # Errors
/// A shader does not compile, or the emulator cannot run it; what `progress` returns.
pub fn time_kernels(card: &Card, timings: &mut [KernelTiming], progress: &mut dyn Progress) -> Result<()> {
    let total = timings.len() as u64;
    for (number, timing) in timings.iter_mut().enumerate().filter(|(_, timing)| timing.time.is_some()) {
        progress.at(&format!("predicting {}", timing.kernel), number as u64, total)?;
        let found = kernels::cases().find(|(kernel, case)| kernel.name == timing.kernel && case.name == timing.case);
        let (kernel, case) = found.expect("a case that was timed");
        let variant = kernel.variants.iter().find(|variant| variant.name == timing.variant);
        timing.predicted_s = Some(kernel_time(card, kernel, variant.expect("a variant that was timed"), case)?);
    }
    Ok(())
}

/// Returns the predicted seconds of a case by a variant of its kernel. Its inputs come from memory, as under the clock.
fn kernel_time(card: &Card, kernel: &Kernel, variant: &Variant, case: &Case) -> Result<f64> {
    let (trial, _) = Trial::new(case);
    let subgroup = card.subgroup.0;
    let words = |tensor: Tensor| {
        let mut words = match tensor.place {
            Place::Resident(number) => trial.residents[number as usize].1.clone(),
            Place::Scratch(_) => vec![0; tensor.words()],
        };
        words.resize(words.len().max(4).next_multiple_of(4), 0);
        words
    };
    let mut seconds = 0.0;
    for step in &trial.plan.steps {
        let chosen = match step.kernel.name == kernel.name {
            true => (variant, tuning::consts(kernel, variant, card.class, subgroup as u32)),
            false => tuning::choose(step.kernel, card.class, card.has()?, subgroup as u32),
        };
        let counters = sample::step(step, chosen, subgroup, words)?;
        seconds += roofline::step_time(card, &counters, (step.bytes as f64, true)).0;
    }
    Ok(seconds)
}
