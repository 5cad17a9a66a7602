//! `qwgpu eval` and `qwgpu merge`: benchmarks.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use super::eval_table::{prompts, table};
use super::model::ModelArgs;
use super::output::{ExitStatus, note, print_json, print_out};
use super::progress::Bar;
use super::values::{count, shard};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::eval::judge::{Endpoint, Judge};
use crate::eval::limits::Limits;
use crate::eval::{EvalRun, EvalSettings, Evaluation, Shard};
use crate::generate::{Spec, load};
use crate::model::Config;
use crate::tasks::TASKS;

const HELP: &str = "
`mmlu:anatomy` or `mmlu:stem` is a part of a task, `flores:deu_Latn-eng_Latn` a pair of languages. A subject of mmlu or \
ceval needs its own files only. lm-evaluation-harness's names are understood: `mmlu_anatomy`, --num_fewshot, --output_path, \
--log_samples, --batch_size. Data sets are read as they are published, below --data: mmlu/test/*.csv, gsm8k/test.jsonl, and so on; README.md lists them.

Profiles are forms of the prompts. The default is lmh, that of lm-evaluation-harness, where the harness has the task; an \
unknown name lists those of a task. Scores of different profiles are not comparable.

A cluster runs `--shard 1/3`, `2/3` and `3/3`, each with the same --out, then `qwgpu merge --out DIR`.

