//! Time and memory that this process has used so far.

/// The most memory it held at once since its start or the last [`reset_peak`], where the system tells.
pub fn peak_bytes() -> Option<u64> {
    // Kilobytes but on Apple's systems, which count bytes.
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    usage().map(|(most, _)| most * unit)
}

/// CPU seconds of all threads, where the system tells.
pub fn cpu_seconds() -> Option<f64> {
    usage().map(|(_, seconds)| seconds)
}

/// Forgets the peak so far, so that [`peak_bytes`] tells of what follows; false where the system cannot.
pub fn reset_peak() -> bool {
    cfg!(target_os = "linux") && std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Returns the most memory, in the system's unit, and the CPU seconds.
fn usage() -> Option<(u64, f64)> {
    #[cfg(unix)]
    {
        use nix::sys::resource::{UsageWho, getrusage};
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
        let seconds = [usage.user_time(), usage.system_time()].map(|t| t.tv_sec() as f64 + t.tv_usec() as f64 * 1e-6);
        Some((usage.max_rss().try_into().ok()?, seconds.iter().sum()))
    }
    #[cfg(not(unix))]
    None
}
