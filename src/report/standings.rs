//! What scores show about a loss that still counts as comparable, for the study's claims on widths.

use super::Findings;
use super::claims::{Outcome, most};
use super::compare::{Change, Verdict};

/// Points that a comparable score may lie below its baseline.
const COMPARABLE: f64 = 2.0;

/// What a comparison shows about a loss of 2 points, the margin of the study's claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The 16-bit score is not above guessing, so that there is nothing to lose.
    Guessing,
    /// The whole interval lies at a loss within the margin, significant or not.
    Comparable,
    /// Significantly worse after Holm's correction.
    Worse,
    /// The whole interval lies beyond the margin, but it is not significant after Holm's correction.
    Beyond,
    /// The interval holds both.
    Open,
}

impl Change<'_> {
    pub fn standing(&self) -> Standing {
        if !self.before.above_guessing() {
            return Standing::Guessing;
        }
        let losses = self.interval.map(|(low, high)| match self.score.higher_is_better {
            true => (-high, -low),
            false => (low, high),
        });
        match losses {
            Some((_, most)) if most <= COMPARABLE => Standing::Comparable,
            _ if self.verdict() == Verdict::Worse => Standing::Worse,
            Some((least, _)) if least > COMPARABLE => Standing::Beyond,
            _ => Standing::Open,
        }
    }
}

/// What the main scores of the methods' presets show at some widths.
pub struct Standings {
    pub comparable: usize,
    pub worse: usize,
    pub beyond: usize,
    pub open: usize,
    pub guessing: usize,
}

impl Standings {
    pub fn new(findings: &Findings<'_>, bits: &[u32]) -> Standings {
        let wanted = |change: &&Change<'_>| {
            change.score.is_main() && change.run.is_quantized_preset() && bits.contains(&change.run.bits)
        };
        let all: Vec<Standing> = findings.changes.iter().filter(wanted).map(Change::standing).collect();
        let of = |standing| all.iter().filter(|one| **one == standing).count();
        Standings {
            comparable: of(Standing::Comparable),
            worse: of(Standing::Worse),
            beyond: of(Standing::Beyond),
            open: of(Standing::Open),
            guessing: of(Standing::Guessing),
        }
    }

    /// All but those that had nothing to lose.
    pub fn judged(&self) -> usize {
        self.comparable + self.worse + self.beyond + self.open
    }

    /// Held if more than half of the scores stand for a claim; fell if at least half stand against it.
    pub fn outcome(&self, held: usize, fell: usize) -> Outcome {
        match self.judged() {
            all if most(held, all) => Outcome::Held,
            all if all > 0 && 2 * fell >= all => Outcome::Fell,
            _ => Outcome::Untested,
        }
    }

    pub fn text(&self) -> String {
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
