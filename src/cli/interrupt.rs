//! Ctrl-C: the first one asks the work under way to stop, the second ends the program.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

static PRESSED: AtomicUsize = AtomicUsize::new(0);

pub fn install() {
    let handler = || {
        if PRESSED.fetch_add(1, Ordering::SeqCst) > 0 {
            std::process::exit(130);
        }
    };
    // Fails only if another handler is installed, which this program never does.
    let _ = ctrlc::set_handler(handler);
}

/// Whether Ctrl-C was pressed since [`clear`].
pub fn pressed() -> bool {
    PRESSED.load(Ordering::SeqCst) > 0
}

/// # Errors
/// [`Error::Interrupted`] after Ctrl-C.
pub fn check() -> Result<()> {
    if pressed() { Err(Error::Interrupted) } else { Ok(()) }
}
