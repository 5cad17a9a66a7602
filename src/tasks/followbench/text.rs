//! Parts of a reply that FollowBench's rules look at: sentences, words, lengths. Everything counts as its own scripts
//! count in Python, oddities included, since scores are compared with theirs.

use regex::Regex;

use crate::metrics::python::{self, static_regex};

/// A language of the benchmark. Rules and prompts of a judge differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Chinese,
}

impl Language {
    /// Returns the name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Chinese => "zh",
        }
    }

    pub fn named(name: &str) -> Language {
        if name == "zh" { Language::Chinese } else { Language::English }
    }
}

/// A reply, to be measured.
#[derive(Clone, Copy)]
pub(super) struct ReplyText<'a> {
    pub text: &'a str,
    pub language: Language,
}

/// Python's `isnumeric` beyond Unicode's number categories: ideographs that mean numbers (Unicode 14).
const NUMERIC_IDEOGRAPHS: &str = "㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆\
萬貮貳贰阡陆陌陸零參拾兩零六陸什𠀁𠁤𠃢𠄡𠤪𠦃𠦌𠦜𠫪𠫽𠬙𢎐𢦘𣬛𦉭廾";

impl<'a> ReplyText<'a> {
    /// Returns the texts between sentence ends. White space behind the last end counts as one more.
    pub fn sentences(self) -> Vec<&'a str> {
        let ends: &[char] = match self.language {
            Language::English => &['.', '!', '?'],
            Language::Chinese => &['。', '！', '？'],
        };
        self.text.split(ends).filter(|sentence| !sentence.is_empty()).collect()
    }

    /// Returns whether every sentence has a length for which `fits` holds: words in English, characters in Chinese.
    pub fn every_sentence(self, fits: impl Fn(usize) -> bool) -> bool {
        self.sentences().into_iter().all(|sentence| match self.language {
            Language::English => fits(python::split(sentence).count()),
            Language::Chinese => fits(sentence.chars().count()),
        })
    }

    /// Returns the length of the whole: pieces between single spaces in English, characters in Chinese.
    pub fn length(self) -> usize {
        match self.language {
            Language::English => self.text.split(' ').count(),
            Language::Chinese => self.text.chars().count(),
        }
    }

    /// Returns whether it holds the word of its language: on its own in English, anywhere in Chinese.
    pub fn has(self, english: &str, chinese: &str) -> bool {
        match self.language {
            Language::Chinese => self.text.contains(chinese),
            Language::English => self.text.match_indices(english).any(|(at, _)| {
                let before = self.text[..at].chars().next_back();
                let behind = self.text[at + english.len()..].chars().next();
                !before.is_some_and(of_a_word) && !behind.is_some_and(of_a_word)
            }),
        }
    }

    /// Returns sentence `number`, counted from 1; empty where there are fewer.
    pub fn sentence(self, number: usize) -> ReplyText<'a> {
        let text = self.sentences().get(number - 1).copied().unwrap_or_default();
        ReplyText { text, language: self.language }
    }

    /// Counts the punctuation marks.
    pub fn marks(self) -> usize {
        let chinese = |c| self.language == Language::Chinese && "，。：’“”".contains(c);
        self.text.chars().filter(|&c| c.is_ascii_punctuation() || chinese(c)).count()
    }

    /// Returns whether it has a number, written in digits or in ideographs.
    pub fn has_number(self) -> bool {
        self.text.chars().any(|c| c.is_numeric() || NUMERIC_IDEOGRAPHS.contains(c))
    }

    /// Returns whether some letter is small, and none is a capital, as Python's `islower`.
    pub fn is_lower(self) -> bool {
        let capital = static_regex!(r"[\p{Uppercase}\p{Lt}]");
        self.text.chars().any(char::is_lowercase) && !capital.is_match(self.text)
    }

    /// Returns whether it matches the form of its language.
    fn is_of_form(self, english: &Regex, chinese: &str) -> bool {
        match self.language {
            Language::English => english.is_match(self.text),
            Language::Chinese => self.text.contains(chinese),
        }
    }

    /// Returns whether it has a form such as `is ...ing`.
    pub fn present_continuous(self) -> bool {
        const FORM: &str = r"(?:^|[^\p{L}\p{N}_])(?:am|is|are)[\s\x1c-\x1f]+[\p{L}\p{N}_]+ing(?:$|[^\p{L}\p{N}_])";
        self.is_of_form(static_regex!(FORM), "在")
    }

    /// Returns whether it has `has` or `have`, and a word behind it.
    pub fn present_perfect(self) -> bool {
        self.is_of_form(static_regex!(r"(?:^|[^\p{L}\p{N}_])(?:has|have)[\s\x1c-\x1f]+[\p{L}\p{N}_]"), "了")
    }

    pub fn has_procrastination(self) -> bool {
        self.is_of_form(static_regex!("(?i)procrast"), "拖沓的")
    }

    /// Returns the texts between blank lines.
    pub fn paragraphs(self) -> Vec<ReplyText<'a>> {
        self.text.split("\n\n").map(|text| ReplyText { text, ..self }).collect()
    }

    /// Returns whether every paragraph that is not blank starts with `1.`
    pub fn paragraphs_are_numbered(self) -> bool {
        let texts = self.paragraphs().into_iter().map(|paragraph| paragraph.text.trim_start_matches(python::is_space));
        texts.filter(|text| !text.is_empty()).all(|text| static_regex!(r"^\d+\.").is_match(text))
    }
}

pub(super) fn of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
