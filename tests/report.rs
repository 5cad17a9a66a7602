//! The report of a study: a made-up one, and what is missing, hostile, broken, single or many in it.
//!
//! fixtures/report/ comes from scripts/make_report_study.py; none of its numbers was measured.

#[path = "report/figures.rs"]
mod figures;
#[path = "report/numbers.rs"]
mod numbers;
#[path = "report/page.rs"]
mod page;
#[path = "report/rules.rs"]
mod rules;

use std::path::Path;

use qwgpu::report::data::StudyResult;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/report").join(name)
}

fn study() -> StudyResult {
    StudyResult::read(&fixture("study.json")).unwrap()
}
