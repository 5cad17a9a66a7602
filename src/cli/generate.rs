//! `qwgpu generate`: one prompt, one continuation.

use std::time::Instant;

use anyhow::Context;
use clap::builder::{OsStringValueParser, TypedValueParser};
use serde_json::json;

use super::model::ModelArgs;
use super::output::{note, print_json, print_out, read_text, size, utf8};
use super::sampling::SamplingArgs;
use super::{Outcome, interrupt};
use crate::bench::usage;
use crate::generate::{Flow, Loaded, Reply, Sampling, Settings};
use crate::text::Message;

pub const HELP: &str = "\
The text goes to standard output as it comes, rates and memory to standard error. Without a sampling
option the most likely token is taken every time, so that a run can be repeated.

With --json one object is printed at the end: model, prompt_ids, generated_ids, text, raw, adapter,
software, path, weight_bytes, cache_bytes, scratch_bytes, peak_host_bytes, first_token_s,
prefill_tokens_per_s, decode_tokens_per_s (null where nothing was measured).

Examples:
  qwgpu generate --model Qwen2.5-0.5B-Instruct --prompt 'Name three rivers.'
  qwgpu generate --model model.gguf --raw --prompt 'Once upon a time' --temperature 0.8 --seed 7
  qwgpu generate --model model.gguf --prompt-file - --json < question.txt
  qwgpu generate --model random:qwen2.5-7b --prompt 'any text' --max-new-tokens 32";

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The prompt; for a chat model the user's message
    #[arg(long, value_name = "TEXT", value_parser = OsStringValueParser::new().try_map(utf8))]
    prompt: Option<String>,
    /// Read the prompt from a file, or from standard input for `-`
    #[arg(long, value_name = "FILE", conflicts_with = "prompt", required_unless_present = "prompt")]
    prompt_file: Option<std::path::PathBuf>,
    /// Take the prompt as it is, without the chat template
    #[arg(long)]
    raw: bool,
    /// System message of the chat template
    #[arg(long, value_name = "TEXT", conflicts_with = "raw", value_parser = OsStringValueParser::new().try_map(utf8))]
    system: Option<String>,
    /// Stop after so many tokens
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = super::count)]
    max_new_tokens: usize,
    /// Go on past the tokens that end a reply
    #[arg(long)]
    ignore_eos: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Print one JSON object instead of the text
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let sampling = args.sampling.over(Sampling::GREEDY)?;
    let prompt = match &args.prompt_file {
        Some(path) => read_text(path)?,
        None => args.prompt.clone().unwrap_or_default(),
    };
    let start = Instant::now();
    let mut loaded = args.model.load()?;
    let ids = prompt_ids(args, &loaded, &prompt)?;
    let settings = Settings { max_new_tokens: args.max_new_tokens, sampling, ignore_eos: args.ignore_eos };
    let fed = start.elapsed();
    let reply = loaded.reply(&ids, &settings, &mut |piece| {
        if !args.json && !interrupt::pressed() {
            // Only a closed standard output fails, and that ends the program in `print_out`.
            let _ = print_out(piece);
        }
        Ok(if interrupt::pressed() { Flow::Stop } else { Flow::Continue })
    })?;
    let first_token_s = (fed + reply.prefill).as_secs_f64();
    if args.json {
        interrupt::check()?;
        print_json(&object(args, &loaded, &ids, &reply, first_token_s))?;
    } else {
        print_out("\n")?;
        if loaded.tokenizer.is_none() {
            print_out(&format!("{:?}\n", reply.ids))?;
        }
        note(&summary(&loaded, &ids, &reply, first_token_s));
        interrupt::check()?;
    }
    Ok(Outcome::Done)
}

fn prompt_ids(args: &Args, loaded: &Loaded, prompt: &str) -> anyhow::Result<Vec<u32>> {
    let Some(tokenizer) = &loaded.tokenizer else {
        // A random model has no words: the prompt's bytes stand for tokens.
        return Ok(prompt.bytes().map(u32::from).collect());
    };
    if args.raw {
        return Ok(tokenizer.encode(prompt)?);
    }
    let message = |role: &str, content: &str| Message { role: role.into(), content: content.into() };
    let mut messages: Vec<Message> = args.system.iter().map(|system| message("system", system)).collect();
    messages.push(message("user", prompt));
    let chat = loaded.chat.as_ref().context("the model has no chat template; use --raw")?;
    Ok(tokenizer.encode(&chat.render(&messages, true)?)?)
}

fn object(args: &Args, loaded: &Loaded, ids: &[u32], reply: &Reply, first_token_s: f64) -> serde_json::Value {
    let (weights, cache, scratch) = loaded.engine.memory();
    json!({
        "model": args.model.model,
        "prompt_ids": ids,
        "generated_ids": reply.ids,
        "text": reply.text,
        "raw": args.raw || loaded.tokenizer.is_none(),
        "adapter": loaded.run.adapter,
        "software": loaded.run.software,
        "path": loaded.run.path,
        "weight_bytes": weights,
        "cache_bytes": cache,
        "scratch_bytes": scratch,
        "peak_host_bytes": usage::peak_bytes(),
        "first_token_s": first_token_s,
        "prefill_tokens_per_s": reply.prefill_tokens_per_s(),
        "decode_tokens_per_s": reply.decode_tokens_per_s(),
    })
}

fn summary(loaded: &Loaded, ids: &[u32], reply: &Reply, first_token_s: f64) -> String {
    let (weights, cache, scratch) = loaded.engine.memory();
    let at = |rate: Option<f64>| rate.map(|r| format!(" at {r:.2}/s")).unwrap_or_default();
    format!(
        "{} prompt tokens{}, {} new{}; first token after {first_token_s:.1} s; weights {}, cache {}, scratch {}{}",
        ids.len(),
        at(reply.prefill_tokens_per_s()),
        reply.ids.len(),
        at(reply.decode_tokens_per_s()),
        size(weights),
        size(cache),
        size(scratch),
        usage::peak_bytes().map(|b| format!(", host peak {}", size(b))).unwrap_or_default(),
    )
}
