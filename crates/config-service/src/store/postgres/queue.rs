//! Edits and imports that wait together are written together: one transaction, one plan, one way to
//! the disk.
//!
//! ```text
//! edit   ┐
//! edit   ├─► hold head ─► take what waits ─► read tenants ─► plan ─► write ─► commit ─► tell
//! import ┘
//! ```
//!
//! A job that refuses what it finds plans nothing and fails alone. A fault of the database fails
//! all jobs of the transaction. Tenants that cannot be read fail their own jobs only: these are
//! then tried one by one. A panic ends the transaction, but not the queue.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use cohort_database::{DatabaseError, limits};
use cohort_preferences::TenantId;
use futures_util::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::session::Session;
use super::tenant::tenants_named;
use super::writer::Writer;
use crate::error::{ConfigServiceError, Result};
use crate::store::edit::{Edit, Edited, ImportRow};
use crate::store::plan::{Plan, Tenants};

/// The most edits of a transaction: it bounds how long the first of them waits for the others.
const MOST_EDITS: usize = 500;

/// From so many rows to import on, a transaction takes no further job.
const MOST_ROWS: usize = 10_000;

/// How many jobs may wait before their callers have to.
const MOST_WAITING: usize = 2 * MOST_EDITS;

/// A sender to the queue; the queue ends with the last of them.
pub(super) type Queue = mpsc::Sender<Job>;

/// A write that shares its transaction with others.
pub(super) enum Job {
    /// Changes one tenant.
    Edit(Edit, oneshot::Sender<Result<Edited>>),
    /// Writes many preferences.
    Import(Vec<ImportRow>, String, oneshot::Sender<Result<Vec<bool>>>),
}

/// The outcome of planning a job, and who waits for it.
enum Planned {
    Edit(Result<Box<Edited>>, oneshot::Sender<Result<Edited>>),
    Import(Vec<bool>, oneshot::Sender<Result<Vec<bool>>>),
}

/// Returns a queue, and its other end for [`work`].
pub(super) fn queue() -> (Queue, mpsc::Receiver<Job>) {
    mpsc::channel(MOST_WAITING)
}

/// Puts a job into the queue and waits until it is committed.
pub(super) async fn wait<T>(
    queue: &Queue,
    job: impl FnOnce(oneshot::Sender<Result<T>>) -> Job,
) -> Result<T> {
    let (tell, told) = oneshot::channel();
    queue.send(job(tell)).await.map_err(|_ended| DatabaseError::Closed)?;
    told.await.map_err(|_ended| DatabaseError::Closed)?
}

/// Writes the jobs that come, until nobody can send any more.
pub(super) async fn work(session: Arc<Mutex<Session>>, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.recv().await {
        let written =
            AssertUnwindSafe(write_waiting(&session, first, &mut jobs)).catch_unwind().await;
        if written.is_err() {
            tracing::error!(
                "writing preferences panicked; what was to be written together was rolled back"
            );
        }
    }
}

async fn write_waiting(session: &Mutex<Session>, first: Job, waiting: &mut mpsc::Receiver<Job>) {
    let mut session = session.lock().await;
    // Whoever comes while the transaction waits for its turn is taken along.
    let unreadable = match session.begin_within(limit_of(&first)).await {
        Ok(writer) => write_together(writer, gather(first, waiting)).await,
        Err(error) => return fail(gather(first, waiting).into_iter().map(Job::into_waiter), error),
    };
    for job in unreadable {
        match session.begin_within(limit_of(&job)).await {
            Ok(writer) => drop(write_together(writer, vec![job]).await),
            Err(error) => fail([job.into_waiter()], error),
        }
    }
}

/// How long the transaction of a job may take. Edits that are taken along by an import wait for it.
fn limit_of(first: &Job) -> Duration {
    match first {
        Job::Edit(..) => limits::INTERACTIVE,
        Job::Import(..) => limits::LONG,
    }
}

