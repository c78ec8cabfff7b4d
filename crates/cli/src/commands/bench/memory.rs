//! How much memory this process holds, where the system says it (Linux).

/// Lets the peak begin anew at what is used now, where the system can (Linux).
pub(super) fn forget_peak_memory() {
    // Without it the peak is that of the whole process so far, which is only less telling.
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

/// The most memory resident so far, in megabytes; `None` where the system does not say it (other than Linux).
pub(super) fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}
