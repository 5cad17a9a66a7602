//! Scores judged by a loss that still counts as comparable, for the paper's claims on widths.

use super::Findings;
use super::claims::{ClaimOutcome, most};
use super::compare::{Change, ChangeVerdict};

/// Largest loss of a comparable score, in points.
const COMPARABLE: f64 = 2.0;

/// Conclusion from a comparison about a loss of 2 points, the margin of the claims.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
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

/// Numbers of main scores of the presets at some widths, by what they show.
pub struct Standings {
    pub comparable: usize,
    pub worse: usize,
    pub beyond: usize,
    pub open: usize,
    pub guessing: usize,
}

impl Standings {
    /// Counts the scores of presets at these bits.
    pub fn new(findings: &Findings<'_>, bits: &[u32]) -> Standings {
        let wanted = |change: &&Change<'_>| {
            change.score.is_main() && change.run.is_quantized_preset() && bits.contains(&change.run.bits)
        };
        let all: Vec<Standing> = findings.changes.iter().filter(wanted).map(Change::standing).collect();
        let count = |standing| all.iter().filter(|one| **one == standing).count();
        Standings {
            comparable: count(Standing::Comparable),
            worse: count(Standing::Worse),
            beyond: count(Standing::Beyond),
            open: count(Standing::Open),
            guessing: count(Standing::Guessing),
        }
    }

    /// Returns the number of scores that had something to lose.
    fn judged(&self) -> usize {
        self.comparable + self.worse + self.beyond + self.open
    }

    /// Judges a claim: it held if more than half of the scores support it, and fell if at least half contradict it.
    pub(super) fn outcome(&self, held: usize, fell: usize) -> ClaimOutcome {
        match self.judged() {
            all if most(held, all) => ClaimOutcome::Held,
            all if all > 0 && 2 * fell >= all => ClaimOutcome::Fell,
            _ => ClaimOutcome::Untested,
        }
    }

    /// Returns the numbers as a sentence.
    pub(super) fn text(&self) -> String {
        format!(
            "Of {} scores {} are shown comparable, {} shown worse ({} of them significantly), {} open; {} skipped as not \
             above guessing in 16 bits.",
            self.judged(),
            self.comparable,
            self.worse + self.beyond,
            self.worse,
            self.open,
            self.guessing
        )
    }
}
