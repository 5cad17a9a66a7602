//! An evaluation from its settings to its results.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::journal::{Identity, Journal, MergedJournals, NUMERICS, merged};
#[cfg(feature = "judge")]
use super::judge::Judge;
use super::layout::EvalRun;
use super::measure::score_task;
use super::requests::{Request, Shard, TaskRequests, prepare};
use super::run::Runner;
use super::settings::EvalSettings;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::generate::{Model, load};
use crate::progress::Progress;
use crate::quantize::model_digest;
use crate::tasks::Response;
use crate::text::{ChatTemplate, Tokenizer};
use crate::{date, digest};

/// Benchmarks for one model: requests that are made, answered, kept in a journal and scored.
///
/// ```no_run
/// # fn main() -> qwgpu::Result<()> {
/// use qwgpu::Model;
/// use qwgpu::eval::{EvalSettings, Evaluation, Shard};
///
/// let mut model = Model::open("Qwen2.5-0.5B")?;
/// let tasks = vec!["snli".to_owned()];
/// let settings = EvalSettings { tasks, data: "data".into(), ..EvalSettings::new("Qwen2.5-0.5B", &model.run) };
/// let evaluation = Evaluation::prepare(settings)?;
/// let mut journal = evaluation.journal("results/journal.jsonl".as_ref(), false)?;
/// evaluation.run(&mut model, Shard::ALL, &mut journal, true, &mut ())?;
/// evaluation.finish(journal.responses(), journal.begun).write("results".as_ref())?;
/// # Ok(())
/// # }
/// ```
pub struct Evaluation {
    /// Tasks, model and options.
    pub settings: EvalSettings,
    /// The model that answers.
    pub identity: Identity,
    tokenizer: Tokenizer,
    chat: ChatTemplate,
    /// The requests, task by task.
    pub tasks: Vec<TaskRequests>,
}

impl Evaluation {
    /// Reads the tasks' data and makes all requests; the model's weights are not read.
    ///
    /// # Errors
    /// Unknown tasks and profiles, bad data, a model that cannot be opened.
    pub fn prepare(settings: EvalSettings) -> Result<Evaluation> {
        let checkpoint = Checkpoint::open(&settings.model)?;
        let tokenizer = load::tokenizer(&checkpoint, &settings.model)?;
        let chat = load::chat_template(&checkpoint)?;
        let tasks = prepare(&settings, &tokenizer, &chat)?;
        let identity = Identity {
            model: settings.label.clone(),
            digest: model_digest(&checkpoint)?,
            tokenizer: tokenizer.digest().to_owned(),
            template: digest::sha256(chat.source()),
            path: settings.path.clone(),
            packed: checkpoint.is_gguf() && !settings.dequantize,
            kv_cache: settings.kv_cache,
            numerics: NUMERICS,
        };
        Ok(Evaluation { settings, identity, tokenizer, chat, tasks })
    }

    /// Puts the same requests to the model at `path`, its blocks widened to bf16 if `dequantize`. They are made anew only
    /// if its tokenizer or template is another.
    ///
    /// # Errors
    /// As [`Evaluation::prepare`].
    pub fn retarget(&mut self, path: &Path, dequantize: bool, label: &str) -> Result<()> {
        let checkpoint = Checkpoint::open(path)?;
        let tokenizer = load::tokenizer(&checkpoint, path)?;
        let (model, label) = (path.to_owned(), label.to_owned());
        let settings = EvalSettings { model, dequantize, label, ..self.settings.clone() };
        if tokenizer.digest() != self.tokenizer.digest()
            || load::chat_template(&checkpoint)?.source() != self.chat.source()
        {
            *self = Evaluation::prepare(settings)?;
        } else {
            self.identity.model = settings.label.clone();
            self.identity.digest = model_digest(&checkpoint)?;
            self.identity.packed = checkpoint.is_gguf() && !dequantize;
            self.settings = settings;
        }
        Ok(())
    }

    /// Opens the journal of this evaluation at `path`, or begins it. With `fresh` it forgets what it held.
    ///
    /// # Errors
    /// Another process writes it; it is of another model; a line but the last is damaged.
    pub fn journal(&self, path: &Path, fresh: bool) -> Result<Journal> {
        Journal::open(path, &self.identity, &self.settings, date::now(), fresh)
    }

