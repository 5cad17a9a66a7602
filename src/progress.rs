//! Progress of long work, and its cancellation.

use crate::error::Result;

/// Receives the progress of work that may take longer than a moment. `()` receives it silently.
pub trait Progress {
    /// Reports that `done` of `total` units are done, and what comes now. The unit is the work's own: bytes of
    /// weights, tokens, layers. The first call of another work begins with a smaller `done` or another `total`.
    ///
    /// # Errors
    /// An error stops the work, which returns it. To cancel, return [`Error::Interrupted`](crate::Error::Interrupted).
    fn at(&mut self, what: &str, done: u64, total: u64) -> Result<()>;

    /// Reports one line that a person should read.
    fn note(&mut self, line: &str);
}

impl Progress for () {
    fn at(&mut self, _: &str, _: u64, _: u64) -> Result<()> {
        Ok(())
    }

    fn note(&mut self, _: &str) {}
}

/// The progress of one step of a longer work: what happens within the step is reported as the place of the step.
pub struct StepProgress<'a> {
    whole: &'a mut dyn Progress,
    what: &'a str,
    done: u64,
    total: u64,
}

impl<'a> StepProgress<'a> {
    /// Returns step number `done` of `total` steps of `what`.
    pub fn new(whole: &'a mut dyn Progress, what: &'a str, done: usize, total: usize) -> StepProgress<'a> {
        StepProgress { whole, what, done: done as u64, total: total as u64 }
    }

    /// Reports the place of the step again.
    ///
    /// # Errors
    /// Those of the whole.
    pub fn alive(&mut self) -> Result<()> {
        self.whole.at(self.what, self.done, self.total)
    }
}

impl Progress for StepProgress<'_> {
    fn at(&mut self, _: &str, _: u64, _: u64) -> Result<()> {
        self.alive()
    }

    fn note(&mut self, line: &str) {
        self.whole.note(line);
    }
}
