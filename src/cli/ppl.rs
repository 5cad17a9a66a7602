//! `qwgpu ppl`: perplexity by disjoint windows.

use anyhow::Context;
use serde_json::json;

use super::model::ModelArgs;
use super::output::{print_json, print_out, read_text};
use super::{Outcome, count, interrupt, progress};
use crate::eval::perplexity;

pub const HELP: &str = "\
The text's tokens are cut into windows that do not overlap; a shorter rest is dropped. Each window
starts with an empty cache, and all its tokens but the first are scored. The perplexity is the
exponential of the mean of the windows' means, as the GPTQ and SpQR papers measure it.

With --json one object is printed: model, text, protocol, window, windows, nll_per_window, ppl, tokens
(scored), text_tokens, adapter, software, path, weight_bytes, packed_bytes, packed_bytes_by_formula, cache_bytes, scratch_bytes, tokenizer.

Examples:
  qwgpu ppl --model Qwen2.5-0.5B --text wiki.test.txt
  qwgpu ppl --model model.gguf --text wiki.test.txt --window 512 --windows 8 --json";

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The text, taken as it is, without a token in front; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    text: std::path::PathBuf,
    /// Tokens of a window; each window starts afresh, its first token is not predicted
    #[arg(long, default_value_t = 2048, value_name = "TOKENS", value_parser = count)]
    window: usize,
    /// Measure only the first N windows
    #[arg(long, value_name = "N", value_parser = count)]
    windows: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let text = read_text(&args.text)?;
    args.model.expect_tokenizer()?;
    let mut loaded = args.model.load()?;
    let tokenizer = loaded.tokenizer.as_ref().context("the model brings no tokenizer")?;
    let ids = tokenizer.encode(&text)?;
    let windows = perplexity::windows(&ids, args.window, args.windows)?;
    let bar = progress::counted("windows", windows.len() as u64);
    bar.tick();
    let mut nll = Vec::new();
    for window in &windows {
        interrupt::check()?;
        nll.push(perplexity::window_nll(&mut loaded.engine, window)?);
        bar.inc(1);
        bar.set_message(format!("ppl so far {:.4}", perplexity::perplexity(&nll)));
    }
    bar.finish_and_clear();
    let ppl = perplexity::perplexity(&nll);
    let (weights, cache, scratch) = loaded.engine.memory();
    let (packed, counted) = loaded.engine.model.packed_bytes();
    let scored = windows.len() * (args.window - 1);
    if args.json {
        print_json(&json!({
            "model": args.model.model,
            "text": args.text,
            "protocol": "disjoint windows, no token in front",
            "window": args.window,
            "windows": windows.len(),
            "nll_per_window": nll,
            "ppl": ppl,
            "tokens": scored,
            "text_tokens": ids.len(),
            "adapter": loaded.run.adapter,
            "software": loaded.run.software,
            "path": loaded.run.path,
            "weight_bytes": weights,
            "packed_bytes": packed,
            "packed_bytes_by_formula": counted,
            "cache_bytes": cache,
            "scratch_bytes": scratch,
            "tokenizer": tokenizer.digest(),
        }))?;
    } else {
        for (number, nll) in nll.iter().enumerate() {
            print_out(&format!("window {number}: nll {nll:.6}\n"))?;
        }
        print_out(&format!(
            "perplexity {ppl:.4} over {} windows of {}, {scored} tokens scored\n",
            windows.len(),
            args.window
        ))?;
    }
    Ok(Outcome::Done)
}