/// Returns the jobs that wait by now, as many as one transaction takes.
fn gather(first: Job, waiting: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let mut rows = first.rows();
    let mut jobs = vec![first];
    while jobs.len() < MOST_EDITS
        && rows < MOST_ROWS
        && let Ok(job) = waiting.try_recv()
    {
        rows += job.rows();
        jobs.push(job);
    }
    jobs
}

/// Writes all of it or nothing, and tells who waits. Returns the jobs that could not be planned
/// because something in the database cannot be read.
async fn write_together(mut writer: Writer<'_>, jobs: Vec<Job>) -> Vec<Job> {
    let mut tenants = match tenants_named(writer.db(), &tenants_of(&jobs)).await {
        Ok(tenants) => tenants,
        Err(ConfigServiceError::Unreadable(_)) if jobs.len() > 1 => return jobs,
        Err(error) => {
            fail(jobs.into_iter().map(Job::into_waiter), error);
            return Vec::new();
        }
    };
    let plan_all = |plan: &mut Plan<'_>| {
        jobs.into_iter().map(|job| job.plan(plan, &mut tenants)).collect::<Vec<_>>()
    };
    let (planned, rows) = writer.plan(plan_all);
    let written = match writer.write(&rows).await {
        Ok(()) => writer.commit().await,
        Err(error) => Err(error),
    };
    match written {
        Ok(()) => planned.into_iter().for_each(Planned::tell),
        Err(error) => fail(planned.into_iter().map(Planned::into_waiter), error),
    }
    Vec::new()
}

fn tenants_of(jobs: &[Job]) -> Vec<&TenantId> {
    let mut tenants = HashSet::new();
    for job in jobs {
        match job {
            Job::Edit(edit, _) => tenants.extend([&edit.tenant]),
            Job::Import(rows, ..) => tenants.extend(rows.iter().map(|row| &row.tenant)),
        }
    }
    tenants.into_iter().collect()
}

impl Job {
    fn rows(&self) -> usize {
        match self {
            Self::Edit(..) => 1,
            Self::Import(rows, ..) => rows.len(),
        }
    }

    fn plan(self, plan: &mut Plan<'_>, tenants: &mut Tenants) -> Planned {
        match self {
            Self::Edit(edit, waiter) => {
                Planned::Edit(plan.edit(tenants, edit).map(Box::new), waiter)
            }
            Self::Import(rows, actor, waiter) => {
                Planned::Import(plan.import(tenants, rows, &actor), waiter)
            }
        }
    }

    fn into_waiter(self) -> Waiter {
        match self {
            Self::Edit(_, waiter) => Waiter::Edit(waiter),
            Self::Import(.., waiter) => Waiter::Import(waiter),
        }
    }
}

impl Planned {
    /// Tells whoever waits; who has gone away needs no answer.
    fn tell(self) {
        match self {
            Self::Edit(edited, waiter) => drop(waiter.send(edited.map(|edited| *edited))),
            Self::Import(changed, waiter) => drop(waiter.send(Ok(changed))),
        }
    }

    fn into_waiter(self) -> Waiter {
        match self {
            Self::Edit(_, waiter) => Waiter::Edit(waiter),
            Self::Import(_, waiter) => Waiter::Import(waiter),
        }
    }
}

/// Who waits for a job that failed.
enum Waiter {
    Edit(oneshot::Sender<Result<Edited>>),
    Import(oneshot::Sender<Result<Vec<bool>>>),
}

impl Waiter {
    fn fail(self, error: ConfigServiceError) {
        match self {
            Self::Edit(waiter) => drop(waiter.send(Err(error))),
            Self::Import(waiter) => drop(waiter.send(Err(error))),
        }
    }
}

/// Tells everybody of the transaction why it failed.
fn fail(waiters: impl IntoIterator<Item = Waiter>, error: ConfigServiceError) {
    let each: Box<dyn Fn() -> ConfigServiceError> = match error {
        ConfigServiceError::Database(error) => {
            let error = Arc::new(error);
            Box::new(move || DatabaseError::Together(Arc::clone(&error)).into())
        }
        other => Box::new(move || ConfigServiceError::Unreadable(other.to_string())),
    };
    waiters.into_iter().for_each(|waiter| waiter.fail(each()));
}
