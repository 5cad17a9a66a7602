//! Perplexity per word of whole pages, as lm-evaluation-harness's `wikitext` measures it: every token of a page is
//! predicted, the first from a token in front, and the sum is divided by the words that the page had before its
//! spaces were mended. Not comparable with perplexity in windows.

use std::sync::LazyLock;

use regex::Regex;

use crate::error::{Error, Result};
use crate::generate::{BatchQuestion, Engine, Model};
use crate::metrics::python::{known_regex, static_regex};
use crate::progress::Progress;

/// The sums over all pages.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// Sum of log-probabilities in nats.
    pub sum: f64,
    pub tokens: usize,
    pub words: usize,
    /// UTF-8 bytes, also of the page as it was.
    pub bytes: usize,
}

impl Total {
    /// Computes the perplexity per word.
    pub fn word_perplexity(&self) -> f64 {
        (-self.sum / self.words as f64).exp()
    }

    /// Computes the perplexity per byte.
    pub fn byte_perplexity(&self) -> f64 {
        (-self.sum / self.bytes as f64).exp()
    }

    /// Computes the bits per byte.
    pub fn bits_per_byte(&self) -> f64 {
        -self.sum / self.bytes as f64 / std::f64::consts::LN_2
    }
}

/// Splits a raw WikiText file in its pages: each begins with a heading of the first level, ` = Title = `. The line break in
/// front of a heading belongs to no page, as in the documents that the harness takes.
pub fn pages(text: &str) -> Vec<&str> {
    let heading = static_regex!(r"(?m)^ = [^=\n](?:.*[^=\n])? = $");
    let starts: Vec<usize> = heading.find_iter(text).map(|heading| heading.start()).collect();
    if starts.is_empty() {
        return vec![text];
    }
    let ends = starts[1..].iter().map(|next| next - 1).chain([text.len()]);
    starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect()
}

/// Counts the words of a page, as `len(re.split(r"\s+", page))` counts them: white space at an end counts one more.
pub fn words(page: &str) -> usize {
    static_regex!(r"\s+").find_iter(page).count() + 1
}

/// Mends the spaces of a page: the harness's replacements, in its order.
pub fn detokenized(page: &str) -> String {
    static BRACKETS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let pairs = [
            (r"\(\s*([^\)]*?)\s*\)", "($1)"),
            (r"\[\s*([^\]]*?)\s*\]", "[$1]"),
            (r"\{\s*([^}]*?)\s*\}", "{$1}"),
            ("\"\\s*([^\"]*?)\\s*\"", "\"$1\""),
            (r"'\s*([^']*?)\s*'", "'$1'"),
        ];
        pairs.map(|(pattern, to)| (known_regex(pattern), to)).into()
    });
    let mut text = page.replace("s '", "s'");
    // The harness's second replacement has slashes in its pattern and never fires on this text; it is left out.
    let first = [" @-@ ", " @,@ ", " @.@ ", " : ", " ; ", " . ", " ! ", " ? ", " , "];
    let then = ["-", ",", ".", ": ", "; ", ". ", "! ", "? ", ", "];
    for (from, to) in first.into_iter().zip(then) {
        text = text.replace(from, to);
    }
    for (pattern, to) in BRACKETS.iter() {
        text = pattern.replace_all(&text, *to).into_owned();
    }
    let last = ["= = = =", "= = =", "= =", " ° ", " \n", "\n ", " N ", " 's"];
    let then = ["====", "===", "==", "°", "\n", "\n", " 1 ", "'s"];
    for (from, to) in last.into_iter().zip(then) {
        text = text.replace(from, to);
    }
    text
}

/// Cuts a page's tokens in windows, each with what it sees first and what it predicts. The first sees `prefix`; the others see one
/// token before them, and the last is filled up with what is before it to the full length.
pub fn windows(ids: &[u32], prefix: u32, length: usize) -> Vec<BatchQuestion> {
    let mut windows = Vec::new();
    let mut predicted = 0;
    while predicted < ids.len() {
        let end = ids.len().min(predicted + length);
        let seen = match predicted {
            0 => vec![prefix],
            _ => ids[end - length - 1..=predicted - 1].to_vec(),
        };
        windows.push(BatchQuestion { ids: seen, answers: vec![ids[predicted..end].to_vec()] });
        predicted = end;
    }
    windows
}

/// Measures `pages`, each behind the token `prefix`.
///
/// # Errors
/// Random weights, a prefix that is no token, logits that are no numbers; what `progress` returns.
pub fn measure(model: &mut Model, pages: &[&str], prefix: u32, progress: &mut dyn Progress) -> Result<Total> {
    let tokens = model.tokenizer()?.vocab_size();
    if prefix as usize >= tokens {
        let fix = "151643 is <|endoftext|> of Qwen";
        return Err(Error::request("`prefix_token`", format!("a token below {tokens}"), prefix, fix));
    }
    let mut total = Total::default();
    for (number, page) in pages.iter().enumerate() {
        let so_far = if number == 0 { String::new() } else { format!(", so far {:.4}", total.word_perplexity()) };
        progress.at(&format!("word perplexity{so_far}"), number as u64, pages.len() as u64)?;
        let ids = model.encode(&detokenized(page))?;
        total.sum += page_sum(&mut model.engine, &ids, prefix)?;
        total.tokens += ids.len();
        total.words += words(page);
        total.bytes += page.len();
    }
    if !total.sum.is_finite() {
        return Err(Error::NotFinite { step: "lm_head".into(), tensor: "logits".into() });
    }
    Ok(total)
}

/// Sums the log-probabilities of a page's tokens.
///
/// # Errors
/// Those of the engine; values that are no numbers come out as NaN.
pub fn page_sum(engine: &mut Engine, ids: &[u32], prefix: u32) -> Result<f64> {
    // A slot is kept free, and the last token of a window is not fed.
    let windows = windows(ids, prefix, engine.context() - 1);
    let mut sum = 0.0;
    engine.score(&[], &windows, &mut |_, scores| {
        sum -= scores[0].iter().map(|token| f64::from(token.nll)).sum::<f64>();
        Ok(())
    })?;
    Ok(sum)
}
