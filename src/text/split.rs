//! The pre-tokenizer: where a text is cut into the words that BPE merges within.

use regex::Regex;

/// A splitting rule of byte-level BPE, with what GGUF files that name it leave unsaid.
pub(super) struct Split {
    /// Name in `tokenizer.ggml.pre`.
    pub pre: &'static str,
    /// Regular expression in `tokenizer.json`; it ends in [`SPACES`].
    pub pattern: &'static str,
    /// True where the text is brought to Unicode NFC first.
    pub nfc: bool,
    /// True where a word that is a token becomes that token, even where merges lead elsewhere.
    pub ignore_merges: bool,
}

/// The splitting rules of the known families.
pub(super) static SPLITS: [Split; 4] = [
    Split {
        pre: "qwen2",
        pattern: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        nfc: true,
        ignore_merges: false,
    },
    Split {
        pre: "qwen35",
        pattern: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        nfc: true,
        ignore_merges: false,
    },
    Split {
        pre: "llama-bpe",
        pattern: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        nfc: false,
        ignore_merges: true,
    },
    Split {
        pre: "tekken",
        pattern: r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        nfc: false,
        ignore_merges: true,
    },
];

/// The end of each pattern. A look-ahead needs a backtracking engine, whose step limit ends a long run of spaces
/// early; so the expression that runs ends in `\s+`, and [`Splitter::words`] does the look-ahead's work.
const SPACES: &str = r"|\s+(?!\S)|\s+";

impl Split {
    /// Compiles the rule.
    pub fn splitter(&self) -> Result<Splitter, regex::Error> {
        let linear = format!(r"{}|\s+", self.pattern.strip_suffix(SPACES).unwrap_or(self.pattern));
        Ok(Splitter { regex: Regex::new(&linear)? })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_compiles_and_ends_in_the_spaces() {
        for split in &SPLITS {
            assert!(split.pattern.ends_with(SPACES), "{}", split.pre);
            let words: Vec<_> = split.splitter().unwrap().words("ab  cd").collect();
            assert_eq!(words, ["ab", " ", " cd"], "{}", split.pre);
        }
    }
}
