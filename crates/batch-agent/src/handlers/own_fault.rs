//! Faults of our own side (D4): what the operating system refuses us says nothing of a handler.
//!
//! | what is lacking | as the system names it |
//! | --- | --- |
//! | file descriptors, of the process or of the machine | `EMFILE`, `ENFILE` |
//! | memory, buffers | `ENOMEM`, `ENOBUFS` |
//! | a local address or port to call from | `EADDRNOTAVAIL` |
//! | room on the disk, or a disk that takes writes | `ENOSPC`, `EDQUOT`, `EROFS`, `EIO` |
//!
//! A name that cannot be looked up is ours too if no file can be opened just then: the resolver
//! reads files and opens sockets, and does not tell why it could not.

use std::error::Error;
use std::io;

use rustix::io::Errno;

#[cfg(feature = "http")]
use super::public_address::NoLookUp;

/// What our own side lacked for a call that could not be made; `None` if the fault is not ours.
#[cfg(feature = "http")]
pub(super) fn lacking_for_call(error: &reqwest::Error) -> Option<&'static str> {
    // Of a call that may have been sent nobody can say that nothing was done.
    if !error.is_connect() {
        return None;
    }
    let causes = || std::iter::successors(error.source(), |error| (*error).source());
    let of_system = causes().find_map(|error| lacking(error.downcast_ref::<io::Error>()?));
    let of_resolver = || causes().any(<dyn Error>::is::<NoLookUp>).then(lacking_now)?;
    of_system.or_else(of_resolver)
}

/// What our own side lacked if this fault is ours.
pub(super) fn lacking(error: &io::Error) -> Option<&'static str> {
    match Errno::from_io_error(error)? {
        Errno::MFILE => Some("too many open files: the limit of this process is reached"),
        Errno::NFILE => Some("too many open files: the limit of this machine is reached"),
        Errno::NOMEM | Errno::NOBUFS => Some("no memory is left"),
        Errno::ADDRNOTAVAIL => Some("no local address or port is free to call from"),
        Errno::NOSPC => Some("no space is left on the disk"),
        Errno::DQUOT => Some("the disk quota is used up"),
        Errno::ROFS => Some("the disk takes no writes"),
        Errno::IO => Some("the disk fails"),
        _ => None,
    }
}

/// What our own side lacks at this moment for opening a file.
#[cfg(feature = "http")]
fn lacking_now() -> Option<&'static str> {
    std::fs::File::open("/dev/null").err().as_ref().and_then(lacking)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_our_own_side_lacks_is_our_own_fault() {
        for ours in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::ADDRNOTAVAIL, Errno::NOSPC] {
            assert!(lacking(&io::Error::from(ours)).is_some(), "{ours}");
        }
        for theirs in [Errno::CONNREFUSED, Errno::CONNRESET, Errno::HOSTUNREACH, Errno::TIMEDOUT] {
            assert_eq!(lacking(&io::Error::from(theirs)), None, "{theirs}");
        }
        assert_eq!(lacking(&io::Error::other("no code")), None);
    }
}
