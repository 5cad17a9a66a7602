//! `qwgpu ppl`: perplexity by disjoint windows.

use serde_json::json;

use super::model::ModelArgs;
use super::{Outcome, interrupt, print_json, print_out, progress};
use crate::eval::perplexity;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The text, taken as it is, without a token in front
    #[arg(long, value_name = "FILE")]
    text: std::path::PathBuf,
    /// Tokens of a window; each window starts afresh, its first token is not predicted
    #[arg(long, default_value_t = 2048, value_name = "TOKENS")]
    window: usize,
    /// Measure only the first N windows
    #[arg(long, value_name = "N")]
    windows: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let text = super::read_text(&args.text)?;
    let mut loaded = args.model.load()?;
    let Some(tokenizer) = &loaded.tokenizer else {
        anyhow::bail!("a random model has no tokenizer to measure text with")
    };
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
