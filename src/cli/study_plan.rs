//! What a study costs, before it begins.

use serde_json::json;

use super::bench;
use super::output::{columns, size};
use super::study::{Args, Model, ends_all};
use super::study_conditions::Machine;
use super::study_form::Step;
use crate::bench::models::{Protocol, measure};
use crate::eval::asked::AskedSet;
use crate::eval::journal::NUMERICS;
use crate::study::Form;

/// Tokens that run through a model: those it reads, and those it writes at most.
#[derive(Clone, Copy, Default)]
struct Tokens {
    read: usize,
    written: usize,
}

impl Tokens {
    /// Of the perplexities and divergences of one form, and of its benchmarks.
    fn of(model: &Model, args: &Args) -> [Tokens; 2] {
        let texts = model.texts.iter().map(|(_, ids)| ids.len() + args.kl_tokens.min(model.window)).sum();
        let sets = || model.prepared.iter().flat_map(|prepared| &prepared.tasks).flat_map(|task| &task.sets);
        let written = sets().map(AskedSet::reply_tokens).sum();
        let all: usize = sets().map(AskedSet::tokens).sum();
        [Tokens { read: texts, written: 0 }, Tokens { read: all.saturating_sub(written), written }]
    }
}

/// The matrix and what it costs.
pub(super) fn plan(args: &Args, machine: &Machine, models: &[Model], forms: &[Form]) -> anyhow::Result<String> {
    let head = ["model", "forms", "perplexity tokens", "prompt tokens", "reply tokens, at most", "16-bit bytes"];
    let mut rows = vec![head.map(str::to_owned)];
    let first = &models[0];
    // A model that does not fit in 16 bits may fit in fewer.
    let rates = match rates(args, machine, first) {
        Err(error) if !ends_all(&error) => Err(format!("{error:#}")),
        rates => Ok(rates?),
    };
    let [read, written] = rates.clone().unwrap_or([1.0; 2]);
    let mut seconds = 0.0;
    for model in models {
        let [texts, tasks] = Tokens::of(model, args);
        let larger = model.parameters as f64 / first.parameters as f64;
        let of_form = (texts.read + tasks.read) as f64 / read + tasks.written as f64 / written;
        seconds += larger * of_form * forms.len() as f64;
        let counts = [forms.len(), texts.read, tasks.read, tasks.written].map(|count| count.to_string());
        let [forms, texts, prompts, replies] = counts;
        rows.push([model.name.clone(), forms, texts, prompts, replies, size(2 * model.parameters)]);
    }
    let names: Vec<&str> = forms.iter().map(|form| form.name.as_str()).collect();
    let cost = match rates {
        Ok(_) => format!(
            "at {read:.0} tokens a second read and {written:.0} written, one sequence, as measured on {}: at most {:.2} \
             hours for what is not done yet, and the quantizing; larger models in proportion",
            first.name,
            seconds / 3600.0
        ),
        Err(why) => format!("hours unknown, since {} does not run here in 16 bits: {why}", first.name),
    };
    Ok(format!("{}forms: {}\n{cost}\n", columns(&rows), names.join(", ")))
}

/// Tokens a second that the 16-bit model reads and writes, measured now or before.
fn rates(args: &Args, machine: &Machine, model: &Model) -> anyhow::Result<[f64; 2]> {
    let path = args.device.path;
    Step::new(&args.out, json!([NUMERICS, model.digest, path.name(), machine.scores])).done("rate", || {
        let mut loaded = model.load(&model.path, args, path)?;
        let prompt = loaded.engine.chunk().min(model.context.max(model.window) / 2);
        let protocol = Protocol { prompt, generated: 8, repeats: 1 };
        let measured = measure(&mut loaded, &model.name, 0.0, protocol, None, &mut bench::watch("tokens"))?;
        Ok([measured.prefill, measured.decode].map(|speed| speed.tokens_per_s.median))
    })
}
