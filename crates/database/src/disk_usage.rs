//! How much room a database takes, and how much is left (F13).

use serde::{Deserialize, Serialize};

/// How much room a database takes, and how much is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskUsage {
    /// Bytes of the database: SQLite's file, or the tables and indexes of PostgreSQL's schema.
    pub database_bytes: u64,
    /// Bytes of SQLite's write-ahead log; `None` on PostgreSQL, whose log is the whole server's.
    pub log_bytes: Option<u64>,
    /// The disk that holds the file; `None` on PostgreSQL, whose disk is not seen from here.
    pub disk: Option<DiskSpace>,
}

/// The room on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSpace {
    /// Bytes that this process may still use.
    pub free_bytes: u64,
    /// Bytes of the whole disk.
    pub total_bytes: u64,
}

/// So much is little on any disk: at 24 MiB of log and a few days of outcomes it lasts for hours.
const LITTLE_BYTES: u64 = 1 << 30;

/// On a small disk this share of it is little.
const LITTLE_SHARE: u64 = 10;

impl DiskSpace {
    /// Returns how few free bytes are too few: a tenth of the disk, and 1 GiB of a large one.
    pub fn least_bytes(self) -> u64 {
        (self.total_bytes / LITTLE_SHARE).min(LITTLE_BYTES)
    }

    /// Returns whether the disk is about to be full, so that somebody should make room.
    pub fn is_low(self) -> bool {
        self.free_bytes < self.least_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_low_below_a_tenth_of_it_or_one_gibibyte() {
        const GIB: u64 = 1 << 30;
        let is_low = |free_bytes, total_bytes| DiskSpace { free_bytes, total_bytes }.is_low();
        assert!(is_low(0, GIB) && is_low(GIB / 10 - 1, GIB) && !is_low(GIB / 10, GIB));
        assert!(is_low(GIB - 1, 1_000 * GIB) && !is_low(GIB, 1_000 * GIB));
    }
}
