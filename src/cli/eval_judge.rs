//! The part of an evaluation that another model judges.

use std::time::Duration;

use super::eval::Prepared;
use super::{interrupt, progress};
use crate::error::Result;
use crate::eval::journal::{Journal, Kept, verdict_key};
use crate::eval::judge::{Endpoint, Judge};
use crate::eval::measure::measured;
use crate::eval::run::Shard;

#[derive(clap::Args, Clone, Debug, Default)]
pub struct JudgeArgs {
    /// An OpenAI-compatible endpoint that judges what no rule can, such as http://localhost:8000/v1 (followbench)
    #[arg(help_heading = "Judge", long = "judge", value_name = "URL", requires = "judge_model")]
    url: Option<String>,
    /// The judge's model, as the endpoint knows it
    #[arg(help_heading = "Judge", long, value_name = "NAME", requires = "url")]
    pub judge_model: Option<String>,
    /// The environment variable that holds the endpoint's key
    #[arg(help_heading = "Judge", long, value_name = "VARIABLE", requires = "url")]
    judge_key: Option<String>,
}

impl JudgeArgs {
    /// The judge, if there is one; asked for before a model is loaded, so that a wrong address shows at once.
    pub fn open(&self) -> Result<Option<Judge>> {
        let (Some(url), Some(model)) = (&self.url, &self.judge_model) else { return Ok(None) };
        let endpoint = Endpoint { key_variable: self.judge_key.clone(), ..Endpoint::new(url, model) };
        Judge::new(endpoint).map(Some)
    }
}

/// Asks the judge what `journal` lacks of its verdicts on the replies of `shard`.
pub(super) fn ask(judge: &Judge, prepared: &Prepared, shard: Shard, journal: &mut Journal) -> anyhow::Result<()> {
    let model = judge.model();
    let mut wanted: Vec<(String, String)> = Vec::new();
    for task in &prepared.tasks {
        for set in measured(task, journal.kept(), Some(model)) {
            let of_shard = set.requests().into_iter().filter(|(sample, _)| shard.has(sample.id));
            wanted.extend(of_shard.map(|(sample, prompt)| (sample.asked.key.clone(), prompt.to_owned())));
        }
    }
    let bar = progress::counted("verdicts", wanted.len() as u64);
    bar.enable_steady_tick(Duration::from_millis(500));
    for (key, prompt) in wanted {
        interrupt::check()?;
        let verdict = judge.ask(&prompt)?;
        journal.put(&verdict_key(&key, model), Kept::Reply(verdict.text))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(journal.sync()?)
}
