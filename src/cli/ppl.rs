//! `qwgpu ppl`: perplexity by disjoint windows.

use serde_json::json;

use super::model::ModelArgs;
use super::output::{ExitStatus, note, print_json, print_out};
use super::progress::Bar;
use super::values::count;
use crate::error::Error;
use crate::eval::{perplexity, word_perplexity};
use crate::text::read_text;
use crate::units;

const HELP: &str = "\
JSON fields: model, text, protocol, window, windows, nll_per_window, ppl, tokens (scored), text_tokens, adapter, software, \
path, weight_bytes, packed_bytes, packed_bytes_by_formula, cache_bytes, kv_cache, scratch_bytes, tokenizer; with --protocol word: \
model, text, protocol, prefix_token, pages, tokens, words, bytes, word_perplexity, byte_perplexity, bits_per_byte, adapter, \
software, path, tokenizer.

Examples:
  qwgpu ppl --model Qwen2.5-0.5B --text wiki.test.txt
  qwgpu ppl --model model.gguf --text wiki.test.txt --window 512 --windows 8 --json
  qwgpu ppl --model Qwen2.5-0.5B --text wiki.test.raw --protocol word --prefix-token 151643";

/// Measure the perplexity of a text
///
/// The tokens of the text are cut into windows that do not overlap; what is left over at the end is dropped. Each window
/// starts with an empty cache, and all its tokens but the first are scored. The perplexity is the exponential of the mean
/// of the windows' means, as in papers on quantization.
///
/// With --protocol word the text is a raw WikiText file. Each page is predicted as a whole, its first token from
/// --prefix-token, and the sum is divided by the words of the page, as in the task `wikitext` of lm-evaluation-harness. The
/// harness puts the BOS token in front if the tokenizer has one, else the EOS token; for Qwen these are 151643
/// (<|endoftext|>) and, for instruct models, 151645 (<|im_end|>), and they give very different numbers.
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Text, used as it is, without a token in front; - is standard input
    #[arg(long, value_name = "FILE")]
    text: std::path::PathBuf,
    /// Tokens of a window [default: 2048, or less if the context is shorter]
    #[arg(long, value_name = "TOKENS", value_parser = count)]
    window: Option<usize>,
    /// Definition of the perplexity
    #[arg(long, value_enum, default_value_t = PerplexityProtocol::Windows)]
    protocol: PerplexityProtocol,
    /// Token in front of a page, for --protocol word
    #[arg(long, value_name = "ID", required_if_eq("protocol", "word"))]
    prefix_token: Option<u32>,
    /// Measure only the first N pages, with --protocol word
    #[arg(long, value_name = "N", value_parser = count)]
    pages: Option<usize>,
    /// Measure only the first N windows
    #[arg(long, value_name = "N", value_parser = count)]
    windows: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PerplexityProtocol {
    /// Windows that do not overlap, as in papers on quantization
    Windows,
    /// Whole pages and per word, as in lm-evaluation-harness
    Word,
}

/// Says that the text has fewer windows or pages than were asked for.
fn note_fewer(option: &str, asked: Option<usize>, found: usize) {
    if let Some(asked) = asked.filter(|asked| *asked > found) {
        note(&format!("{option} {asked}: the text has {found}, and all are measured"));
    }
}

/// Measures the perplexity per word of whole pages.
fn by_words(args: &Args, prefix: u32) -> anyhow::Result<ExitStatus> {
    if args.windows.is_some() {
        let fix = "give --pages, or leave --protocol out";
        return Err(Error::request("--windows", "--protocol windows with it", "--protocol word", fix).into());
    }
    let text = read_text(&args.text)?;
    if text.trim().is_empty() {
        return Err(Error::request("--text", "words", "none", "give a raw WikiText file").into());
    }
    args.model.expect_tokenizer()?;
    let mut model = args.model.load()?;
    let pages = word_perplexity::pages(&text);
    let pages = &pages[..args.pages.unwrap_or(usize::MAX).min(pages.len())];
    note_fewer("--pages", args.pages, pages.len());
    let total = word_perplexity::measure(&mut model, pages, prefix, &mut Bar::new())?;
    if args.json {
        print_json(&json!({
            "model": args.model.model,
            "text": args.text,
            "protocol": "whole pages, per word, as lm-evaluation-harness's wikitext",
            "prefix_token": prefix,
            "pages": pages.len(),
            "tokens": total.tokens,
            "words": total.words,
            "bytes": total.bytes,
            "word_perplexity": total.word_perplexity(),
            "byte_perplexity": total.byte_perplexity(),
            "bits_per_byte": total.bits_per_byte(),
            "adapter": model.run.adapter,
            "software": model.run.software,
            "path": model.run.path,
            "tokenizer": model.tokenizer()?.digest(),
        }))?;
    } else {
        print_out(&format!(
            "word perplexity {}, byte perplexity {:.4}, {:.4} bits a byte over {}, {} tokens behind token {prefix}\n",
            units::perplexity(total.word_perplexity()),
            total.byte_perplexity(),
            total.bits_per_byte(),
            units::counted(pages.len(), "page"),
            total.tokens,
        ))?;
    }
    Ok(ExitStatus::Done)
}

pub fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    if let (PerplexityProtocol::Word, Some(prefix)) = (args.protocol, args.prefix_token) {
        return by_words(args, prefix);
    }
    let text = read_text(&args.text)?;
    args.model.expect_tokenizer()?;
    let mut model = args.model.load()?;
    let ids = model.encode(&text)?;
    let window = args.window.unwrap_or(model.engine.context().min(2048));
    // The last token of a window is predicted and not fed.
    let most = model.engine.context() + 1;
    if window > most {
        let fix = "give a smaller --window, or a larger --context where the model allows it";
        return Err(Error::request("--window", format!("at most {most} tokens"), window, fix).into());
    }
    let windows = perplexity::windows(&ids, window, args.windows)?;
    note_fewer("--windows", args.windows, windows.len());
    let nll = perplexity::window_nlls(&mut model.engine, &windows, &mut Bar::new())?;
    let ppl = perplexity::perplexity(&nll);
    let (weights, cache, scratch) = model.engine.memory();
    let (packed, counted) = model.engine.model.packed_bytes();
    let scored = windows.len() * (window - 1);
    if args.json {
        print_json(&json!({
            "model": args.model.model,
            "text": args.text,
            "protocol": "disjoint windows, no token in front",
            "window": window,
            "windows": windows.len(),
            "nll_per_window": nll,
            "ppl": ppl,
            "tokens": scored,
            "text_tokens": ids.len(),
            "adapter": model.run.adapter,
            "software": model.run.software,
            "path": model.run.path,
            "weight_bytes": weights,
            "packed_bytes": packed,
            "packed_bytes_by_formula": counted,
            "cache_bytes": cache,
            "kv_cache": model.engine.kv_cache(),
            "scratch_bytes": scratch,
            "tokenizer": model.tokenizer()?.digest(),
        }))?;
    } else {
        for (number, nll) in nll.iter().enumerate() {
            print_out(&format!("window {number}: nll {nll:.6}\n"))?;
        }
        let (ppl, windows) = (units::perplexity(ppl), units::counted(windows.len(), "window"));
        print_out(&format!("perplexity {ppl} over {windows} of {window}, {scored} tokens scored\n"))?;
    }
    Ok(ExitStatus::Done)
}
