//! The report of `qwgpu study`: one page, its figures, its tables and its data, from the numbers alone.

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
use data::Study;
use figures::Figures;

/// What follows from a study's numbers.
pub struct Findings<'a> {
    pub study: &'a Study,
    pub changes: Vec<compare::Change<'a>>,
    pub rises: Vec<compare::Rise<'a>>,
    pub related: Vec<correlate::Related<'a>>,
}

impl<'a> Findings<'a> {
    /// # Errors
    /// A number outside its range, by the path that study.json has it under.
    pub fn new(study: &'a Study) -> Result<Findings<'a>> {
        if let Some(fault) = study.fault() {
            return Err(Error::request(fault.field, fault.expected, fault.found, "correct the study's results"));
        }
        let (changes, rises) = (compare::changes(study)?, compare::rises(study)?);
        Ok(Findings { study, changes, rises, related: correlate::related(study) })
    }
}

/// Writes report.html, figures/, scores.csv, perplexity.csv, memory_speed.csv, correlations.csv and study.json into a
/// folder, which is made if need be. Each file is written under a temporary name and then renamed; the page comes last,
/// so that what it names is there.
///
/// # Errors
/// A number outside its range, and files that cannot be written.
pub fn write(study: &Study, folder: &Path) -> Result<()> {
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
    for figure in &figures {
        atomic_write::write(&drawings.join(format!("{}.svg", figure.slug)), svg::document(&figure.svg))?;
    }
    atomic_write::write(&folder.join("scores.csv"), csv::scores(&findings))?;
    atomic_write::write(&folder.join("perplexity.csv"), csv::perplexities(&findings))?;
    atomic_write::write(&folder.join("memory_speed.csv"), csv::memory_speed(&findings))?;
    atomic_write::write(&folder.join("correlations.csv"), csv::correlations(&findings))?;
    let json = serde_json::to_string_pretty(study).expect("a study is plain data");
    atomic_write::write(&folder.join("study.json"), json + "\n")?;
    atomic_write::write(&folder.join("report.html"), page)
}

/// The page, and the figures it shows.
fn page(findings: &Findings<'_>) -> (String, Vec<figures::Figure>) {
    let study = findings.study;
    let claims = claims::claims(findings);
    let mut figures = Figures::default();
    let sentences: String =
        summary::sentences(findings, &claims).iter().map(|s| format!("<li>{}</li>\n", html::escape(s))).collect();
    let parts = [
        ("summary", "Summary", format!("<ul class=\"summary\">\n{sentences}</ul>\n")),
        ("scores", "Scores", quality::scores(findings)),
        ("perplexities", "Perplexities", quality::perplexities(findings)),
        ("correlations", "Perplexity against score", quality::correlations(findings, &mut figures)),
        ("cost", "Memory and speed", efficiency::memory_speed(findings, &mut figures)),
        ("size", "Quality against size", efficiency::size(findings, &mut figures)),
        ("outliers", "Outliers", efficiency::outliers(findings, &mut figures)),
        ("bits", "Quality against true bits", efficiency::bits(findings, &mut figures)),
        ("ablation", "What outliers and small groups are worth", efficiency::ablation(findings)),
        ("conditions", "How it was measured", efficiency::conditions(study)),
        ("claims", "The study's claims", efficiency::claims(&claims)),
    ];
    let mut body = notes(study) + &summary::glossary(study);
    body.extend(parts.iter().map(|(id, title, html)| html::section(id, title, html)));
    let names: Vec<(&str, &str)> = parts.iter().map(|(id, title, _)| (*id, *title)).collect();
    (html::page(&study.title, &names, &body), figures.all)
}

/// What a reader must know first: that it is not finished, its note, and what could not be measured.
fn notes(study: &Study) -> String {
    let failures: Vec<String> = study.failures.iter().map(|form| format!("{} ({})", form.name, form.value)).collect();
    let missing = format!("Not finished: still to be measured are {}.", study.missing.join(", "));
    let notes = [
        (!study.missing.is_empty()).then_some(missing),
        study.note.clone(),
        (!failures.is_empty()).then(|| format!("Not measured: {}.", failures.join("; "))),
    ];
    notes.iter().flatten().map(|note| format!("<p class=\"note\">{}</p>\n", html::escape(note))).collect()
}
