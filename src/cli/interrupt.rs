//! Ctrl-C: the first one asks the work under way to stop, the second ends the program.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};

static PRESSED: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicBool = AtomicBool::new(false);

/// Time that the work under way may take to stop: a step on a slow device can last minutes.
const GRACE: Duration = Duration::from_millis(800);

pub fn install() {
    let handler = || {
        if PRESSED.fetch_add(1, Ordering::SeqCst) > 0 {
            leave(130);
        }
        if !HELD.load(Ordering::SeqCst) {
            // Not on this thread, which must hear of the second Ctrl-C.
            std::thread::spawn(|| {
                std::thread::sleep(GRACE);
                leave(130);
            });
        }
    };
    // Fails only if another handler is installed, which this program never does.
    let _ = ctrlc::set_handler(handler);
}

/// Ends this process when the one that started it has gone, which holds the other end of its standard input.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        leave(130);
    });
}

/// Set when Ctrl-C is pressed.
pub fn pressed() -> bool {
    PRESSED.load(Ordering::SeqCst) > 0
}

/// # Errors
/// [`Error::Interrupted`] after Ctrl-C.
pub fn check() -> Result<()> {
    if pressed() { Err(Error::Interrupted) } else { Ok(()) }
}

/// While it lives, the first Ctrl-C stops what the program does and not the program.
pub struct InterruptGuard(());

pub fn hold() -> InterruptGuard {
    HELD.store(true, Ordering::SeqCst);
    InterruptGuard(())
}

impl Drop for InterruptGuard {
    fn drop(&mut self) {
        HELD.store(false, Ordering::SeqCst);
        PRESSED.store(0, Ordering::SeqCst);
    }
}

/// Ends the program now. Drivers clean up at a normal exit, and may crash if their threads still work.
pub fn leave(code: i32) -> ! {
    #[cfg(unix)]
    // SAFETY: always sound; what this program writes, it has flushed.
    unsafe {
        nix::libc::_exit(code)
    }
    #[cfg(not(unix))]
    std::process::exit(code)
}
