//! Progress of a step in that of the whole work.

use qwgpu::progress::StepProgress;
use qwgpu::{Error, Progress, Result};

struct Last(String);

impl Progress for Last {
    fn at(&mut self, what: &str, done: u64, total: u64) -> Result<()> {
        self.0 = format!("{what} {done}/{total}");
        if done == total { Err(Error::Interrupted) } else { Ok(()) }
    }

    fn note(&mut self, line: &str) {
        self.0 = line.to_owned();
    }
}

#[test]
fn a_step_reports_its_place_in_the_whole() {
    let mut last = Last(String::new());
    StepProgress::new(&mut last, "layers", 2, 3).at("bytes", 7, 9).unwrap();
    assert_eq!(last.0, "layers 2/3");
    assert!(matches!(StepProgress::new(&mut last, "layers", 3, 3).at("bytes", 7, 9), Err(Error::Interrupted)));
    StepProgress::new(&mut last, "layers", 2, 3).note("a line");
    assert_eq!(last.0, "a line");
}
