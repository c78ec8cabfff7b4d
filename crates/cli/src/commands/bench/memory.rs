//! What processes cost, where the system tells it (Linux).

use std::time::Duration;

use anyhow::Context;

/// Lets the peak begin again at what is used now, where the system can (Linux).
pub(super) fn forget_peak_memory() {
    // Without it the peak is that of the whole process so far, which is only less telling.
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

/// Returns the most memory resident so far, in megabytes; `None` where the system does not tell it
/// (other than Linux).
pub(super) fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| megabytes(line.strip_prefix("VmHWM:")?))
}

/// Returns the memory that a process holds now, in megabytes.
pub(super) fn resident(process: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))
        .context("cannot read what the process holds")?;
    status
        .lines()
        .find_map(|line| megabytes(line.strip_prefix("VmRSS:")?))
        .context("the system does not say what the process holds")
}

/// Returns how long processors have worked for a process. The kernel counts hundredths of a second.
pub(super) fn processor_time(process: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))
        .context("cannot read how long the process has worked")?;
    // The name may hold blanks; behind its closing parenthesis, user and system time are the 12th
    // and 13th fields (proc(5)).
    let ticks: Option<u64> = stat.rsplit_once(')').and_then(|(_, fields)| {
        let mut times = fields.split_whitespace().skip(11).take(2);
        Some(times.next()?.parse::<u64>().ok()? + times.next()?.parse::<u64>().ok()?)
    });
    Ok(Duration::from_millis(
        10 * ticks.context("the system does not say how long the process has worked")?,
    ))
}

fn megabytes(text: &str) -> Option<f64> {
    let kibibytes: f64 = text.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}
