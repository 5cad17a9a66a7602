//! ROUGE (Lin 2004), as rouge_score 0.1.2.

use std::collections::HashMap;

use super::bleu::ngrams;
use super::porter;

/// Tokens of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RougeTokens {
    /// Runs of a-z and 0-9 in the text in lower case. Other scripts have no tokens, so that a Chinese text scores 0 even
    /// against itself.
    Words,
    /// Words, those of more than three letters by their stem: rouge_score's `use_stemmer`.
    Stems,
}

/// Shares of the hypothesis and of the reference that match, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RougeScore {
    pub precision: f64,
    pub recall: f64,
    /// Harmonic mean of both.
    pub f: f64,
}

/// The ROUGE scores of one text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rouge {
    /// ROUGE-1: common words.
    pub one: RougeScore,
    /// ROUGE-2: common 2-grams.
    pub two: RougeScore,
    /// ROUGE-L: the longest common subsequence, over the whole text.
    pub longest: RougeScore,
    /// ROUGE-Lsum: for each sentence of the reference the union of its longest common subsequences. A line is a
    /// sentence.
    pub summary: RougeScore,
}

impl Rouge {
    /// Scores one text. Memory grows with the tokens of a line of one times those of a line of the other.
    pub fn of(reference: &str, hypothesis: &str, tokens: RougeTokens) -> Rouge {
        let sentences = |text: &str| -> Vec<Vec<String>> { text.split('\n').map(|line| tokens.of(line)).collect() };
        let (reference_sentences, hypothesis_sentences) = (sentences(reference), sentences(hypothesis));
        let (reference, hypothesis) = (tokens.of(reference), tokens.of(hypothesis));
        Rouge {
            one: common_ngrams(&reference, &hypothesis, 1),
            two: common_ngrams(&reference, &hypothesis, 2),
            longest: score(longest_common(&reference, &hypothesis, |_| {}), reference.len(), hypothesis.len()),
            summary: common_sentences(&reference_sentences, &hypothesis_sentences),
        }
    }
}

impl RougeTokens {
    /// Returns the tokens of a text.
    fn of(self, text: &str) -> Vec<String> {
        let text = text.to_lowercase();
        let stemmed = |word: &str| if word.len() > 3 { porter::stem(word) } else { word.to_owned() };
        text.split(|character: char| !character.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(|word| if self == RougeTokens::Stems { stemmed(word) } else { word.to_owned() })
            .collect()
    }
}

fn score(matched: usize, reference: usize, hypothesis: usize) -> RougeScore {
    let precision = matched as f64 / hypothesis.max(1) as f64;
    let recall = matched as f64 / reference.max(1) as f64;
    let f = if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
    RougeScore { precision, recall, f }
}

fn common_ngrams(reference: &[String], hypothesis: &[String], order: usize) -> RougeScore {
    let known = ngrams(reference, order);
    let found = ngrams(hypothesis, order);
    let matched: u64 = found.iter().map(|(ngram, count)| known.get(ngram).map_or(0, |most| *count.min(most))).sum();
    let total = |items: &[String]| (items.len() + 1).saturating_sub(order);
    score(matched as usize, total(reference), total(hypothesis))
}

fn common_sentences(reference: &[Vec<String>], hypothesis: &[Vec<String>]) -> RougeScore {
    // A token counts at most as often as the text has it, however many sentences match it.
    let mut left = [reference, hypothesis].map(|sentences| {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        sentences.iter().flatten().for_each(|token| *counts.entry(token).or_default() += 1);
        counts
    });
    let mut matched = 0;
    for sentence in reference {
        let mut union = vec![false; sentence.len()];
        for other in hypothesis {
            mark_longest_common(sentence, other, &mut union);
        }
        for (token, _) in sentence.iter().zip(union).filter(|(_, common)| *common) {
            if left.iter().all(|counts| counts.get(token.as_str()).is_some_and(|count| *count > 0)) {
                matched += 1;
                left.iter_mut().filter_map(|counts| counts.get_mut(token.as_str())).for_each(|count| *count -= 1);
            }
        }
    }
    let tokens = |sentences: &[Vec<String>]| sentences.iter().map(Vec::len).sum();
    score(matched, tokens(reference), tokens(hypothesis))
}

/// Returns the length of the longest common subsequence. Passes `leftwards` for each cell of the table of lengths, row by
/// row, whether its left neighbour is larger than its upper one.
fn longest_common(reference: &[String], hypothesis: &[String], mut leftwards: impl FnMut(bool)) -> usize {
    let (mut above, mut row) = (vec![0; hypothesis.len() + 1], vec![0; hypothesis.len() + 1]);
    for token in reference {
        for (column, other) in hypothesis.iter().enumerate() {
            leftwards(row[column] > above[column + 1]);
            row[column + 1] = if token == other { above[column] + 1 } else { above[column + 1].max(row[column]) };
        }
        std::mem::swap(&mut above, &mut row);
    }
    above[hypothesis.len()]
}

/// Marks the tokens of a longest common subsequence, the one of rouge_score.
fn mark_longest_common(reference: &[String], hypothesis: &[String], marks: &mut [bool]) {
    let mut leftwards = Vec::new();
    longest_common(reference, hypothesis, |left| leftwards.push(left));
    let (mut i, mut j) = (reference.len(), hypothesis.len());
    while i > 0 && j > 0 {
        if reference[i - 1] == hypothesis[j - 1] {
            marks[i - 1] = true;
            (i, j) = (i - 1, j - 1);
        } else if leftwards[(i - 1) * hypothesis.len() + j - 1] {
            j -= 1;
        } else {
            i -= 1;
        }
    }
}
