//! Progress on standard error, for people only.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over bytes, with rate and time left; hidden where nobody watches.
pub fn bytes(what: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    bar.set_style(style("{prefix:>12} [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec} ETA {eta} {wide_msg}"));
    bar.set_prefix(what.to_owned());
    bar
}

/// A bar over things counted.
pub fn counted(what: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    bar.set_style(style("{prefix:>12} [{bar:30}] {pos}/{len} ETA {eta} {wide_msg}"));
    bar.set_prefix(what.to_owned());
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is our own").progress_chars("=> ")
}