    /// Returns the requests of `shard` that have no answer in `journal`.
    pub fn missing<'a>(&'a self, shard: Shard, journal: &'a Journal) -> impl Iterator<Item = &'a Request> {
        let sets = self.tasks.iter().flat_map(|task| &task.sets);
        sets.flat_map(move |set| set.missing(shard, journal))
    }

    /// Asks the model all requests of `shard` that have no answer in `journal`. With `share`, what prompts have in
    /// common is computed once.
    ///
    /// # Errors
    /// Those of the device and of the journal; what `progress` returns.
    pub fn run(
        &self,
        model: &mut Model,
        shard: Shard,
        journal: &mut Journal,
        share: bool,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let total = self.missing(shard, journal).map(|request| request.tokens.count() as u64).sum();
        let mut runner = Runner {
            engine: &mut model.engine,
            tokenizer: &self.tokenizer,
            stop: &model.stop,
            share,
            journal,
            progress,
            done: 0,
            total,
        };
        let result = self.tasks.iter().flat_map(|task| &task.sets).try_for_each(|set| runner.set(set, shard));
        journal.sync()?;
        result
    }

    /// Asks the judge for the verdicts on replies of `shard` that `journal` lacks.
    ///
    /// # Errors
    /// The judge cannot be asked; those of the journal; what `progress` returns.
    #[cfg(feature = "judge")]
    pub fn judge(&self, judge: &Judge, shard: Shard, journal: &mut Journal, progress: &mut dyn Progress) -> Result<()> {
        let mut wanted: Vec<(String, String)> = Vec::new();
        for task in &self.tasks {
            for set in score_task(task, journal.responses(), Some(judge.model())) {
                let of_shard = set.judge_requests().into_iter().filter(|(sample, _)| shard.has(sample.id));
                wanted.extend(of_shard.map(|(sample, prompt)| (sample.request.key.clone(), prompt.to_owned())));
            }
        }
        for (number, (key, prompt)) in wanted.iter().enumerate() {
            progress.at("verdicts", number as u64, wanted.len() as u64)?;
            let verdict = judge.ask(prompt)?;
            journal.put(&super::journal::verdict_key(key, judge.model()), Response::Reply(verdict.text))?;
        }
        journal.sync()
    }

    /// Scores the answers in `responses` of a run that began at `begun`, in seconds since 1970.
    pub fn finish<'a>(&'a self, responses: &'a HashMap<String, Response>, begun: u64) -> EvalRun<'a> {
        let judge = self.settings.judge.as_deref();
        EvalRun {
            identity: &self.identity,
            begun,
            settings: &self.settings,
            chat_template: self.chat.source(),
            tasks: self.tasks.iter().map(|task| (task, score_task(task, responses, judge))).collect(),
        }
    }

    /// Reads the journals of all shards in the folder `out`, and prepares the evaluation that they are of.
    ///
    /// # Errors
    /// There are none, they are of different runs, or documents without an answer are left.
    pub fn merge(out: &Path) -> Result<(Evaluation, MergedJournals)> {
        let paths = journals(out)?;
        let merged = merged(&paths)?;
        let evaluation = Evaluation::prepare(merged.settings.clone())?;
        merged.identity.expect(&paths[0], &evaluation.identity)?;
        let sets = evaluation.tasks.iter().flat_map(|task| &task.sets);
        let answered = |request: &&Request| merged.responses.contains_key(&request.key);
        let missing = sets.flat_map(|set| &set.requests).filter(|request| !answered(request)).count();
        if missing > 0 {
            let expected = "an answer to every document";
            let fix = "run the shares that are not finished; finished ones end with a note";
            return Err(Error::request(out.display().to_string(), expected, format!("{missing} without"), fix));
        }
        Ok((evaluation, merged))
    }
}

/// Returns the journals of shards below `out`, in order of their names.
fn journals(out: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(out).map_err(Error::io(out))?;
    let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| name(path).starts_with("journal") && name(path).ends_with(".jsonl"));
    paths.sort();
    Ok(paths)
}
