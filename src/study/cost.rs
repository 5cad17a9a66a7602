//! Estimate of a study's cost, before it begins.

use serde_json::json;

use super::forms::Form;
use super::machine::Machine;
use super::model::StudyModel;
use super::settings::StudySettings;
use super::step::Step;
use crate::bench::models::{Protocol, measure};
use crate::error::{Error, Result};
use crate::eval::journal::NUMERICS;
use crate::eval::requests::SubsetRequests;
use crate::progress::Progress;

/// The matrix of a study, and the most it will take.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Names of the forms of each model.
    pub forms: Vec<String>,
    /// One for each model.
    pub models: Vec<ModelCost>,
    /// Tokens a second that the first model reads and writes in 16 bits, or why it does not run.
    pub rates: Result<[f64; 2], String>,
    /// Hours at those rates for everything that is not done yet, without the quantizing.
    pub hours: f64,
}

/// The cost of one form of a model.
#[derive(Clone, Debug)]
pub struct ModelCost {
    pub name: String,
    /// Number of its forms.
    pub forms: usize,
    /// Tokens of perplexities and divergences.
    pub perplexity_tokens: usize,
    /// Tokens of the benchmarks' prompts.
    pub prompt_tokens: usize,
    /// Tokens of the benchmarks' replies, at most.
    pub reply_tokens: usize,
    /// Bytes of the weights in 16 bits.
    pub bytes: u64,
}

impl ModelCost {
    fn new(model: &StudyModel, settings: &StudySettings, forms: &[Form]) -> ModelCost {
        let texts = model.texts.iter().map(|(_, ids)| ids.len() + settings.kl_tokens.min(model.window)).sum();
        let sets = || model.evaluation.iter().flat_map(|evaluation| &evaluation.tasks).flat_map(|task| &task.sets);
        let written = sets().map(SubsetRequests::reply_tokens).sum();
        let all: usize = sets().map(SubsetRequests::tokens).sum();
        ModelCost {
            name: model.name.clone(),
            forms: model.forms(forms).count(),
            perplexity_tokens: texts,
            prompt_tokens: all.saturating_sub(written),
            reply_tokens: written,
            bytes: 2 * model.parameters,
        }
    }
}

impl Cost {
    /// Counts tokens, and measures the first model's rates if they are not known.
    ///
    /// # Errors
    /// Those of the device that more bits or less memory would not mend; what `progress` returns.
    pub fn new(
        settings: &StudySettings,
        machine: &Machine,
        models: &[StudyModel],
        forms: &[Form],
        progress: &mut dyn Progress,
    ) -> Result<Cost> {
        let first = &models[0];
        // A model that does not fit in 16 bits may fit in fewer.
        let rates = match rates(settings, machine, first, progress) {
            Err(error) if !ends_study(&error) => Err(error.to_string()),
            rates => Ok(rates?),
        };
        let [read, written] = rates.clone().unwrap_or([1.0; 2]);
        let costs: Vec<ModelCost> = models.iter().map(|model| ModelCost::new(model, settings, forms)).collect();
        let mut seconds = 0.0;
        for (model, cost) in models.iter().zip(&costs) {
            let larger = model.parameters as f64 / first.parameters as f64;
            let of_form =
                (cost.perplexity_tokens + cost.prompt_tokens) as f64 / read + cost.reply_tokens as f64 / written;
            seconds += larger * of_form * cost.forms as f64;
        }
        let forms = forms.iter().map(|form| form.name.clone()).collect();
        Ok(Cost { forms, models: costs, rates, hours: seconds / 3600.0 })
    }
}

/// Returns whether an error of one form is one of all others, too: a full disk, a lost device, an interruption.
pub(super) fn ends_study(error: &Error) -> bool {
    !matches!(
        error,
        Error::NotFinite { .. } | Error::OutOfMemory { .. } | Error::Unsupported { .. }
        // What a quantizer says of a layer.
        | Error::Request { .. } | Error::Malformed { .. }
    )
}

/// Measures the tokens a second that the 16-bit model reads and writes, now or before.
fn rates(
    settings: &StudySettings,
    machine: &Machine,
    model: &StudyModel,
    progress: &mut dyn Progress,
) -> Result<[f64; 2]> {
    let path = settings.device.path;
    Step::new(&settings.out, json!([NUMERICS, model.digest, path.name(), machine.scores])).done("rate", || {
        let mut loaded = model.load(&model.path, false, settings, path, progress)?;
        let prompt = loaded.engine.chunk().min(model.context.max(model.window) / 2);
        let protocol = Protocol { prompt, generated: 8, repeats: 1 };
        let measured = measure(&mut loaded, &model.name, 0.0, protocol, progress)?;
        Ok([measured.prefill, measured.decode].map(|speed| speed.summary().median))
    })
}
