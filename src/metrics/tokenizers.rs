//! The tokenizers of sacreBLEU 2.6.0.

use std::sync::LazyLock;

use regex::Regex;

use super::python;

/// Tokenizer of BLEU.
#[derive(Clone, Copy, Default)]
pub enum BleuTokenizer<'a> {
    /// mteval-v13a, the usual one for languages in Latin letters.
    #[default]
    V13a,
    /// mteval-v14, with Unicode's punctuation and symbols.
    International,
    /// Chinese characters, and the rest as [`BleuTokenizer::V13a`].
    Chinese,
    /// Characters.
    Characters,
    /// Pieces of a SentencePiece model, for spBLEU: a function that returns a text as pieces with spaces between them.
    Pieces(&'a (dyn Fn(&str) -> String + Sync)),
}

type Rules<const N: usize> = LazyLock<[(Regex, &'static str); N]>;

/// Rules for western languages, which 13a and zh share.
static WESTERN: Rules<4> = LazyLock::new(|| {
    compiled([
        (r"([{-~\[-` -&(-+:-@/])", " $1 "),
        (r"([^0-9])([.,])", "$1 $2 "),
        (r"([.,])([^0-9])", " $1 $2"),
        (r"([0-9])(-)", "$1 $2 "),
    ])
});

static INTERNATIONAL: Rules<3> =
    LazyLock::new(|| compiled([(r"(\P{N})(\p{P})", "$1 $2 "), (r"(\p{P})(\P{N})", " $1 $2"), (r"(\p{S})", " $1 ")]));

fn compiled<const N: usize>(rules: [(&str, &'static str); N]) -> [(Regex, &'static str); N] {
    rules.map(|(pattern, by)| (python::known_regex(pattern), by))
}

fn replaced<const N: usize>(rules: &[(Regex, &'static str); N], text: &str) -> String {
    rules.iter().fold(text.to_owned(), |text, (pattern, by)| pattern.replace_all(&text, *by).into_owned())
}

impl BleuTokenizer<'_> {
    /// Returns the text with white space around each token.
    pub(super) fn apply(&self, text: &str) -> String {
        match self {
            BleuTokenizer::V13a => {
                let text = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
                let text = text.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
                replaced(&WESTERN, &format!(" {text} "))
            }
            BleuTokenizer::International => replaced(&INTERNATIONAL, text),
            BleuTokenizer::Chinese => {
                let apart = |c: char| if is_chinese(c) { format!(" {c} ") } else { c.to_string() };
                replaced(&WESTERN, &python::strip(text).chars().map(apart).collect::<String>())
            }
            BleuTokenizer::Characters => text.chars().flat_map(|character| [character, ' ']).collect(),
            BleuTokenizer::Pieces(pieces) => pieces(text),
        }
    }
}

/// Tests for sacreBLEU's ranges. They are meant to have Extension B and the compatibility supplement, but five digits are
/// written where Python reads four, so that they have U+2001 to U+2A6D and U+2F81 to U+2FA1: curly quotes and dashes.
fn is_chinese(character: char) -> bool {
    matches!(character,
        '\u{2001}'..='\u{2a6d}' | '\u{2e80}'..='\u{2fdf}' | '\u{2ff0}'..='\u{303f}' | '\u{3100}'..='\u{312f}'
        | '\u{31a0}'..='\u{31ef}' | '\u{3200}'..='\u{4db5}' | '\u{4e00}'..='\u{9fbb}' | '\u{f900}'..='\u{fa2d}'
        | '\u{fa30}'..='\u{fa6a}' | '\u{fa70}'..='\u{fad9}' | '\u{fe10}'..='\u{fe1f}' | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ffef}')
}
