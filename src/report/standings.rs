//! Scores judged by a loss that still counts as comparable, for the paper's claims on widths.

use super::Findings;
use super::claims::{ClaimOutcome, most};
use super::compare::{Change, ChangeVerdict};

/// Largest loss of a comparable score, in points.
const COMPARABLE: f64 = 2.0;

/// Conclusion from a comparison about a loss of 2 points, the margin of the claims.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The 16-bit score is not above guessing and has nothing to lose.
    Guessing,
    /// The whole interval is within the margin, significant or not.
    Comparable,
    /// Significantly worse after Holm's correction.
    Worse,
    /// The whole interval is beyond the margin, but the loss is not significant after Holm's correction.
    Beyond,
    /// The interval has both.
    Open,
}

impl Change<'_> {
    fn standing(&self) -> Standing {
        if !self.before.above_guessing() {
            return Standing::Guessing;
        }
        let losses = self.interval.map(|(low, high)| match self.score.higher_is_better {
            true => (-high, -low),
            false => (low, high),
        });
        match losses {
            Some((_, most)) if most <= COMPARABLE => Standing::Comparable,
            _ if self.verdict() == ChangeVerdict::Worse => Standing::Worse,
            Some((least, _)) if least > COMPARABLE => Standing::Beyond,
            _ => Standing::Open,
        }
    }
}

/// Standings of the presets' main scores at some widths.
pub struct Standings(Vec<Standing>);

impl Standings {
    /// Judges the scores of presets at these bits.
    pub fn new(findings: &Findings<'_>, bits: &[u32]) -> Standings {
        let wanted = |change: &&Change<'_>| {
            change.score.is_main() && change.run.is_quantized_preset() && bits.contains(&change.run.bits)
        };
        Standings(findings.changes.iter().filter(wanted).map(Change::standing).collect())
    }

    /// Counts the scores with one of these standings.
    pub fn count(&self, standings: &[Standing]) -> usize {
        self.0.iter().filter(|one| standings.contains(one)).count()
    }

    /// Judges a claim: it held if more than half of the scores support it, and fell if at least half contradict it.
    pub(super) fn judge(&self, support: &[Standing], contradict: &[Standing]) -> (ClaimOutcome, String) {
        let [worse, skipped] = [Standing::Worse, Standing::Guessing].map(|standing| self.count(&[standing]));
        let all = self.0.len() - skipped;
        let outcome = match self.count(contradict) {
            _ if most(self.count(support), all) => ClaimOutcome::Held,
            fell if all > 0 && 2 * fell >= all => ClaimOutcome::Fell,
            _ => ClaimOutcome::Untested,
        };
        let text = format!(
            "Of {all} scores {} are shown comparable, {} shown worse ({worse} of them significantly), {} open; {skipped} \
             skipped as not above guessing in 16 bits.",
            self.count(&[Standing::Comparable]),
            self.count(&[Standing::Worse, Standing::Beyond]),
            self.count(&[Standing::Open]),
        );
        (outcome, text)
    }
}
