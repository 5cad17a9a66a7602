//! BLEU (Papineni et al. 2002), as sacreBLEU 2.6.0.

use std::collections::HashMap;
use std::iter::Sum;

use super::python;
pub use super::tokenizers::BleuTokenizer;

const ORDERS: usize = 4;

/// BLEU with sacreBLEU's defaults: mixed case, exponential smoothing (Chen and Cherry 2014).
#[derive(Clone, Copy, Default)]
pub struct Bleu<'a> {
    pub tokenizer: BleuTokenizer<'a>,
}

/// Counts of BLEU. Those of a corpus are the sum of those of its texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BleuCounts {
    /// Number of tokens of the hypothesis.
    pub length: u64,
    /// Number of tokens of the reference that is nearest in length.
    pub reference_length: u64,
    /// Number of n-grams of each order that a reference has too.
    pub matched: [u64; ORDERS],
    /// Number of n-grams of each order.
    pub total: [u64; ORDERS],
}

impl Bleu<'_> {
    /// Counts one text. A text without references matches nothing.
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

    /// Returns the BLEU of a text's or a corpus's counts, from 0 to 100.
    pub fn score(&self, counts: &BleuCounts) -> f64 {
        let (length, reference) = (counts.length as f64, counts.reference_length as f64);
        let brevity_penalty = match counts.length {
            _ if length >= reference => 1.0,
            0 => 0.0,
            _ => (1.0 - reference / length).exp(),
        };
        let mut precisions = [0.0f64; ORDERS];
        if counts.matched == [0; ORDERS] {
            return 0.0;
        }
        let mut divisor = 1.0;
        for (precision, (matched, total)) in precisions.iter_mut().zip(counts.matched.into_iter().zip(counts.total)) {
            if total == 0 {
                break;
            }
            // An order without a match counts as half a match, the next such one as a quarter.
            if matched == 0 {
                divisor *= 2.0;
            }
            let matched = if matched == 0 { 1.0 / divisor } else { matched as f64 };
            *precision = 100.0 * matched / total as f64;
        }
        // The logarithm of 0 is -9999999999 in sacreBLEU: the score is 0 either way.
        let sum: f64 = precisions.iter().map(|precision| precision.ln()).sum();
        brevity_penalty * (sum / ORDERS as f64).exp()
    }

    fn prepared(&self, text: &str) -> String {
        self.tokenizer.apply(text.trim_end_matches(python::is_space))
    }
}

/// Counts each sequence of `order` items.
pub(super) fn ngrams<T: Eq + std::hash::Hash>(items: &[T], order: usize) -> HashMap<&[T], u64> {
    let mut counts = HashMap::new();
    for ngram in items.windows(order) {
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}

impl Sum for BleuCounts {
    fn sum<I: Iterator<Item = BleuCounts>>(counts: I) -> BleuCounts {
        counts.fold(BleuCounts::default(), |mut sum, counts| {
            sum.length += counts.length;
            sum.reference_length += counts.reference_length;
            for order in 0..ORDERS {
                sum.matched[order] += counts.matched[order];
                sum.total[order] += counts.total[order];
            }
            sum
        })
    }
}