Files:
  OUT/journal*.jsonl  the answers, written as they come; the same command goes on with them
  OUT/MODEL/*.json*   results and samples, in the layout of lm-evaluation-harness

Exit codes: 1 if a document has no score or no verdict of the judge.

Examples:
  qwgpu eval --model Qwen2.5-0.5B --tasks mmlu,snli --data data --limit 100 --out results
  qwgpu eval --model model.gguf --quant gptq:4 --calibration c4.jsonl --tasks gsm8k \\
    --data data --out results
  qwgpu eval --model Qwen2.5-0.5B --tasks bbq --profile original --data data --show-prompt";

const MERGE_HELP: &str = "\
Example:
  qwgpu merge --out results";

/// Returns the end of the long help, which lists the tasks.
fn help() -> String {
    let tasks = TASKS.iter().map(|task| format!("  {:<15} {}\n", task.name, task.about));
    format!("Tasks:\n{}{HELP}", tasks.collect::<String>())
}

/// Evaluate a model on benchmarks
///
/// Prompts, scores and the layout of results are those of lm-evaluation-harness where it has the task. A run that was
/// stopped or killed goes on where it was when the same command is given again, and ends with the same results.
#[derive(clap::Args)]
#[command(after_long_help = help())]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    tasks: TaskArgs,
    /// Folder for the answers, results and samples; needed but for --show-prompt
    #[arg(long, alias = "output_path", value_name = "DIR", required_unless_present = "show_prompt")]
    out: Option<PathBuf>,
    /// Run one shard of the documents: 2/3 is the second of three
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    #[command(flatten)]
    judge: JudgeArgs,
    /// Discard the answers of earlier runs
    #[arg(long)]
    fresh: bool,
    /// Compute each prompt alone, even where several begin alike; scores are the same
    #[arg(long)]
    no_share: bool,
    /// Ignored: samples, which lm-evaluation-harness writes if asked, are always written
    #[arg(long = "log_samples", hide = true)]
    _log_samples: bool,
    /// Ignored: scores do not depend on batches
    #[arg(long = "batch_size", value_name = "N", hide = true)]
    _batch_size: Option<String>,
    /// Print the first prompt of each set and stop
    #[arg(long)]
    show_prompt: bool,
    /// Print the results as JSON; with --shard the file of its answers and their number
    #[arg(long)]
    json: bool,
}

// No doc comment: clap would take it for the command's.
#[derive(clap::Args, Clone, Debug)]
struct TaskArgs {
    /// Tasks, with commas between them
    #[arg(long, value_name = "TASKS", value_delimiter = ',', required = true)]
    tasks: Vec<String>,
    /// Folder with the data sets
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Form of the prompts [default: the first profile of each task]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Few-shot examples [default: that of the profile]
    #[arg(long, alias = "num_fewshot", value_name = "N")]
    shots: Option<usize>,
    /// Use only the first N documents of each set; 100,mmlu=2 has another limit for one task
    #[arg(long, value_name = "N")]
    limit: Option<Limits>,
    /// Cut replies after this many tokens, where a task allows more
    #[arg(long, visible_alias = "reply-tokens", value_name = "N", value_parser = count)]
    max_new_tokens: Option<usize>,
    /// Give few-shot examples of chat prompts as turns of the conversation
    #[arg(long)]
    fewshot_as_multiturn: bool,
    /// Token in front of a prompt without context
    #[arg(long, value_name = "ID")]
    prefix_token: Option<u32>,
}

#[derive(clap::Args, Clone, Debug, Default)]
struct JudgeArgs {
    /// OpenAI-compatible endpoint that judges what rules cannot, such as http://localhost:8000/v1 (followbench)
    #[arg(help_heading = "Judge", long = "judge", value_name = "URL", requires = "judge_model")]
    url: Option<String>,
    /// Model of the judge, as the endpoint names it
    #[arg(help_heading = "Judge", long, value_name = "NAME", requires = "url")]
    judge_model: Option<String>,
    /// Environment variable that holds the key of the endpoint
    #[arg(help_heading = "Judge", long, value_name = "VARIABLE", requires = "url")]
    judge_key: Option<String>,
}

impl JudgeArgs {
    /// Opens the judge, if there is one, before a model is loaded: a wrong address shows at once.
    fn open(&self) -> Result<Option<Judge>> {
        let (Some(url), Some(model)) = (&self.url, &self.judge_model) else { return Ok(None) };
        let endpoint = Endpoint { key_variable: self.judge_key.clone(), ..Endpoint::new(url, model) };
        Judge::new(endpoint).map(Some)
    }
}

/// Merge the shards of an evaluation
///
/// Reads the journals of all shards below --out and writes the results of a single run, byte for byte.
#[derive(clap::Args)]
#[command(after_long_help = MERGE_HELP)]
pub struct MergeArgs {
    /// Folder that the shards wrote to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// Reads what the options ask of which model.
fn settings(args: &Args, bar: &mut Bar) -> anyhow::Result<EvalSettings> {
    let options = args.model.options();
    let Spec::Files { path: model, dequantize } = options.spec(&args.model.model, bar)? else {
        unreachable!("only files have tokenizers")
    };
    let config = Config::from_json(&Checkpoint::open(&model)?.config, &load::config_file(&model))?;
    let context = load::within("`context`", args.model.context, 4096, &config)?;
    // Nothing is computed for a look at the prompts.
    let run = if args.show_prompt { None } else { Some(options.device.open()?.run) };
    let (path, adapter, kv_cache) = run.map(|run| (run.path.to_owned(), run.adapter, run.kv_cache)).unwrap_or_default();
    let TaskArgs { tasks, data, profile, shots, limit, max_new_tokens, fewshot_as_multiturn, prefix_token } =
        args.tasks.clone();
    Ok(EvalSettings {
        model,
        dequantize,
        label: args.model.label(),
        context,
        path,
        adapter,
        kv_cache,
        judge: args.judge.judge_model.clone(),
        tasks,
        data,
        profile,
        shots,
        limit,
        max_new_tokens,
        fewshot_as_multiturn,
        prefix_token,
    })
}

pub fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    args.model.expect_tokenizer()?;
    let mut bar = Bar::new();
    let evaluation = Evaluation::prepare(settings(args, &mut bar)?)?;
    if args.show_prompt {
        print_out(&prompts(&evaluation.tasks))?;
        return Ok(ExitStatus::Done);
    }
    let out = args.out.as_ref().context("--out is required")?;
    std::fs::create_dir_all(out).map_err(Error::io(out))?;
    let shard = args.shard.unwrap_or(Shard::ALL);
    let path = out.join(match args.shard {
        None => "journal.jsonl".to_owned(),
        Some(shard) => format!("journal-{}-of-{}.jsonl", shard.index + 1, shard.count),
    });
    let judge = args.judge.open()?;
    let mut journal = evaluation.journal(&path, args.fresh)?;
    if evaluation.missing(shard, &journal).next().is_some() {
        let context = Some(evaluation.settings.context);
        let model = ModelArgs { context, ..args.model.clone() };
        // TaskArgs --quant made has been found already.
        let EvalSettings { model: path, dequantize, .. } = evaluation.settings.clone();
        let mut model = model.load_spec(&Spec::Files { path, dequantize }, &mut bar)?;
        evaluation.run(&mut model, shard, &mut journal, !args.no_share, &mut bar)?;
    }
    // TaskArgs the model said is written down even if its judge failed.
    let judged = judge.map_or(Ok(()), |judge| evaluation.judge(&judge, shard, &mut journal, &mut bar));
    drop(bar);
    let outcome = match args.shard {
        None => finish(&evaluation.finish(journal.responses(), journal.begun), out, args.json)?,
        Some(_) => ExitStatus::Done,
    };
    judged?;
    if args.shard.is_some() {
        if args.json {
            let requests = evaluation.tasks.iter().flat_map(|task| &task.sets).flat_map(|set| &set.requests);
            let answers = requests.filter(|request| journal.responses().contains_key(&request.key)).count();
            let shard = format!("{}/{}", shard.index + 1, shard.count);
            print_json(&json!({ "journal": path, "shard": shard, "answers": answers }))?;
        }
        note("this shard is done; when all are, run `qwgpu merge` with the same --out");
    }
    Ok(outcome)
}

pub fn merge(args: &MergeArgs) -> anyhow::Result<ExitStatus> {
    let (evaluation, merged) = Evaluation::merge(&args.out)?;
    finish(&evaluation.finish(&merged.responses, merged.begun), &args.out, args.json)
}

/// Writes results and samples and prints the table. Documents without a score, or without a verdict of the judge, fail it.
fn finish(run: &EvalRun, out: &Path, json: bool) -> anyhow::Result<ExitStatus> {
    let results = run.results();
    let path = run.write(out)?;
    if json {
        print_json(&results)?;
    } else {
        print_out(&table(run, &results))?;
    }
    note(&format!("results and samples: {}", path.display()));
    let unjudged = run.unjudged();
    if unjudged > 0 {
        note(&format!("{unjudged} replies have no verdict of the judge; run the same again with --judge"));
    }
    Ok(if run.unscored() + unjudged > 0 { ExitStatus::Failed } else { ExitStatus::Done })
}
