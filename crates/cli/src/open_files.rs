//! The limit of open files: each connection is one, and shells often allow 1,024 at first though
//! the system allows far more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's limit as far as it may by itself. Where that is refused, the limit stays:
/// whoever runs into it says so (D4).
pub(crate) fn allow_as_many_as_possible() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => tracing::debug!(from = ?current, to = ?maximum, "more files may be open"),
        Err(error) => tracing::debug!(%error, "the limit of open files stays"),
    }
}
