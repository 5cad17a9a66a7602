//! Time and memory that this process has used so far.

/// The most memory it held at once since its start or the last [`reset_peak`], where the system tells.
#[cfg(unix)]
pub fn peak_bytes() -> Option<u64> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).ok()?;
    // Kilobytes but on Apple's systems, which count bytes.
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    u64::try_from(usage.max_rss()).ok().map(|n| n * unit)
}

/// Forgets the peak so far, so that [`peak_bytes`] tells of what follows; false where the system cannot.
pub fn reset_peak() -> bool {
    cfg!(target_os = "linux") && std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// CPU seconds of all threads, where the system tells.
#[cfg(unix)]
pub fn cpu_seconds() -> Option<f64> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).ok()?;
    let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 * 1e-6;
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}

#[cfg(not(unix))]
pub fn peak_bytes() -> Option<u64> {
    None
}

#[cfg(not(unix))]
pub fn cpu_seconds() -> Option<f64> {
    None
}
