//! A data folder: who holds it, and its admin key.
//!
//! ```text
//! DIR/lock        held by the process that serves the folder (an OS file lock);
//!                 its text is {"pid":…,"address":…}
//! DIR/admin.key   the key that opens everything in it, readable by its owner only
//! ```
//!
//! The lock is the truth and the text only says who: a process that was killed leaves its text
//! behind, but not its lock. Looking takes the lock shared for an instant, so taking it for good is
//! tried a few times before it counts as refused.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{Request, StatusCode};
use cohort_config_service::{ConfigService, Scope};
use serde::{Deserialize, Serialize};
use tower::ServiceExt;

/// The lock's file in the data folder.
pub(crate) const LOCK: &str = "lock";
const ADMIN_KEY: &str = "admin.key";

/// How often taking the lock is tried, and the wait in between: a look at it takes far less.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// A data folder held by this process, until it is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    lock: File,
}

/// The process that holds a data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Its process id.
    pub(crate) pid: u32,
    /// Where it listens; `None` while it starts, or if it does not serve.
    pub(crate) address: Option<SocketAddr>,
}

impl DataDir {
    /// Takes the folder, which is made if it is not there; fails with the holder's name if another
    /// process has it.
    pub(crate) async fn lock(path: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .with_context(|| format!("cannot open {}", path.join(LOCK).display()))?;
        for _ in 0..TRIES {
            match lock.try_lock() {
                Ok(()) => {
                    let held = Self { path: path.to_owned(), lock };
                    held.write_holder(None)?;
                    return Ok(held);
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(BETWEEN_TRIES).await,
                Err(TryLockError::Error(error)) => {
                    return Err(error).context("cannot lock the data folder");
                }
            }
        }
        anyhow::bail!("{} is in use by {}", path.display(), in_words(read_holder(&lock)?.as_ref()))
    }

    /// Says in the lock file where this process listens.
    pub(crate) fn announce(&self, address: SocketAddr) -> anyhow::Result<()> {
        self.write_holder(Some(address))
    }

    fn write_holder(&self, address: Option<SocketAddr>) -> anyhow::Result<()> {
        let holder = Holder { pid: std::process::id(), address };
        let text = serde_json::to_vec(&holder)?;
        let mut file = &self.lock;
        let written =
            file.rewind().and_then(|()| file.set_len(0)).and_then(|()| file.write_all(&text));
        written.with_context(|| format!("cannot write {}", self.path.join(LOCK).display()))
    }

    /// Returns the process that holds the folder now; `None` if nobody does.
    pub(crate) fn holder(path: &Path) -> anyhow::Result<Option<Holder>> {
        let lock = match File::open(path.join(LOCK)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot open {}", path.join(LOCK).display()));
            }
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&lock)?;
                holder.map(Some).with_context(|| {
                    format!("{} is in use by a process that does not say who it is", path.display())
                })
            }
            Err(TryLockError::Error(error)) => {
                Err(error).context("cannot look at the lock of the data folder")
            }
        }
    }

    /// Returns the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the admin key, readable by its owner only.
    pub(crate) fn write_admin_key(&self, key: &str) -> anyhow::Result<()> {
        write_key_file(&self.path.join(ADMIN_KEY), key)
    }
}

/// Writes a key, readable by its owner only.
pub(crate) fn write_key_file(path: &Path, key: &str) -> anyhow::Result<()> {
    let written = private_file(path).and_then(|mut file| {
        file.write_all(format!("{key}\n").as_bytes())?;
        file.sync_all()
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Reads the folder's admin key; `None` if there is none yet, or an empty one of a process that was
/// killed before it wrote it.
pub(crate) fn read_admin_key(folder: &Path) -> anyhow::Result<Option<String>> {
    let path = folder.join(ADMIN_KEY);
    match std::fs::read_to_string(&path) {
        Ok(key) => Ok(Some(key.trim().to_owned()).filter(|key| !key.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Returns the folder's admin key, and makes one if the folder has none that opens it. Whoever may
/// write the folder may do everything anyway.
pub(crate) async fn admin_key(held: &DataDir, service: &ConfigService) -> anyhow::Result<String> {
    if let Some(key) = read_admin_key(held.path())? {
        if is_known(service, &key).await? {
            return Ok(key);
        }
        tracing::warn!(
            file = ADMIN_KEY,
            "the key in the file is none of this Config Database; a new one is written"
        );
    }
    let key =
        service.create_key("admin", Scope::Admin).await.context("cannot make an admin key")?;
    held.write_admin_key(&key)?;
    Ok(key)
}

/// Returns whether the service knows the key: its database may have been restored since.
async fn is_known(service: &ConfigService, key: &str) -> anyhow::Result<bool> {
    let request = Request::get("/api/v1/preferences/changes?limit=1")
        .header(AUTHORIZATION, format!("Bearer {key}"));
    let Ok(request) = request.body(Body::empty()) else { return Ok(false) };
    Ok(service.router().oneshot(request).await?.status() != StatusCode::UNAUTHORIZED)
}

/// Creates a file that nobody else can open at any moment; one of that name is replaced.
fn private_file(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _gone => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Reads what the lock file says; `None` if it cannot be understood.
fn read_holder(mut lock: &File) -> anyhow::Result<Option<Holder>> {
    let mut text = Vec::new();
    lock.rewind()
        .and_then(|()| lock.read_to_end(&mut text))
        .context("cannot read the lock file")?;
    Ok(serde_json::from_slice(&text).ok())
}

fn in_words(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder { pid, address: Some(address) }) => format!("process {pid} at {address}"),
        Some(Holder { pid, address: None }) => format!("process {pid}"),
        None => "another process".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_process_is_told_who_holds_the_folder_and_where() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data");
        assert_eq!(DataDir::holder(&path).expect("readable"), None);
        let held = DataDir::lock(&path).await.expect("free");
        held.announce("127.0.0.1:8000".parse().expect("valid")).expect("written");
        let error = DataDir::lock(&path).await.expect_err("held");
        let expected = format!("in use by process {} at 127.0.0.1:8000", std::process::id());
        assert!(error.to_string().ends_with(&expected), "{error}");
        let holder = DataDir::holder(&path).expect("readable").expect("held");
        assert_eq!(holder.pid, std::process::id());
    }

    #[tokio::test]
    async fn a_folder_whose_holder_ended_is_free_whatever_its_lock_file_says() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(DataDir::lock(folder.path()).await.expect("free"));
        assert_eq!(DataDir::holder(folder.path()).expect("readable"), None);
        DataDir::lock(folder.path()).await.expect("free again");
    }

    #[tokio::test]
    async fn the_admin_key_is_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read_admin_key(folder.path()).expect("none is no error"), None);
        let held = DataDir::lock(folder.path()).await.expect("free");
        held.write_admin_key("secret").expect("written");
        assert_eq!(read_admin_key(held.path()).expect("readable").as_deref(), Some("secret"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode =
                std::fs::metadata(held.path().join(ADMIN_KEY)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
