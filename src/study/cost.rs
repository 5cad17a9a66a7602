//! Estimate of a study's cost, before it begins.

use serde_json::json;

use super::model::StudyModel;
use super::session::Study;
use super::step::{cached, ends_study};
use crate::bench::models::{SpeedProtocol, measure};
use crate::error::Result;
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
    /// Name of the model.
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

impl Study {
    /// Returns what the study will cost: counts tokens, and measures the first model's rates if they are not known.
    ///
    /// # Errors
    /// Those of the device that more bits or less memory would not mend; what `progress` returns.
    pub fn cost(&self, progress: &mut dyn Progress) -> Result<Cost> {
        let Study { settings, models, forms, .. } = self;
        let first = &models[0];
        // A model that does not fit in 16 bits may fit in fewer.
        let rates = match self.rates(first, progress) {
            Err(error) if !ends_study(&error) => Err(error.to_string()),
            rates => Ok(rates?),
        };
        let [read, written] = rates.clone().unwrap_or([1.0; 2]);
        let mut cost =
            Cost { forms: forms.iter().map(|form| form.name.clone()).collect(), models: Vec::new(), rates, hours: 0.0 };
        for model in models {
            let sets = || model.evaluation.iter().flat_map(|evaluation| &evaluation.tasks).flat_map(|task| &task.sets);
            let reply_tokens = sets().map(SubsetRequests::reply_tokens).sum();
            let tokens: usize = sets().map(SubsetRequests::tokens).sum();
            let texts = model.texts.iter().map(|(_, ids)| ids.len() + settings.kl_tokens.min(model.window));
            let one = ModelCost {
                name: model.name.clone(),
                forms: model.forms(forms).count(),
                perplexity_tokens: texts.sum(),
                prompt_tokens: tokens.saturating_sub(reply_tokens),
                reply_tokens,
                bytes: 2 * model.parameters,
            };
            let seconds = (one.perplexity_tokens + one.prompt_tokens) as f64 / read + reply_tokens as f64 / written;
            let larger = model.parameters as f64 / first.parameters as f64;
            cost.hours += larger * seconds * one.forms as f64 / 3600.0;
            cost.models.push(one);
        }
        Ok(cost)
    }

    /// Measures the tokens a second that the 16-bit model reads and writes, now or before.
    fn rates(&self, model: &StudyModel, progress: &mut dyn Progress) -> Result<[f64; 2]> {
        let Study { settings, adapters, .. } = self;
        let path = settings.device.path;
        let key = json!([NUMERICS, model.digest, path.name(), adapters.scores, adapters.scores_cache]);
        cached(&settings.out.join("rate.json"), key, || {
            let mut loaded = model.load(&model.path, false, settings, path, progress)?;
            let prompt = loaded.engine.chunk().min(model.context.max(model.window) / 2);
            let protocol = SpeedProtocol { prompt, generated: 8, repeats: 1 };
            let measured = measure(&mut loaded, &model.name, 0.0, protocol, progress)?;
            Ok([measured.prefill, measured.decode].map(|speed| speed.median()))
        })
    }
}
