//! Ready means able (F12): real processes whose databases fail and recover.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use cohort_database::testing::fresh_postgres;
use cohort_fault_proxy::{Fault, FaultProxy};
use serde_json::Value;
use tempfile::TempDir;

use crate::apart::{Apart, Calls, until, until_ready};
use crate::serving::{Up, http};

/// What a proxy answers whose server is away.
const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n\
    <html></html>";

/// The causes that a process names; none if it is ready.
async fn causes(up: &Up) -> Vec<(String, String)> {
    let url = format!("http://{}/readyz", up.address());
    let answer = http().get(url).send().await.expect("it answers");
    let is_ready = answer.status().is_success();
    let answer: Value =
        serde_json::from_str(&answer.text().await.expect("text")).expect("JSON in any case");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let causes = answer["causes"].as_array().into_iter().flatten();
    let causes: Vec<_> =
        causes.map(|cause| (text(&cause["part"]), text(&cause["cause"]))).collect();
    assert_eq!(is_ready, causes.is_empty(), "{answer}");
    causes
}

/// Waits until a process is not ready because of a part, and says what it says of it.
async fn until_unready(up: &Up, part: &str) -> String {
    let mut told = String::new();
    until(&format!("{part} is a cause"), async || {
        let causes = causes(up).await;
        let Some((_, cause)) = causes.into_iter().find(|(named, _)| named == part) else {
            return false;
        };
        told = cause;
        true
    })
    .await;
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_database_that_answers_with_a_page_or_not_at_all_is_noticed_and_so_is_its_return()
{
    let (_calls, endpoint) = Calls::endpoint().await;
    let apart = Apart::with_endpoint(&endpoint);
    let agent = apart.agent(&apart.agent_key().await.1);
    until_ready(&agent).await;
    for fault in [Fault::Garbage(PAGE.to_vec()), Fault::Silence, Fault::Refuse] {
        apart.config_database_has(fault).await;
        let told = until_unready(&agent, "config_database").await;
        assert!(told.starts_with("the change feed: "), "{told}");
        apart.config_database_has(Fault::None).await;
        until_ready(&agent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_on_postgres_that_hangs_or_is_away_is_noticed_and_so_is_its_return() {
    let (_calls, endpoint) = Calls::endpoint().await;
    let (apart, database) = (Apart::with_endpoint(&endpoint), fresh_postgres());
    let server = database.url.split('@').nth(1).and_then(|rest| rest.split('/').next());
    let server = server.expect("an address");
    let proxy = FaultProxy::before(server.parse().expect("host and port")).expect("a free port");
    let url = database.url.replace(server, &proxy.address().to_string());
    let (key, name) = (apart.agent_key().await.1, &database.schema.as_str()[..30]);
    let agent = apart.agent_on(&url, name, &key);
    until_ready(&agent).await;
    for fault in [Fault::Silence, Fault::Refuse] {
        proxy.set(fault).await;
        let told = until_unready(&agent, "ledger").await;
        assert!(told.starts_with("the ledger: "), "{told}");
        proxy.set(Fault::None).await;
        until_ready(&agent).await;
    }
}

/// A file system that is as small as it can be, unmounted when it is dropped.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// Returns `None` where this user may not mount.
    pub(crate) fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(folder.path())
            .output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then(|| Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes every byte that is free, until the file is removed.
    pub(crate) fn fill(&self) -> PathBuf {
        let path = self.path().join("filling");
        let mut file = File::create(&path).expect("made");
        let mut piece = vec![0; 1 << 20];
        while !piece.is_empty() {
            if file.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What stays mounted goes with the machine of the test.
        let _left = Command::new("umount").arg("--lazy").arg(self.path()).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_noticed_by_both_parts_of_up_and_so_is_its_end() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("not tried: this user may not mount a small file system");
        return;
    };
    let up = Up::start(&disk.path().join("data"), &[], &[]);
    until_ready(&up).await;
    let filling = disk.fill();
    let told = until_unready(&up, "ledger").await;
    assert!(told.contains("disk"), "{told}");
    let told = until_unready(&up, "preferences").await;
    assert!(told.contains("disk"), "{told}");
    std::fs::remove_file(filling).expect("removed");
    until_ready(&up).await;
}
