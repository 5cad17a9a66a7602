//! The pre-tokenizer: where a text is cut into the words that BPE merges within.

use regex::Regex;

/// A pre-tokenizer that some Qwen uses.
pub(super) struct Split {
    /// As `tokenizer.ggml.pre` calls it.
    pub pre: &'static str,
    /// As `tokenizer.json` writes it.
    pub pattern: &'static str,
    /// The same without its last two alternatives, `\s+(?!\S)|\s+`, which become `\s+`: the look-ahead needs a
    /// backtracking engine, whose step limit ends a long run of spaces early. `words` does its work instead.
    linear: &'static str,
}

pub(super) static SPLITS: [Split; 2] = [
    Split {
        pre: "qwen2",
        pattern: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        linear: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+",
    },
    Split {
        pre: "qwen35",
        pattern: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        linear: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+",
    },
];

impl Split {
    pub fn splitter(&self) -> Result<Splitter, regex::Error> {
        Ok(Splitter { regex: Regex::new(self.linear)? })
    }
}

pub(super) struct Splitter {
    regex: Regex,
}

impl Splitter {
    /// The words of `text`, in order; together they are the text.
    pub fn words<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at == text.len() {
                return None;
            }
            // Every character is a letter, a number, a space or neither, so a match always starts here.
            let end =
                self.regex.find_at(text, at).map_or(text.len(), |word| word.end() - kept_back(text, at, word.end()));
            let word = &text[at..end];
            at = end;
            Some(word)
        })
    }
}

/// `\s+(?!\S)`: of several spaces before a word, the last one (this many bytes) is left to that word. No other
/// alternative ends in a space that is not a line end.
fn kept_back(text: &str, start: usize, end: usize) -> usize {
    let mut backwards = text[start..end].chars().rev();
    match (backwards.next(), backwards.next()) {
        (Some(last), Some(_)) if end < text.len() && last.is_whitespace() && !matches!(last, '\r' | '\n') => {
            last.len_utf8()
        }
        _ => 0,
    }
}
