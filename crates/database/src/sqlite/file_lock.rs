//! The lock on a database's file that the operating system keeps, and frees when a process ends.

pub(super) use self::system::{FileId, lockable, try_lock};

/// Why a file was not locked.
pub(super) enum NotLocked {
    /// Another process has it; its id, as far as that can be told.
    Held(Option<u32>),
    /// The lock could not be asked for.
    Failed(std::io::Error),
}

/// The file itself is locked, however it is named: through links, other folders and mounts.
///
/// The lock is on bytes far behind the end of the file, and of the kind that belongs to one opening
/// of it: SQLite's own locks are on other bytes and of another kind, so neither disturbs the other.
/// A second byte says who has the lock: its place is the process id.
#[cfg(target_os = "linux")]
mod system {
    use std::fs::{self, File};
    use std::io;
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};

    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;

    use super::NotLocked;

    /// The byte that is locked.
    const LOCK: i64 = 1 << 62;

    /// Where the bytes begin that name processes.
    const NAMES: i64 = LOCK + 1;

    /// What tells one file from another.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub(in crate::sqlite) struct FileId(u64, u64);

    impl FileId {
        pub(in crate::sqlite) fn of(path: &Path) -> io::Result<Self> {
            fs::metadata(path).map(|file| Self(file.dev(), file.ino()))
        }
    }

    /// Returns the file whose lock stands for that of the database.
    #[expect(clippy::unnecessary_wraps, reason = "on other systems the path is looked up")]
    pub(in crate::sqlite) fn lockable(database: &Path) -> io::Result<PathBuf> {
        Ok(database.to_owned())
    }

    /// Locks the file until it is closed.
    pub(in crate::sqlite) fn try_lock(file: &File) -> Result<(), NotLocked> {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&bytes(LOCK, 1))) {
            Ok(_locked) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => return Err(NotLocked::Held(holder(file))),
            Err(error) => return Err(NotLocked::Failed(error.into())),
        }
        let name = NAMES + i64::from(std::process::id());
        // Without it the lock holds as well, and others cannot say whose it is.
        let _unnamed = fcntl(file, FcntlArg::F_OFD_SETLK(&bytes(name, 1)));
        Ok(())
    }

    fn holder(file: &File) -> Option<u32> {
        let mut names = bytes(NAMES, i64::from(u32::MAX));
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut names)).ok()?;
        let is_locked = i32::from(names.l_type) != libc::F_UNLCK;
        is_locked.then(|| u32::try_from(names.l_start - NAMES).ok()).flatten()
    }

    fn bytes(start: i64, length: i64) -> libc::flock {
        libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: start,
            l_len: length,
            l_pid: 0,
        }
    }
}

/// A file beside the database is locked, under the name that symbolic links lead to: on these
/// systems a lock on the database's file could be in the way of SQLite's own.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::fs::{self, File, TryLockError};
    use std::io;
    use std::path::{Path, PathBuf};

    use super::NotLocked;

    /// What tells one file from another.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub(in crate::sqlite) struct FileId(PathBuf);

    impl FileId {
        pub(in crate::sqlite) fn of(path: &Path) -> io::Result<Self> {
            fs::canonicalize(path).map(Self)
        }
    }

    /// Returns the file whose lock stands for that of the database.
    pub(in crate::sqlite) fn lockable(database: &Path) -> io::Result<PathBuf> {
        let mut name = fs::canonicalize(database)?.into_os_string();
        name.push("-lock");
        Ok(name.into())
    }

    /// Locks the file until it is closed.
    pub(in crate::sqlite) fn try_lock(file: &File) -> Result<(), NotLocked> {
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => NotLocked::Held(None),
            TryLockError::Error(error) => NotLocked::Failed(error),
        })
    }
}
