//! The reader threads: each job on one snapshot.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use rusqlite::Connection;

use super::connection::{connect, run_cached};
use super::owner::mark_thread;
use crate::error::DatabaseError;

pub(super) type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// Hears an end once every reader has closed its connection.
pub(super) type Readers = Receiver<()>;

/// Starts this many threads, which end when the sender is dropped.
pub(super) fn start(
    path: &Path,
    threads: usize,
) -> Result<(Sender<ReadJob>, Readers), DatabaseError> {
    let (jobs, queue) = channel();
    let (is_open, readers) = channel();
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..threads {
        let connection = connect(path, true)?;
        let queue = Arc::clone(&queue);
        let is_open = is_open.clone();
        thread::spawn(move || {
            mark_thread();
            read_loop(&connection, &queue);
            drop(connection);
            drop(is_open);
        });
    }
    Ok((jobs, readers))
}

fn read_loop(connection: &Connection, queue: &Mutex<Receiver<ReadJob>>) {
    loop {
        let next = queue.lock().expect("a reader never panics while it waits for a job").recv();
        match next {
            Ok(job) => job(connection),
            Err(_all_handles_dropped) => return,
        }
    }
}

pub(super) fn on_snapshot<T, E: From<DatabaseError>>(
    connection: &Connection,
    job: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    run_cached(connection, "BEGIN")?;
    let result = job(connection);
    run_cached(connection, "COMMIT")?;
    result
}
