//! Progress on standard error, for people only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::interrupt;
use super::options::with_options;
use super::output::note;
use crate::error::Result;
use crate::progress::Progress;

/// The bar of whatever is under way, with the time left; hidden where nobody watches. Ctrl-C stops the work.
pub struct Bar {
    bar: ProgressBar,
    last: (u64, u64),
}

impl Bar {
    /// Returns a bar that appears with the first progress and goes away when it is dropped.
    pub fn new() -> Bar {
        Bar { bar: ProgressBar::hidden(), last: (0, 0) }
    }
}

impl Progress for Bar {
    fn at(&mut self, what: &str, done: u64, total: u64) -> Result<()> {
        let (before, length) = self.last;
        if total != length || done < before {
            // Another work: its rate is its own.
            self.bar.finish_and_clear();
            self.bar = ProgressBar::new(total).with_style(style(total));
            self.bar.enable_steady_tick(Duration::from_millis(500));
        }
        self.last = (done, total);
        self.bar.set_position(done);
        self.bar.set_message(what.to_owned());
        interrupt::check()
    }

    fn note(&mut self, line: &str) {
        self.bar.suspend(|| note(&with_options(line)));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Counts are shown as they are, bytes and other large numbers as a share.
fn style(total: u64) -> ProgressStyle {
    let done = if total < 1_000_000 { "{pos}/{len}" } else { "{percent} %" };
    let template = format!("[{{bar:30}}] {done} ETA {{eta}} {{wide_msg}}");
    ProgressStyle::with_template(&template).expect("a template of this file is valid").progress_chars("=> ")
}
