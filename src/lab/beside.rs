//! Predictions beside measurements: `qwgpu bench all` on a card that is listed.

use super::cards::Card;
use super::predict::predict;
use crate::bench::models::{ModelResult, PhaseSpeed, PredictedSpeed};
use crate::error::Result;
use crate::formats::QuantType;
use crate::gpu::Class;
use crate::progress::Progress;

/// Returns the predicted speed of a model of random weights, for the prompt and the generated tokens of a measurement. Its
/// context grows; the middle stands for it.
///
/// # Errors
/// Those of [`predict`].
pub fn speed(
    card: &Card,
    measured: &ModelResult,
    quant: Option<QuantType>,
    progress: &mut dyn Progress,
) -> Result<PredictedSpeed> {
    let context = measured.prompt + measured.generated.div_ceil(2);
    let shape = measured.model.split(' ').next().unwrap_or_default();
    let predicted = predict(card, shape, quant, [Some(context), Some(measured.prompt)], progress)?;
    Ok(PredictedSpeed {
        card: predicted.card,
        prefill_tokens_per_s: predicted.prefill.map_or(f64::NAN, |prefill| prefill.tokens_per_s),
        decode_tokens_per_s: predicted.decode.tokens_per_s,
    })
}

/// Returns predicted and measured speeds as a table in Markdown. Those of a software adapter are taken from CPU time over
/// the card's threads, which other programs disturb less.
pub fn table(card: &Card, models: &[ModelResult]) -> String {
    let measured = |speed: &PhaseSpeed| {
        let elapsed = speed.per_token();
        let cpu = elapsed.cpu_seconds.filter(|_| card.class == Class::Software);
        cpu.map_or(1.0 / elapsed.seconds, |seconds| card.cores.0 / seconds)
    };
    let mut text = String::from(
        "| model | prefill tokens/s: predicted | measured | decode tokens/s: predicted | measured |\n\
         |---|--:|--:|--:|--:|\n",
    );
    for (model, predicted) in models.iter().filter_map(|model| Some((model, model.predicted.as_ref()?))) {
        text += &format!(
            "| {} | {:.1} | {:.1} | {:.1} | {:.1} |\n",
            model.model,
            predicted.prefill_tokens_per_s,
            measured(&model.prefill),
            predicted.decode_tokens_per_s,
            measured(&model.decode),
        );
    }
    text
}
