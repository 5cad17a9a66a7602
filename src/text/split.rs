//! The pre-tokenizer: where a text is cut into the words that BPE merges within.

use regex::Regex;

/// A splitting rule of byte-level BPE, with what GGUF files that name it leave unsaid.
pub(super) struct SplittingRule {
    /// Name in `tokenizer.ggml.pre`.
    pub pre: &'static str,
    /// Regular expression in `tokenizer.json` but for its end, [`SPACES`].
    words: &'static str,
    /// True where the text is brought to Unicode NFC first.
    pub nfc: bool,
    /// True where a word that is a token becomes that token, even where merges lead elsewhere.
    pub ignore_merges: bool,
}

/// The splitting rules of the known families.
pub(super) static SPLITS: [SplittingRule; 4] = [
    SplittingRule {
        pre: "qwen2",
        words: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+",
        nfc: true,
        ignore_merges: false,
    },
    SplittingRule {
        pre: "qwen35",
        words: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+",
        nfc: true,
        ignore_merges: false,
    },
    SplittingRule {
        pre: "llama-bpe",
        words: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+",
        nfc: false,
        ignore_merges: true,
    },
    SplittingRule {
        pre: "tekken",
        words: r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+",
        nfc: false,
        ignore_merges: true,
    },
];

/// The end of each regular expression. A look-ahead needs a backtracking engine, whose step limit ends a long run of spaces
/// early; so the expression that runs ends in `\s+`, and [`Splitter::words`] does the look-ahead's work.
const SPACES: &str = r"|\s+(?!\S)|\s+";

impl SplittingRule {
    /// Returns the regular expression in `tokenizer.json`.
    pub fn pattern(&self) -> String {
        format!("{}{SPACES}", self.words)
    }

    /// Compiles the rule.
    pub fn splitter(&self) -> Result<Splitter, regex::Error> {
        Ok(Splitter { regex: Regex::new(&format!(r"{}|\s+", self.words))? })
    }
}

pub(super) struct Splitter {
    regex: Regex,
}

impl Splitter {
    /// Returns the words of `text` in order; together they are the text.
    pub fn words<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at == text.len() {
                return None;
            }
            // Every character is a letter, a mark, a number, a space or none of them, so a match always starts here.
            let end =
                self.regex.find_at(text, at).map_or(text.len(), |word| word.end() - kept_back(text, at, word.end()));
            let word = &text[at..end];
            at = end;
            Some(word)
        })
    }
}

/// Returns the bytes of the last space before a word, which `\s+(?!\S)` leaves to that word where there are several.
/// No other alternative ends in a space that is not a line end.
fn kept_back(text: &str, start: usize, end: usize) -> usize {
    let mut backwards = text[start..end].chars().rev();
    match (backwards.next(), backwards.next()) {
        (Some(last), Some(_)) if end < text.len() && last.is_whitespace() && !matches!(last, '\r' | '\n') => {
            last.len_utf8()
        }
        _ => 0,
    }
}
