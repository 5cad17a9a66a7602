//! `qwgpu eval` and `qwgpu merge`: benchmarks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use super::eval_judge::{self, JudgeArgs};
use super::eval_table::{prompts, table};
use super::model::ModelArgs;
use super::output::{note, print_json, print_out};
use super::{Outcome, count, interrupt, progress};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::eval::asked::{self, AskedTask};
use crate::eval::journal::{self, Identity, Journal, Kept, NUMERICS};
use crate::eval::layout::{self, Finished};
use crate::eval::limits::Limits;
use crate::eval::measure::{Measured, measured};
use crate::eval::run::{Runner, Shard, Watch};
use crate::generate::{Loaded, Spec, load, open};
use crate::model::Config;
use crate::quantize::model_digest;
use crate::tasks::TASKS;
use crate::text::{ChatTemplate, Tokenizer};
use crate::{date, digest};

pub const HELP: &str = "\
Tasks: mmlu, ceval, flores, cnn_dailymail, xsum, gsm8k, snli, followbench, followbench_zh, truthfulqa_mc1,
truthfulqa_mc2, truthfulqa_gen, bbq; `mmlu:anatomy` or `mmlu:stem` for a part, `flores:deu_Latn-eng_Latn` for a pair.
Data are read as they are published, below --data: mmlu/test/*.csv, gsm8k/test.jsonl, and so on.

Profiles say how a task is asked: lmh as lm-evaluation-harness does, the default where it has the task; others are
qwen, chat and more, named when one is missing. Scores of different profiles are not comparable.

Answers go to a journal in --out as they come. A run that is stopped or killed goes on where it was when it is given
again, and ends with the same results. Results and samples have the layout of lm-evaluation-harness.

What FollowBench's rules cannot decide is asked of a --judge; without one its requests are written beside the samples.

A cluster runs `--shard 1/3`, `2/3` and `3/3`, each with the same --out, then `qwgpu merge --out DIR`.

Examples:
  qwgpu eval --model Qwen2.5-0.5B --tasks mmlu,snli --data data --limit 100 --out results
  qwgpu eval --model model.gguf --quant gptq:4 --calibration c4.jsonl --tasks gsm8k --data data --out results
  qwgpu eval --model Qwen2.5-0.5B --tasks bbq --profile original --data data --show-prompt";

pub const MERGE_HELP: &str = "\
Reads the journals of all shards below --out and writes the results a single run would have written, byte for byte.

Example:
  qwgpu merge --out results";

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    what: What,
    /// The folder for journal, results and samples
    #[arg(long, value_name = "DIR", required_unless_present = "show_prompt")]
    out: Option<PathBuf>,
    /// Ask only every nth document: 2/3 is the second of three shares
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    #[command(flatten)]
    judge: JudgeArgs,
    /// Forget answers of earlier runs
    #[arg(long)]
    fresh: bool,
    /// Compute what prompts have in common again for each of them
    #[arg(long)]
    no_share: bool,
    /// Print the first prompt of each set and stop
    #[arg(long)]
    show_prompt: bool,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// What is asked; kept in the journal, so that `merge` knows.
#[derive(clap::Args, Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct What {
    /// Tasks, with commas between them
    #[arg(long, value_name = "TASKS", value_delimiter = ',', required = true)]
    pub tasks: Vec<String>,
    /// The folder with the tasks' data
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// How tasks are asked [default: each task's first profile]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Few-shot examples [default: the profile's]
    #[arg(long, value_name = "N")]
    pub shots: Option<usize>,
    /// Ask only the first N documents of each set; `100,mmlu=2` has a limit of its own for a task
    #[arg(long, value_name = "N")]
    pub limit: Option<Limits>,
    /// Most tokens of a reply, where a task allows more
    #[arg(long, value_name = "TOKENS", value_parser = count)]
    pub reply_tokens: Option<usize>,
    /// Few-shot examples of conversations as turns of it
    #[arg(long)]
    pub fewshot_as_multiturn: bool,
    /// Token in front of an empty context
    #[arg(long, value_name = "ID")]
    pub prefix_token: Option<u32>,
}

#[derive(clap::Args)]
pub struct MergeArgs {
    /// The folder that the shards wrote to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// All that decides requests, as the journal keeps it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Settings {
    /// The files that are read: a quantized folder where the user said --quant.
    pub model: PathBuf,
    pub label: String,
    pub context: usize,
    /// What computes: `fast`, `portable` or `cpu`, and the adapter's name.
    pub path: String,
    pub adapter: String,
    /// The model that judges replies.
    pub judge: Option<String>,
    #[serde(flatten)]
    pub what: What,
}

fn shard(text: &str) -> std::result::Result<Shard, String> {
    let parse = || {
        let (index, count) = text.split_once('/')?;
        let (index, count): (usize, usize) = (index.parse().ok()?, count.parse().ok()?);
        (index >= 1 && index <= count).then(|| Shard { index: index - 1, count })
    };
    parse().ok_or_else(|| "expected I/N with I from 1 to N, such as 2/3".to_owned())
}

/// What a model is asked, and who it is, without its weights.
pub(super) struct Prepared {
    pub settings: Settings,
    pub identity: Identity,
    tokenizer: Tokenizer,
    chat: ChatTemplate,
    pub tasks: Vec<AskedTask>,
}

impl Prepared {
    pub fn new(settings: Settings) -> anyhow::Result<Prepared> {
        let checkpoint = Checkpoint::open(&settings.model)?;
        let tokenizer = load::tokenizer(&checkpoint, &settings.model)?;
        let chat = load::chat_template(&checkpoint)?;
        let What { tasks, data, .. } = &settings.what;
        let options = asked::Options {
            profile: settings.what.profile.clone(),
            shots: settings.what.shots,
            limit: settings.what.limit.clone(),
            reply_tokens: settings.what.reply_tokens,
            multiturn: settings.what.fewshot_as_multiturn,
            prefix_token: settings.what.prefix_token,
        };
        let tasks = asked::asked(&whole_names(tasks), data, &options, &tokenizer, &chat, settings.context)?;
        let identity = Identity {
            model: settings.label.clone(),
            digest: model_digest(&checkpoint)?,
            tokenizer: tokenizer.digest().to_owned(),
            template: digest::sha256(chat.source()),
            path: settings.path.clone(),
            numerics: NUMERICS,
        };
        Ok(Prepared { settings, identity, tokenizer, chat, tasks })
    }

    /// The same requests to the files at `path`; made anew only if their tokenizer or template is another.
    pub fn turn_to(&mut self, path: &Path, label: &str) -> anyhow::Result<()> {
        let checkpoint = Checkpoint::open(path)?;
        let tokenizer = load::tokenizer(&checkpoint, path)?;
        let settings = Settings { model: path.to_owned(), label: label.to_owned(), ..self.settings.clone() };
        if tokenizer.digest() != self.tokenizer.digest()
            || load::chat_template(&checkpoint)?.source() != self.chat.source()
        {
            *self = Prepared::new(settings)?;
        } else {
            self.identity.model = settings.label.clone();
            self.identity.digest = model_digest(&checkpoint)?;
            self.settings = settings;
        }
        Ok(())
    }

    /// What the answers in `kept` come to.
    pub fn finished<'a>(&'a self, kept: &'a HashMap<String, Kept>, begun: u64) -> anyhow::Result<Finished<'a>> {
        Ok(Finished {
            identity: &self.identity,
            begun,
            settings: serde_json::to_value(&self.settings)?,
            chat_template: self.chat.source(),
            tasks: self.tasks.iter().map(|task| (task, measured(task, kept, self.settings.judge.as_deref()))).collect(),
        })
    }

    /// Whether a document of `shard` has no answer in `journal`.
    pub fn lacks(&self, shard: Shard, journal: &Journal) -> bool {
        let sets = self.tasks.iter().flat_map(|task| &task.sets);
        let mut documents = sets.flat_map(|set| set.documents.iter().enumerate().filter(|(id, _)| shard.has(*id)));
        documents.any(|(_, asked)| journal.get(&asked.key).is_none())
    }

    /// Writes results and samples and prints the table. What has no score, or no verdict of its judge, fails it.
    fn finish(&self, kept: &HashMap<String, Kept>, begun: u64, out: &Path, json: bool) -> anyhow::Result<Outcome> {
        let finished = self.finished(kept, begun)?;
        let results = layout::results(&finished);
        let path = layout::write(&finished, &results, out)?;
        if json {
            print_json(&results)?;
        } else {
            print_out(&table(&finished, &results))?;
        }
        note(&format!("results and samples: {}", path.display()));
        let sets = || finished.tasks.iter().flat_map(|(_, sets)| sets);
        let unscored: usize = sets().map(Measured::errors).sum();
        let unjudged: usize = self.settings.judge.as_ref().map_or(0, |_| sets().map(|set| set.requests().len()).sum());
        if unjudged > 0 {
            note(&format!("{unjudged} replies have no verdict of the judge; run the same again with --judge"));
        }
        Ok(if unscored + unjudged > 0 { Outcome::Failed } else { Outcome::Done })
    }
}

/// A list was cut at every comma; what follows a name with a colon, and is no task, is part of it.
pub(super) fn whole_names(parts: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in parts {
        let task = part.split(':').next().unwrap_or(part);
        match names.last_mut() {
            Some(last) if last.contains(':') && !TASKS.iter().any(|known| known.name == task) => {
                *last += &format!(",{part}");
            }
            _ => names.push(part.clone()),
        }
    }
    names
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    args.model.expect_tokenizer()?;
    let Spec::Files(model) = args.model.spec()? else { unreachable!("only files have tokenizers") };
    let config = Config::from_json(&Checkpoint::open(&model)?.config, &load::config_file(&model))?;
    let context = load::within("--context", args.model.context, 4096, &config)?;
    // Nothing is computed for a look at the prompts.
    let run =
        (!args.show_prompt).then(|| Ok::<_, anyhow::Error>(open(&args.model.device.device()?)?.run)).transpose()?;
    let (path, adapter) = run.map(|run| (run.path.to_owned(), run.adapter)).unwrap_or_default();
    let settings = Settings {
        model,
        label: args.model.label(),
        context,
        path,
        adapter,
        judge: args.judge.judge_model.clone(),
        what: args.what.clone(),
    };
    let prepared = Prepared::new(settings)?;
    if args.show_prompt {
        print_out(&prompts(&prepared.tasks))?;
        return Ok(Outcome::Done);
    }
    let out = args.out.as_ref().context("--out is required")?;
    std::fs::create_dir_all(out).map_err(Error::io(out))?;
    let shard = args.shard.unwrap_or(Shard::ALL);
    let path = out.join(match args.shard {
        None => "journal.jsonl".to_owned(),
        Some(shard) => format!("journal-{}-of-{}.jsonl", shard.index + 1, shard.count),
    });
    let judge = args.judge.open()?;
    let settings = serde_json::to_value(&prepared.settings)?;
    let mut journal = Journal::open(&path, &prepared.identity, settings, date::now(), args.fresh)?;
    if prepared.lacks(shard, &journal) {
        let model = ModelArgs {
            // What --quant made has been found already.
            model: prepared.settings.model.display().to_string(),
            quant: None,
            context: Some(prepared.settings.context),
            ..args.model.clone()
        };
        ask(&mut model.load()?, &prepared, shard, &mut journal, !args.no_share)?;
    }
    // What the model said is written down even if its judge failed.
    let judged = judge.map_or(Ok(()), |judge| eval_judge::ask(&judge, &prepared, shard, &mut journal));
    let outcome = match args.shard {
        None => prepared.finish(journal.kept(), journal.begun, out, args.json)?,
        Some(_) => Outcome::Done,
    };
    judged?;
    if args.shard.is_some() {
        note("this share is done; when all are, run `qwgpu merge` with the same --out");
    }
    Ok(outcome)
}

/// Asks for what `journal` lacks of `shard`, under a bar.
pub(super) fn ask(
    loaded: &mut Loaded,
    prepared: &Prepared,
    shard: Shard,
    journal: &mut Journal,
    share: bool,
) -> anyhow::Result<()> {
    let of_shard = |set: &asked::AskedSet| -> u64 {
        let documents = set.documents.iter().enumerate().filter(|(id, _)| shard.has(*id));
        documents.filter(|(_, asked)| journal.get(&asked.key).is_none()).map(|(_, a)| a.tokens.count() as u64).sum()
    };
    let total = prepared.tasks.iter().flat_map(|task| &task.sets).map(of_shard).sum();
    let bar = progress::counted("tokens", total);
    bar.enable_steady_tick(Duration::from_millis(500));
    let mut watch = Bar { bar, set: String::new(), left: 0, start: Instant::now(), done: 0 };
    let mut runner = Runner { engine: &mut loaded.engine, tokenizer: &prepared.tokenizer, stop: &loaded.stop, share };
    let result = runner.run(&prepared.tasks, shard, journal, &mut watch);
    watch.bar.finish_and_clear();
    journal.sync()?;
    Ok(result?)
}

struct Bar {
    bar: ProgressBar,
    set: String,
    /// Tokens left of the set.
    left: usize,
    start: Instant,
    done: usize,
}

impl Watch for Bar {
    fn set(&mut self, name: &str, tokens: usize) -> Result<()> {
        (self.set, self.left) = (name.to_owned(), tokens);
        self.tokens(0)
    }

    fn tokens(&mut self, tokens: usize) -> Result<()> {
        self.bar.inc(tokens as u64);
        (self.done, self.left) = (self.done + tokens, self.left.saturating_sub(tokens));
        let seconds = self.start.elapsed().as_secs_f64() * self.left as f64 / self.done.max(1) as f64;
        let of_set = if self.done == 0 { String::new() } else { format!(" ETA {seconds:.0} s") };
        self.bar.set_message(format!("{}{of_set}", self.set));
        interrupt::check()
    }
}

pub fn merge(args: &MergeArgs) -> anyhow::Result<Outcome> {
    let paths = journals(&args.out)?;
    let merged = journal::merged(&paths)?;
    let settings: Settings = serde_json::from_value(merged.settings).context("the journal's settings")?;
    let prepared = Prepared::new(settings)?;
    merged.identity.expect(&paths[0], &prepared.identity)?;
    let sets = prepared.tasks.iter().flat_map(|task| &task.sets);
    let missing = sets.flat_map(|set| &set.documents).filter(|asked| !merged.kept.contains_key(&asked.key)).count();
    if missing > 0 {
        let expected = "an answer to every document";
        let fix = "run the shares that are not finished; finished ones end with a note";
        return Err(Error::request(args.out.display().to_string(), expected, format!("{missing} without"), fix).into());
    }
    prepared.finish(&merged.kept, merged.begun, &args.out, args.json)
}

/// The journals of shards below `out`, in order of their names.
fn journals(out: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(out).map_err(Error::io(out))?;
    let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| name(path).starts_with("journal") && name(path).ends_with(".jsonl"));
    paths.sort();
    Ok(paths)
}
