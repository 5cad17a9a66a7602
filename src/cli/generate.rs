//! `qwgpu generate`: one prompt, one continuation.

use std::time::Instant;

use anyhow::Context;
use serde_json::json;

use super::model::ModelArgs;
use super::{Outcome, interrupt, print_json, print_out};
use crate::error::Error;
use crate::generate::{Flow, Sampler, Sampling};
use crate::text::{Detokenizer, Message};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The prompt; for a chat model the user's message
    #[arg(long)]
    prompt: Option<String>,
    /// Read the prompt from a file
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    prompt_file: Option<std::path::PathBuf>,
    /// Take the prompt as it is, without the chat template
    #[arg(long)]
    raw: bool,
    /// System message of the chat template
    #[arg(long, conflicts_with = "raw")]
    system: Option<String>,
    /// Stop after so many tokens
    #[arg(long, default_value_t = 128, value_name = "N")]
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

/// How the next token is chosen.
#[derive(clap::Args, Debug)]
pub struct SamplingArgs {
    /// 0 always takes the most likely token
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Draw from the K most likely tokens; 0 from all
    #[arg(long, default_value_t = 0, value_name = "K")]
    top_k: usize,
    /// Draw from the most likely tokens that together have probability P
    #[arg(long, default_value_t = 1.0, value_name = "P")]
    top_p: f32,
    /// Above 1 makes tokens seen before less likely
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    repetition_penalty: f32,
    /// The same seed draws the same tokens
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl SamplingArgs {
    pub fn sampling(&self) -> anyhow::Result<Sampling> {
        let sampling = Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            repetition_penalty: self.repetition_penalty,
            seed: self.seed,
        };
        sampling.check()?;
        Ok(sampling)
    }
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let sampling = args.sampling.sampling()?;
    let prompt = prompt(args)?;
    let start = Instant::now();
    let mut loaded = args.model.load()?;
    let (ids, raw) = match &loaded.tokenizer {
        Some(tokenizer) if args.raw => (tokenizer.encode(&prompt)?, true),
        Some(tokenizer) => {
            let mut messages = Vec::new();
            let message = |role: &str, content: &str| Message { role: role.into(), content: content.into() };
            messages.extend(args.system.as_deref().map(|system| message("system", system)));
            messages.push(message("user", &prompt));
            let chat = loaded.chat.as_ref().context("the model has no chat template; use --raw")?;
            (tokenizer.encode(&chat.render(&messages, true)?)?, false)
        }
        // A random model has no words: the prompt's bytes stand for tokens.
        None => (prompt.bytes().map(u32::from).collect(), true),
    };
    if ids.is_empty() {
        return Err(Error::request("--prompt", "some text", "none", "give at least one token").into());
    }

    let mut generated = Vec::new();
    let mut text = String::new();
    let mut words = loaded.tokenizer.as_ref().map(|t| Detokenizer::new(t, true));
    let mut first = None;
    let stop = if args.ignore_eos { &[][..] } else { &loaded.stop };
    let fed = Instant::now();
    let mut last = fed;
    let mut each = |token: u32| -> crate::Result<Flow> {
        last = Instant::now();
        first.get_or_insert(last);
        generated.push(token);
        if stop.contains(&token) || interrupt::pressed() {
            return Ok(Flow::Stop);
        }
        if let Some(words) = &mut words {
            let piece = words.push(token)?;
            if !args.json {
                // Standard output is the user's: a failed write there ends in `print_out` itself.
                let _ = print_out(&piece);
            }
            text += &piece;
        }
        Ok(Flow::Continue)
    };
    if sampling.is_greedy() {
        loaded.engine.greedy(&ids, args.max_new_tokens, &mut each)?;
    } else {
        let mut sampler = Sampler::new(sampling, &ids);
        loaded.engine.sample(&ids, args.max_new_tokens, &mut sampler, &mut each)?;
    }
    let rest = words.map(|mut w| w.finish()).unwrap_or_default();
    text += &rest;

    let first = first.unwrap_or(last);
    let prefill = ids.len() as f64 / (first - fed).as_secs_f64();
    let decode = (generated.len() - 1) as f64 / (last - first).as_secs_f64().max(1e-9);
    let (weights, cache, scratch) = loaded.engine.memory();
    if args.json {
        print_json(&json!({
            "model": args.model.model,
            "prompt_ids": ids,
            "generated_ids": generated,
            "text": text,
            "raw": raw,
            "adapter": loaded.run.adapter,
            "software": loaded.run.software,
            "path": loaded.run.path,
            "weight_bytes": weights,
            "cache_bytes": cache,
            "scratch_bytes": scratch,
            "peak_host_bytes": super::usage::peak_bytes(),
            "first_token_s": (first - start).as_secs_f64(),
            "prefill_tokens_per_s": prefill,
            "decode_tokens_per_s": if generated.len() > 1 { json!(decode) } else { json!(null) },
        }))?;
    } else {
        print_out(&format!("{rest}\n"))?;
        if loaded.tokenizer.is_none() {
            print_out(&format!("{generated:?}\n"))?;
        }
        eprintln!(
            "{} prompt tokens at {prefill:.1}/s, {} new at {decode:.2}/s; first token after {:.1} s; weights {}, cache {}, scratch {}{}",
            ids.len(),
            generated.len(),
            (first - start).as_secs_f64(),
            size(weights),
            size(cache),
            size(scratch),
            super::usage::peak_bytes().map(|b| format!(", host peak {}", size(b))).unwrap_or_default(),
        );
    }
    interrupt::check()?;
    Ok(Outcome::Done)
}

fn prompt(args: &Args) -> anyhow::Result<String> {
    let text = match (&args.prompt, &args.prompt_file) {
        (Some(prompt), _) => prompt.clone(),
        (None, Some(path)) => super::read_text(path)?,
        (None, None) => {
            return Err(Error::request("--prompt", "a prompt", "none", "give --prompt or --prompt-file").into());
        }
    };
    Ok(text)
}

/// Bytes as people read them.
pub fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
