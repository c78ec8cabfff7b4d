//! Why a database does not do what is asked, in plain words.
//!
//! A [`DatabaseError`](crate::DatabaseError) says which act failed. Its
//! [`cause`](crate::DatabaseError::cause) says what the operator has to look at: the disk, the
//! server, the slots. Both databases share the causes, and no cause holds an address or a secret.

use std::fmt;

/// What keeps a database from doing what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultCause {
    /// No space is left where the database is.
    DiskFull,
    /// The disk, or the file on it, cannot be read or written.
    DiskFault,
    /// Nobody listens at the database's address.
    ConnectionRefused,
    /// The database's host cannot be found or reached.
    Unreachable,
    /// A connection broke.
    ConnectionLost,
    /// The server has no connection left for us.
    NoConnectionSlots,
    /// All connections of this process stayed in use.
    AllConnectionsInUse,
    /// No answer came within our limit.
    NoAnswer,
    /// The server starts, stops or has crashed.
    Restarting,
    /// A lock stayed with somebody else.
    Locked,
    /// The statement ran into a limit of the server, or somebody canceled it.
    Canceled,
    /// Another transaction was in the way, and this one was rolled back.
    Conflict,
    /// The server or the process has no memory left.
    OutOfMemory,
    /// The database takes no writes, as a standby does after a failover.
    ReadOnly,
    /// This process has closed the database.
    Closed,
    /// The database does not let this user in.
    LoginRefused,
    /// What was asked is wrong, or the database is damaged: a person has to look.
    Defect,
}

impl FaultCause {
    /// Returns whether the same may succeed later, with nothing changed by a person.
    pub fn may_pass(self) -> bool {
        !matches!(self, Self::LoginRefused | Self::Defect)
    }

    /// Returns the cause as a short word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::DiskFault => "disk_fault",
            Self::ConnectionRefused => "connection_refused",
            Self::Unreachable => "unreachable",
            Self::ConnectionLost => "connection_lost",
            Self::NoConnectionSlots => "no_connection_slots",
            Self::AllConnectionsInUse => "all_connections_in_use",
            Self::NoAnswer => "no_answer",
            Self::Restarting => "restarting",
            Self::Locked => "locked",
            Self::Canceled => "canceled",
            Self::Conflict => "conflict",
            Self::OutOfMemory => "out_of_memory",
            Self::ReadOnly => "read_only",
            Self::Closed => "closed",
            Self::LoginRefused => "login_refused",
            Self::Defect => "defect",
        }
    }
}

impl fmt::Display for FaultCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DiskFull => "the database's disk is full",
            Self::DiskFault => "the database's disk or file cannot be read or written",
            Self::ConnectionRefused => "the connection to the database was refused",
            Self::Unreachable => "the database's host cannot be reached",
            Self::ConnectionLost => "the connection to the database broke",
            Self::NoConnectionSlots => "the database has no connection slots left",
            Self::AllConnectionsInUse => "all connections of this process stayed in use",
            Self::NoAnswer => "the database does not answer",
            Self::Restarting => "the database is starting, stopping or recovering",
            Self::Locked => "the database is locked by somebody else",
            Self::Canceled => "the database's time limit for a statement was reached",
            Self::Conflict => "another transaction was in the way",
            Self::OutOfMemory => "the database has no memory left",
            Self::ReadOnly => "the database takes no writes",
            Self::Closed => "the database is closed, as this process ends",
            Self::LoginRefused => "the database does not let this user in",
            Self::Defect => "the database refuses what it was asked, or is damaged",
        })
    }
}

/// Returns what an error of SQLite comes from.
pub(crate) fn of_sqlite(error: &rusqlite::Error) -> FaultCause {
    use rusqlite::ErrorCode as Code;
    let rusqlite::Error::SqliteFailure(failure, _) = error else { return FaultCause::Defect };
    match failure.code {
        Code::DiskFull => FaultCause::DiskFull,
        Code::SystemIoFailure | Code::CannotOpen | Code::PermissionDenied => FaultCause::DiskFault,
        Code::DatabaseBusy | Code::DatabaseLocked | Code::FileLockingProtocolFailed => {
            FaultCause::Locked
        }
        Code::OutOfMemory => FaultCause::OutOfMemory,
        Code::ReadOnly => FaultCause::ReadOnly,
        Code::OperationInterrupted => FaultCause::Canceled,
        _ => FaultCause::Defect,
    }
}

#[cfg(feature = "postgres")]
pub(crate) use self::postgres::of_postgres;

/// The causes of PostgreSQL's errors.
#[cfg(feature = "postgres")]
mod postgres {
    use std::error::Error as _;
    use std::io::ErrorKind;

