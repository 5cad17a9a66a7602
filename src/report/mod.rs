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
pub mod number;
mod quality;
pub mod run;
mod summary;
mod svg;

use std::path::Path;

use crate::atomic_write;
use crate::error::{Error, Result};
use data::{Perplexity, Score, StudyResult};
use figures::Figures;
use svg::Drawing;

/// Conclusions from a study's numbers.
pub struct Analysis<'a> {
    pub study: &'a StudyResult,
    pub changes: Vec<compare::Change<'a>>,
    pub rises: Vec<compare::Rise<'a>>,
    pub relations: Vec<correlate::Relation<'a>>,
}

impl<'a> Analysis<'a> {
    /// Compares and correlates the numbers of a study.
    ///
    /// # Errors
    /// A number outside its range, by its path in study.json.
    pub fn new(study: &'a StudyResult) -> Result<Analysis<'a>> {
        let fix = "correct the study's results";
        study.check().map_err(|[field, expected, found]| Error::request(field, expected, found, fix))?;
        let (changes, rises) = (compare::changes(study)?, compare::rises(study)?);
        Ok(Analysis { study, changes, rises, relations: correlate::relations(study) })
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

/// Function that returns the text of a file.
type Content = fn(&Analysis<'_>) -> String;

/// The report's files of data.
static TABLES: &[(&str, Content)] = &[
    ("study.json", |analysis| serde_json::to_string_pretty(analysis.study).expect("a study is plain data") + "\n"),
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
    let analysis = Analysis::new(study)?;
    let (page, figures) = page(&analysis);
    let drawings = folder.join("figures");
    std::fs::create_dir_all(&drawings).map_err(Error::io(&drawings))?;
    // Those of an earlier report may have other numbers.
    for entry in std::fs::read_dir(&drawings).map_err(Error::io(&drawings))? {
        let old = entry.map_err(Error::io(&drawings))?.path();
        let name = old.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".svg"));
        if name.is_some_and(|name| name.starts_with('f') && figures.iter().all(|(slug, _)| slug != name)) {
            std::fs::remove_file(&old).map_err(Error::io(&old))?;
        }
    }
    for (slug, drawing) in &figures {
        atomic_write::write(&drawings.join(format!("{slug}.svg")), html::printable(&drawing.file(slug)))?;
    }
    for (name, content) in TABLES {
        atomic_write::write(&folder.join(name), content(&analysis))?;
    }
    atomic_write::write(&folder.join("report.html"), html::printable(&page))
}

/// Returns the page and the figures it shows.
fn page(analysis: &Analysis<'_>) -> (String, Vec<(String, Drawing)>) {
    let study = analysis.study;
    let claims = claims::claims(analysis);
    let mut figures = Figures::new(study);
    let sections = [
        ("summary", "Summary", summary::summary(analysis, &claims)),
        ("scores", "Scores", quality::scores(analysis)),
        ("perplexities", "Perplexities", quality::perplexities(analysis)),
        ("correlations", "Perplexity against score", quality::correlations(analysis, &mut figures)),
        ("cost", "Memory and speed", efficiency::memory_speed(analysis, &mut figures)),
        ("size", "Quality against size", efficiency::size(analysis, &mut figures)),
        ("outliers", "Outliers", efficiency::outliers(analysis, &mut figures)),
        ("bits", "Quality against true bits", efficiency::bits(analysis, &mut figures)),
        ("ablation", "What outliers and small groups contribute", efficiency::ablation(analysis)),
        ("conditions", "How it was measured", summary::conditions(study)),
        ("claims", "The paper's claims", summary::claims(&claims)),
    ];
    let before = maud::html! { (summary::notes(study)) (summary::glossary(study)) };
    (html::page(&study.title, &before, &sections).into_string(), figures.all)
}
