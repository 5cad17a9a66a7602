//! `qwgpu generate`: one prompt, one continuation.

use std::time::Instant;

use clap::builder::{OsStringValueParser, TypedValueParser};
use serde_json::json;

use super::interrupt;
use super::model::ModelArgs;
use super::output::{ExitStatus, note, print_json, print_out};
use super::sampling::SamplingArgs;
use super::values::{count, utf8};
use crate::bench::usage;
use crate::generate::{Flow, Model, Reply, ReplyOptions, Sampling};
use crate::text::{Message, read_text};
use crate::units::binary_bytes;

const HELP: &str = "\
JSON fields: model, prompt_ids, generated_ids, text, raw, adapter, software, path, weight_bytes, cache_bytes, kv_cache, scratch_bytes, \
peak_host_bytes, first_token_s, prefill_tokens_per_s, decode_tokens_per_s (null where there is nothing to measure), lookup (null without \
the option; steps after the prompt's and tokens of them, proposed, accepted).

Examples:
  qwgpu generate --model Qwen2.5-0.5B-Instruct --prompt 'Name three rivers.'
  qwgpu generate --model model.gguf --raw --prompt 'Once upon a time' --temperature 0.8 --seed 7
  qwgpu generate --model model.gguf --prompt-file - --json < question.txt
  qwgpu generate --model random:qwen2.5-7b --prompt 'any text' --max-new-tokens 32";

/// Generate the continuation of a prompt
///
/// The text goes to standard output as it comes, rates and memory to standard error. Without a sampling option the most
/// likely token is taken, so that a run can be repeated.
#[derive(clap::Args)]
#[command(after_long_help = HELP, group = clap::ArgGroup::new("input").required(true))]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Prompt; for a chat model the message of the user
    #[arg(long, value_name = "TEXT", group = "input", value_parser = OsStringValueParser::new().try_map(utf8))]
    prompt: Option<String>,
    /// Read the prompt from a file, or from standard input if it is -
    #[arg(long, value_name = "FILE", group = "input")]
    prompt_file: Option<std::path::PathBuf>,
    /// Use the prompt as it is, without the chat template
    #[arg(long)]
    raw: bool,
    /// System message of the chat template
    #[arg(long, value_name = "TEXT", conflicts_with = "raw", value_parser = OsStringValueParser::new().try_map(utf8))]
    system: Option<String>,
    /// Generate at most this many tokens
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = count)]
    max_new_tokens: usize,
    /// Go on after tokens that end a reply
    #[arg(long)]
    ignore_eos: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Print one JSON object instead of the text
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let sampling = args.sampling.over(Sampling::GREEDY)?;
    let prompt = match &args.prompt_file {
        Some(path) => read_text(path)?,
        None => args.prompt.clone().unwrap_or_default(),
    };
    let start = Instant::now();
    let mut model = if args.raw { args.model.load()? } else { args.model.load_for_chat()? };
    let ids = prompt_ids(args, &model, &prompt)?;
    let Args { max_new_tokens, ignore_eos, .. } = *args;
    let options = ReplyOptions { max_new_tokens, sampling, ignore_eos, lookup: args.sampling.lookup() };
    let fed = start.elapsed();
    let reply = model.reply(&ids, &options, &mut |piece| {
        if !args.json && !interrupt::pressed() {
            // Only a closed standard output fails, and that ends the program in `print_out`.
            let _ = print_out(piece);
        }
        Ok(if interrupt::pressed() { Flow::Stop } else { Flow::Continue })
    })?;
    let first_token_s = (fed + reply.prefill).as_secs_f64();
    if args.json {
        interrupt::check()?;
        print_json(&object(args, &model, &ids, &reply, first_token_s))?;
    } else {
        print_out("\n")?;
        if !model.has_tokenizer() {
            print_out(&format!("{:?}\n", reply.ids))?;
        }
        note(&summary(&model, &ids, &reply, first_token_s));
        interrupt::check()?;
    }
    Ok(ExitStatus::Done)
}

fn prompt_ids(args: &Args, model: &Model, prompt: &str) -> anyhow::Result<Vec<u32>> {
    if args.raw || !model.has_tokenizer() {
        return Ok(model.encode(prompt)?);
    }
    let mut messages: Vec<Message> = args.system.iter().map(|system| Message::new("system", system)).collect();
    messages.push(Message::new("user", prompt));
    Ok(model.encode_chat(&messages)?)
}

fn object(args: &Args, model: &Model, ids: &[u32], reply: &Reply, first_token_s: f64) -> serde_json::Value {
    let (weights, cache, scratch) = model.engine.memory();
    json!({
        "model": args.model.model,
        "prompt_ids": ids,
        "generated_ids": reply.ids,
        "text": reply.text,
        "raw": args.raw || !model.has_tokenizer(),
        "adapter": model.run.adapter,
        "software": model.run.software,
        "path": model.run.path,
        "weight_bytes": weights,
        "cache_bytes": cache,
        "kv_cache": model.engine.kv_cache(),
        "scratch_bytes": scratch,
        "peak_host_bytes": usage::peak_bytes(),
        "first_token_s": first_token_s,
        "prefill_tokens_per_s": reply.prefill_tokens_per_s(),
        "decode_tokens_per_s": reply.decode_tokens_per_s(),
        "lookup": reply.lookup,
    })
}

fn summary(model: &Model, ids: &[u32], reply: &Reply, first_token_s: f64) -> String {
    let (weights, cache, scratch) = model.engine.memory();
    let at = |rate: Option<f64>| rate.map(|r| format!(" at {r:.2}/s")).unwrap_or_default();
    format!(
        "{} prompt tokens{}, {} new{}{}; first token after {first_token_s:.1} s; weights {}, cache {} in {}, scratch {}{}",
        ids.len(),
        at(reply.prefill_tokens_per_s()),
        reply.ids.len(),
        at(reply.decode_tokens_per_s()),
        reply.lookup.map(|counts| format!(", {counts}")).unwrap_or_default(),
        binary_bytes(weights),
        binary_bytes(cache),
        model.engine.kv_cache().name(),
        binary_bytes(scratch),
        usage::peak_bytes().map(|b| format!(", host peak {}", binary_bytes(b))).unwrap_or_default(),
    )
}