    use tokio_postgres::error::Error as PostgresError;

    use super::FaultCause;

    /// Returns what an error of the server, or of the way to it, comes from.
    pub(crate) fn of_postgres(error: &PostgresError) -> FaultCause {
        match error.code() {
            Some(state) => of_state(state.code()),
            None if error.is_closed() => FaultCause::ConnectionLost,
            None => io_cause(error).map_or(FaultCause::Defect, of_io),
        }
    }

    /// What went wrong on the way to the server.
    fn io_cause(error: &PostgresError) -> Option<ErrorKind> {
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        causes
            .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
            .map(std::io::Error::kind)
            .next()
    }

    fn of_io(kind: ErrorKind) -> FaultCause {
        match kind {
            ErrorKind::ConnectionRefused => FaultCause::ConnectionRefused,
            ErrorKind::TimedOut => FaultCause::NoAnswer,
            // A certificate that does not fit.
            ErrorKind::InvalidData => FaultCause::Defect,
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => FaultCause::ConnectionLost,
            // A name that is not found, a network without a way.
            _ => FaultCause::Unreachable,
        }
    }

    /// Returns what a state comes from ("PostgreSQL Error Codes", appendix A): single ones first,
    /// then whole classes.
    pub(super) fn of_state(state: &str) -> FaultCause {
        match state {
            "53100" => return FaultCause::DiskFull,
            "53200" => return FaultCause::OutOfMemory,
            "53300" => return FaultCause::NoConnectionSlots,
            "55P03" => return FaultCause::Locked,
            "57014" => return FaultCause::Canceled,
            "25006" => return FaultCause::ReadOnly,
            "25P03" | "25P04" | "57P05" => return FaultCause::ConnectionLost,
            "57P01" | "57P02" | "57P03" => return FaultCause::Restarting,
            "3D000" | "42501" => return FaultCause::LoginRefused,
            _ => {}
        }
        match state.get(..2) {
            Some("08") => FaultCause::ConnectionLost,
            Some("28") => FaultCause::LoginRefused,
            Some("40") => FaultCause::Conflict,
            Some("53") => FaultCause::OutOfMemory,
            Some("58") => FaultCause::DiskFault,
            _ => FaultCause::Defect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "postgres")]
    fn each_state_of_postgresql_that_passes_has_its_cause_in_plain_words() {
        for (state, cause) in [
            ("53100", FaultCause::DiskFull),
            ("53200", FaultCause::OutOfMemory),
            ("53300", FaultCause::NoConnectionSlots),
            ("55P03", FaultCause::Locked),
            ("57014", FaultCause::Canceled),
            ("57P01", FaultCause::Restarting),
            ("57P02", FaultCause::Restarting),
            ("57P03", FaultCause::Restarting),
            ("08006", FaultCause::ConnectionLost),
            ("25006", FaultCause::ReadOnly),
            ("25P03", FaultCause::ConnectionLost),
            ("40001", FaultCause::Conflict),
            ("40P01", FaultCause::Conflict),
            ("58030", FaultCause::DiskFault),
        ] {
            assert_eq!(postgres::of_state(state), cause, "{state}");
            assert!(cause.may_pass(), "{state}");
        }
        for (state, cause) in [
            ("42P01", FaultCause::Defect),
            ("23505", FaultCause::Defect),
            ("XX001", FaultCause::Defect),
            ("28P01", FaultCause::LoginRefused),
            ("3D000", FaultCause::LoginRefused),
        ] {
            assert_eq!(postgres::of_state(state), cause, "{state}");
            assert!(!cause.may_pass(), "{state}");
        }
    }

    #[test]
    fn each_error_of_sqlite_that_passes_has_its_cause() {
        use rusqlite::ffi;
        for (code, cause) in [
            (ffi::SQLITE_FULL, FaultCause::DiskFull),
            (ffi::SQLITE_IOERR, FaultCause::DiskFault),
            (ffi::SQLITE_BUSY, FaultCause::Locked),
            (ffi::SQLITE_LOCKED, FaultCause::Locked),
            (ffi::SQLITE_NOMEM, FaultCause::OutOfMemory),
            (ffi::SQLITE_READONLY, FaultCause::ReadOnly),
            (ffi::SQLITE_CANTOPEN, FaultCause::DiskFault),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(of_sqlite(&error), cause, "{code}");
            assert!(cause.may_pass(), "{code}");
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_CONSTRAINT, ffi::SQLITE_NOTADB] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(of_sqlite(&error), FaultCause::Defect, "{code}");
        }
    }
}
