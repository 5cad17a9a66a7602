//! BLEU (Papineni et al. 2002), as sacreBLEU 2.6.0.

use std::collections::HashMap;
use std::iter::Sum;
use std::ops::Add;

use super::python;
pub use super::tokenizers::BleuTokenizer;

/// The version of sacreBLEU whose numbers these are, for signatures.
pub const VERSION: &str = "2.6.0";
const ORDERS: usize = 4;

/// What to do where no n-gram of an order is matched (Chen and Cherry 2014).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Smoothing {
    None,
    /// This count instead of 0; 0.1 by default.
    Floor(f64),
    /// So much more of both counts, above the first order; 1 by default.
    AddK(f64),
    /// Half, a quarter and so on of one match.
    Exp,
}

/// BLEU with its settings.
#[derive(Clone, Copy)]
pub struct Bleu<'a> {
    pub tokenizer: BleuTokenizer<'a>,
    pub smoothing: Smoothing,
    pub lowercase: bool,
    /// Leave out the orders that the text is too short for, as usual for single sentences.
    pub effective_order: bool,
}

/// What BLEU counts in one text, or in many: the counts of a corpus are the sum of those of its texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BleuCounts {
    /// Tokens of the hypothesis.
    pub length: u64,
    /// Tokens of the reference that is nearest in length.
    pub reference_length: u64,
    /// n-grams of each order that stand in a reference, too.
    pub matched: [u64; ORDERS],
    /// n-grams of each order.
    pub total: [u64; ORDERS],
}

/// BLEU and what it is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BleuScore {
    /// From 0 to 100.
    pub score: f64,
    /// For each order, in percent.
    pub precisions: [f64; ORDERS],
    pub brevity_penalty: f64,
}

impl Default for Bleu<'_> {
    /// sacreBLEU's defaults: 13a, mixed case, exponential smoothing.
    fn default() -> Self {
        Bleu { tokenizer: BleuTokenizer::V13a, smoothing: Smoothing::Exp, lowercase: false, effective_order: false }
    }
}

impl Bleu<'_> {
    /// BleuCounts of one text. A text without references matches nothing.
    pub fn counts<S: AsRef<str>>(&self, hypothesis: &str, references: &[S]) -> BleuCounts {
        let hypothesis = self.prepared(hypothesis);
        let hypothesis: Vec<&str> = python::split(&hypothesis).collect();
        let references: Vec<String> = references.iter().map(|text| self.prepared(text.as_ref())).collect();
        let references: Vec<Vec<&str>> = references.iter().map(|text| python::split(text).collect()).collect();

        let lengths = references.iter().map(Vec::len);
        let nearest = lengths.min_by_key(|length| (length.abs_diff(hypothesis.len()), *length)).unwrap_or(0);
        let mut counts =
            BleuCounts { length: hypothesis.len() as u64, reference_length: nearest as u64, ..BleuCounts::default() };
        for order in 1..=ORDERS {
            let mut known = HashMap::new();
            for reference in &references {
                for (ngram, count) in ngrams(reference, order) {
                    let most: &mut u64 = known.entry(ngram).or_default();
                    *most = count.max(*most);
                }
            }
            for (ngram, count) in ngrams(&hypothesis, order) {
                counts.total[order - 1] += count;
                counts.matched[order - 1] += known.get(ngram).map_or(0, |most| count.min(*most));
            }
        }
        counts
    }

    /// BLEU of what was counted, in one text or a corpus.
    pub fn score(&self, counts: &BleuCounts) -> BleuScore {
        let (length, reference) = (counts.length as f64, counts.reference_length as f64);
        let brevity_penalty = match counts.length {
            _ if length >= reference => 1.0,
            0 => 0.0,
            _ => (1.0 - reference / length).exp(),
        };
        let mut precisions = [0.0; ORDERS];
        if counts.matched == [0; ORDERS] {
            return BleuScore { score: 0.0, precisions, brevity_penalty };
        }
        let (mut divisor, mut orders) = (1.0, ORDERS);
        for (n, precision) in precisions.iter_mut().enumerate() {
            let more = if let (Smoothing::AddK(k), true) = (self.smoothing, n > 0) { k } else { 0.0 };
            let (matched, total) = (counts.matched[n] as f64 + more, counts.total[n] as f64 + more);
            if total == 0.0 {
                break;
            }
            if self.effective_order {
                orders = n + 1;
            }
            *precision = match self.smoothing {
                _ if matched != 0.0 => 100.0 * matched / total,
                Smoothing::Exp => {
                    divisor *= 2.0;
                    100.0 / (divisor * total)
                }
                Smoothing::Floor(count) => 100.0 * count / total,
                Smoothing::None | Smoothing::AddK(_) => 0.0,
            };
        }
        // The logarithm of 0 is -9999999999 in sacreBLEU: the score is 0 either way.
        let sum: f64 = precisions[..orders].iter().map(|precision| precision.ln()).sum();
        BleuScore { score: brevity_penalty * (sum / orders as f64).exp(), precisions, brevity_penalty }
    }

    /// sacreBLEU's signature: all that must be equal where numbers are compared. `references` is their number for
    /// each text, or none where it varies.
    pub fn signature(&self, references: Option<usize>) -> String {
        let smoothing = match self.smoothing {
            Smoothing::None => "none".to_owned(),
            Smoothing::Floor(value) => format!("floor[{value:.2}]"),
            Smoothing::AddK(value) => format!("add-k[{value:.2}]"),
            Smoothing::Exp => "exp".to_owned(),
        };
        format!(
            "nrefs:{}|case:{}|eff:{}|tok:{}|smooth:{smoothing}|version:{VERSION}",
            references.map_or_else(|| "var".to_owned(), |count| count.to_string()),
            if self.lowercase { "lc" } else { "mixed" },
            if self.effective_order { "yes" } else { "no" },
            self.tokenizer.name(),
        )
    }

    fn prepared(&self, text: &str) -> String {
        let lower = if self.lowercase { text.to_lowercase() } else { text.to_owned() };
        self.tokenizer.apply(lower.trim_end_matches(python::is_space))
    }
}

/// How often each sequence of `order` items stands in `items`.
pub(super) fn ngrams<T: Eq + std::hash::Hash>(items: &[T], order: usize) -> HashMap<&[T], u64> {
    let mut counts = HashMap::new();
    for ngram in items.windows(order) {
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}

impl Add for BleuCounts {
    type Output = BleuCounts;

    fn add(mut self, other: BleuCounts) -> BleuCounts {
        self.length += other.length;
        self.reference_length += other.reference_length;
        for order in 0..ORDERS {
            self.matched[order] += other.matched[order];
            self.total[order] += other.total[order];
        }
        self
    }
}

impl Sum for BleuCounts {
    fn sum<I: Iterator<Item = BleuCounts>>(counts: I) -> BleuCounts {
        counts.fold(BleuCounts::default(), BleuCounts::add)
    }
}
