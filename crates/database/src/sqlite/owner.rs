//! Who may write a file: one handle of one process at a time.
//!
//! ```text
//! open ─► this process has the file? ─► refuse, without opening it
//!         another process has it?    ─► refuse, with its process id
//!         else lock it               ─► the threads of the handle share the lock
//! last handle dropped ─► readers close ─► the log is emptied, the writer closes ─► unlocked
//! ```
//!
//! A process that is killed loses its lock with its life, so nothing is ever left behind to remove.
//!
//! Whether this process has the file is asked first, and by the file's identity: to close any
//! opening of an SQLite file would drop the locks that SQLite has on it in the same process.
//!
//! Not done here: keeping other programs away. Whoever only reads takes no lock.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use super::file_lock::{FileId, NotLocked, lockable, try_lock};
use crate::error::DatabaseError;

/// How long a handle that is dropped, or opened after another, waits for its threads to end.
const CLOSING_LIMIT: Duration = Duration::from_secs(10);

/// The files that this process may write.
static OWNED: LazyLock<Owned> = LazyLock::new(Owned::default);

thread_local! {
    /// Whether this thread is one of a handle: it cannot wait for its own end.
    static IS_OF_A_HANDLE: Cell<bool> = const { Cell::new(false) };
}

#[derive(Default)]
struct Owned {
    files: Mutex<HashMap<FileId, Standing>>,
    freed: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    /// The last handle is gone and its threads are ending.
    Closing,
}

/// The right to write one file, until it is dropped.
pub(super) struct Ownership {
    id: FileId,
    /// Locked as long as it is open; `None` only while it is dropped.
    file: Option<File>,
}

impl Ownership {
    /// Takes the file, which is made if it is not there.
    pub(super) fn take(path: &Path) -> Result<Self, DatabaseError> {
        let failed = |source| DatabaseError::Own { path: path.into(), source };
        make_if_absent(path).map_err(failed)?;
        let id = FileId::of(path).map_err(failed)?;
        warn_of_other_names(path);

        let mut files = OWNED.once_free(id.clone());
        if files.contains_key(&id) {
            let holder = Some(std::process::id());
            return Err(DatabaseError::InUse { path: path.into(), holder });
        }
        let file = lockable(path).and_then(|lock| open(&lock)).map_err(failed)?;
        match try_lock(&file) {
            Ok(()) => {
                files.insert(id.clone(), Standing::Open);
                Ok(Self { id, file: Some(file) })
            }
            Err(NotLocked::Held(holder)) => Err(DatabaseError::InUse { path: path.into(), holder }),
            Err(NotLocked::Failed(source)) => Err(failed(source)),
        }
    }

    /// Returns what waits for the end of the handle's threads when it is dropped.
    pub(super) fn closing(&self) -> Closing {
        Closing(self.id.clone())
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        let mut files = OWNED.lock();
        // Closed first: whoever finds the file off the list finds it unlocked too.
        drop(self.file.take());
        files.remove(&self.id);
        OWNED.freed.notify_all();
    }
}

/// The last part of a handle: dropped when its threads have been told to end, it waits for them.
pub(super) struct Closing(FileId);

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(standing) = OWNED.lock().get_mut(&self.0) {
            *standing = Standing::Closing;
        }
        if !IS_OF_A_HANDLE.get() {
            drop(OWNED.once_free(self.0.clone()));
        }
    }
}

/// Marks this thread as one of a handle.
pub(super) fn mark_thread() {
    IS_OF_A_HANDLE.set(true);
}

/// Waits until this process has closed every SQLite file that it could write and that it no longer
/// has a handle of; at most so long. A program calls it last of all, so that no log is left behind.
pub fn wait_for_closing_files(limit: Duration) {
    let is_closing = |files: &mut HashMap<FileId, Standing>| {
        files.values().any(|standing| *standing == Standing::Closing)
    };
    let waited = OWNED.freed.wait_timeout_while(OWNED.lock(), limit, is_closing);
    drop(waited.expect(NEVER_POISONED));
}

/// Why the lock on what is owned is never poisoned.
const NEVER_POISONED: &str = "nothing panics while it has the list of files";

impl Owned {
    fn lock(&self) -> MutexGuard<'_, HashMap<FileId, Standing>> {
        self.files.lock().expect(NEVER_POISONED)
    }

    /// Returns the list once the file is not being closed, or is for too long.
    fn once_free(&self, id: FileId) -> MutexGuard<'_, HashMap<FileId, Standing>> {
        let is_closing =
            |files: &mut HashMap<FileId, Standing>| files.get(&id) == Some(&Standing::Closing);
        let waited = self.freed.wait_timeout_while(self.lock(), CLOSING_LIMIT, is_closing);
        waited.expect(NEVER_POISONED).0
    }
}

fn make_if_absent(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => open(path).map(drop),
        Err(error) => Err(error),
        Ok(_there) => Ok(()),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// SQLite keeps the log beside the name by which a file was opened: opened by another after a
/// crash, the file lacks what is in the log.
fn warn_of_other_names(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let names = std::fs::metadata(path).map_or(1, |file| file.nlink());
        if names > 1 {
            tracing::warn!(
                path = %path.display(),
                names,
                "the database's file has hard links: open it always by the same name, as its log \
                 stands beside that name only"
            );
        }
    }
}
