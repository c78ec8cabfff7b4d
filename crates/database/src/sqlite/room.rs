//! How much room the file and its log take, and how much is left on their disk (F13).

use std::fs;
use std::io;
use std::path::Path;

use super::log::{length_of, log_path};
use crate::disk_usage::{DiskSpace, DiskUsage};

/// Asks the system, without opening the file.
pub(super) fn usage(database: &Path) -> io::Result<DiskUsage> {
    Ok(DiskUsage {
        database_bytes: fs::metadata(database)?.len(),
        log_bytes: Some(length_of(&log_path(database)?)),
        disk: Some(space_beside(database)?),
    })
}

fn space_beside(database: &Path) -> io::Result<DiskSpace> {
    let disk = rustix::fs::statvfs(database)?;
    Ok(DiskSpace {
        free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
        total_bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
    })
}
