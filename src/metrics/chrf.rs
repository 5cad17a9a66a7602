//! chrF (Popović 2015) and chrF++ (Popović 2017), as sacreBLEU 2.6.0.

use std::iter::Sum;

use super::bleu::ngrams;
use super::python;

const CHARACTERS: usize = 6;
const WORDS: usize = 2;
const BETA: f64 = 2.0;

/// F2 over character 1- to 6-grams without white space, in mixed case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chrf {
    /// True if word 1- and 2-grams count too: chrF++.
    pub words: bool,
}

/// Counts of chrF. Those of a corpus are the sum of those of its texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChrfCounts([NgramCounts; CHARACTERS + WORDS]);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct NgramCounts {
    hypothesis: u64,
    reference: u64,
    matched: u64,
}

impl Chrf {
    /// Counts one text against the reference with the best score. A text without references has no counts.
    pub fn counts<S: AsRef<str>>(&self, hypothesis: &str, references: &[S]) -> ChrfCounts {
        let mut best: Option<(f64, ChrfCounts)> = None;
        for reference in references {
            let counts = self.compared(hypothesis, reference.as_ref());
            let score = self.score(&counts);
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, counts));
            }
        }
        best.map_or_else(ChrfCounts::default, |(_, counts)| counts)
    }

    /// Returns the chrF of a text's or a corpus's counts, from 0 to 100.
    pub fn score(&self, counts: &ChrfCounts) -> f64 {
        let orders = if self.words { &counts.0[..] } else { &counts.0[..CHARACTERS] };
        let (mut precision, mut recall, mut effective) = (0.0, 0.0, 0.0);
        for order in orders.iter().filter(|order| order.hypothesis > 0 && order.reference > 0) {
            precision += order.matched as f64 / order.hypothesis as f64;
            recall += order.matched as f64 / order.reference as f64;
            effective += 1.0;
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        (precision, recall) = (precision / effective, recall / effective);
        let factor = BETA * BETA;
        100.0 * ((1.0 + factor) * precision * recall / (factor * precision + recall))
    }

    fn compared(&self, hypothesis: &str, reference: &str) -> ChrfCounts {
        let mut counts = ChrfCounts::default();
        let (of_characters, of_words) = counts.0.split_at_mut(CHARACTERS);
        compare(&characters(hypothesis), &characters(reference), of_characters);
        if self.words {
            compare(&words(hypothesis), &words(reference), of_words);
        }
        counts
    }
}

fn compare<T: Eq + std::hash::Hash>(hypothesis: &[T], reference: &[T], orders: &mut [NgramCounts]) {
    for (n, order) in orders.iter_mut().enumerate() {
        let known = ngrams(reference, n + 1);
        order.reference = known.values().sum();
        for (ngram, count) in ngrams(hypothesis, n + 1) {
            order.hypothesis += count;
            order.matched += known.get(ngram).map_or(0, |most| count.min(*most));
        }
        if known.is_empty() {
            order.hypothesis = 0;
        }
    }
}

fn characters(text: &str) -> Vec<char> {
    text.chars().filter(|character| !python::is_space(*character)).collect()
}

/// Returns words, with one ASCII punctuation mark split off their end, or else their start.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in python::split(text) {
        let mark = |character: char| character.is_ascii_punctuation();
        if word.chars().nth(1).is_none() {
            words.push(word);
        } else if word.ends_with(mark) {
            words.extend([&word[..word.len() - 1], &word[word.len() - 1..]]);
        } else if word.starts_with(mark) {
            words.extend([&word[..1], &word[1..]]);
        } else {
            words.push(word);
        }
    }
    words
}

impl Sum for ChrfCounts {
    fn sum<I: Iterator<Item = ChrfCounts>>(counts: I) -> ChrfCounts {
        counts.fold(ChrfCounts::default(), |mut sum, counts| {
            for (sum, order) in sum.0.iter_mut().zip(counts.0) {
                sum.hypothesis += order.hypothesis;
                sum.reference += order.reference;
                sum.matched += order.matched;
            }
            sum
        })
    }
}
