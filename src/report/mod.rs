//! The report of a study: one page, its figures, its tables and its data, made from the numbers alone.

mod axis;
mod chart;
pub mod claims;
pub mod compare;
pub mod correlate;
mod csv;
pub mod data;
mod efficiency;
mod figures;
mod html;
mod methods;
mod number;
mod quality;
pub mod run;
pub mod standings;
mod summary;
mod svg;

use std::path::Path;

use crate::atomic_write;
use crate::error::{Error, Result};
use data::{Perplexity, Score, StudyResult};
use figures::{Figure, Figures};
use html::Section;

/// Conclusions from a study's numbers.
pub struct Findings<'a> {
    pub study: &'a StudyResult,
    pub changes: Vec<compare::Change<'a>>,
    pub rises: Vec<compare::Rise<'a>>,
    pub related: Vec<correlate::Related<'a>>,
}

impl<'a> Findings<'a> {
    /// Compares and correlates the numbers of a study.
    ///
    /// # Errors
    /// A number outside its range, by its path in study.json.
    pub fn new(study: &'a StudyResult) -> Result<Findings<'a>> {
        let wrong = |[field, expected, found]: [String; 3]| {
            Error::request(field, expected, found, "correct the study's results")
        };
        study.check().map_err(wrong)?;
        let (changes, rises) = (compare::changes(study)?, compare::rises(study)?);
        Ok(Findings { study, changes, rises, related: correlate::related(study) })
    }

    /// Returns the comparison of a score of the study.
    fn change(&self, score: &Score) -> Option<&compare::Change<'a>> {
        self.changes.iter().find(|change| std::ptr::eq(change.score, score))
    }

    /// Returns the comparison of a perplexity of the study.
    fn rise(&self, perplexity: &Perplexity) -> Option<&compare::Rise<'a>> {
        self.rises.iter().find(|rise| std::ptr::eq(rise.perplexity, perplexity))
    }
}

/// Returns the text of a file.
type Content = fn(&Findings<'_>) -> String;

/// The report's files of data.
static TABLES: &[(&str, Content)] = &[
    ("study.json", |findings| serde_json::to_string_pretty(findings.study).expect("a study is plain data") + "\n"),
    ("scores.csv", csv::scores),
    ("perplexity.csv", csv::perplexities),
    ("memory_speed.csv", csv::memory_speed),
    ("correlations.csv", csv::correlations),
];

/// Writes report.html, figures/, scores.csv, perplexity.csv, memory_speed.csv, correlations.csv and study.json into a
/// folder, which is made if need be. Each file is written under a temporary name and then renamed. The page comes last,
/// so that its links lead to files.
///
/// # Errors
/// A number outside its range, and files that cannot be written.
pub fn write(study: &StudyResult, folder: &Path) -> Result<()> {
    let findings = Findings::new(study)?;
    let (page, figures) = page(&findings);
    let drawings = folder.join("figures");
    std::fs::create_dir_all(&drawings).map_err(Error::io(&drawings))?;
    // Those of an earlier report may have other numbers.
    for entry in std::fs::read_dir(&drawings).map_err(Error::io(&drawings))? {
        let old = entry.map_err(Error::io(&drawings))?.path();
        let ours = |name: &str| name.starts_with('f') && figures.iter().all(|figure| figure.slug != name);
        if old.extension().is_some_and(|e| e == "svg") && old.file_stem().and_then(|n| n.to_str()).is_some_and(ours) {
            std::fs::remove_file(&old).map_err(Error::io(&old))?;
        }
    }
    for Figure { slug, drawing } in &figures {
        atomic_write::write(&drawings.join(format!("{slug}.svg")), html::printable(&drawing.file(slug)))?;
    }
    for (name, content) in TABLES {
        atomic_write::write(&folder.join(name), content(&findings))?;
    }
    atomic_write::write(&folder.join("report.html"), html::printable(&page))
}

/// Returns the page and the figures it shows.
fn page(findings: &Findings<'_>) -> (String, Vec<Figure>) {
    let study = findings.study;
    let claims = claims::claims(findings);
    let mut figures = Figures::new(study);
    let sections = [
        ("summary", "Summary", summary::summary(findings, &claims)),
        ("scores", "Scores", quality::scores(findings)),
        ("perplexities", "Perplexities", quality::perplexities(findings)),
        ("correlations", "Perplexity against score", quality::correlations(findings, &mut figures)),
        ("cost", "Memory and speed", efficiency::memory_speed(findings, &mut figures)),
        ("size", "Quality against size", efficiency::size(findings, &mut figures)),
        ("outliers", "Outliers", efficiency::outliers(findings, &mut figures)),
        ("bits", "Quality against true bits", efficiency::bits(findings, &mut figures)),
        ("ablation", "What outliers and small groups contribute", efficiency::ablation(findings)),
        ("conditions", "How it was measured", summary::conditions(study)),
        ("claims", "The paper's claims", summary::claims(&claims)),
    ]
    .map(|(id, title, content)| Section { id, title, content });
    let before = maud::html! { (summary::notes(study)) (summary::glossary(study)) };
    (html::page(&study.title, &before, &sections).into_string(), figures.all)
}
