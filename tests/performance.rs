//! docs/PERFORMANCE.md says what the results files say.

use std::path::Path;

use qwgpu::bench::report::Report;
use qwgpu::bench::tables;

#[test]
fn the_tables_are_those_of_the_results() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("docs/PERFORMANCE.md");
    let found = std::fs::read_to_string(&file).unwrap();
    let reports = Report::read_all(&root.join("benches/results")).unwrap();
    let expected = tables::document(&found, &file, &reports).unwrap();
    assert!(found == expected, "run `qwgpu bench table` and commit docs/PERFORMANCE.md");
}
