//! Whether there is room for both databases (F13).

use cohort_database::{DiskSpace, DiskUsage};

use crate::endpoint::Endpoint;
use crate::table::bytes;

/// Asks how much room a database takes; `None` if nobody answers that here.
pub(super) async fn ask(endpoint: &Endpoint, path: &str) -> anyhow::Result<Option<DiskUsage>> {
    endpoint.find_json(path).await
}

/// Returns in words how much room a database takes, and fails if little is left for it.
pub(super) fn verdict(usage: DiskUsage) -> anyhow::Result<String> {
    let takes = match usage.log_bytes {
        Some(log) => {
            format!("it takes {}, and its log {}", bytes(usage.database_bytes), bytes(log))
        }
        None => format!("it takes {}", bytes(usage.database_bytes)),
    };
    let Some(disk) = usage.disk else {
        return Ok(format!("{takes}; the disk of its server is not seen from here"));
    };
    let DiskSpace { free_bytes, total_bytes } = disk;
    let free = format!("{} of {} are free on its disk", bytes(free_bytes), bytes(total_bytes));
    anyhow::ensure!(
        !disk.is_low(),
        "{takes}; only {free}, less than {}: make room before nothing can be written any more",
        bytes(disk.least_bytes())
    );
    Ok(format!("{takes}; {free}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn usage(free_bytes: u64) -> DiskUsage {
        let disk = Some(DiskSpace { free_bytes, total_bytes: 20_480 * MIB });
        DiskUsage { database_bytes: 300 * MIB, log_bytes: Some(4 * MIB), disk }
    }

    #[test]
    fn a_disk_with_room_is_told_of_and_one_without_is_a_fault() {
        let well = verdict(usage(15_360 * MIB)).expect("enough room");
        assert_eq!(
            well,
            "it takes 300.0 MiB, and its log 4.0 MiB; 15.0 GiB of 20.0 GiB are free on its disk"
        );
        let ill = verdict(usage(512 * MIB)).expect_err("too little").to_string();
        assert!(ill.contains("only 512.0 MiB of 20.0 GiB are free"), "{ill}");
        assert!(ill.contains("less than 1.0 GiB"), "{ill}");
    }

    #[test]
    fn the_disk_of_a_server_is_no_fault() {
        let usage = DiskUsage { log_bytes: None, disk: None, ..usage(0) };
        let told = verdict(usage).expect("not known to be low");
        assert!(told.starts_with("it takes 300.0 MiB; the disk of its server"), "{told}");
    }
}
