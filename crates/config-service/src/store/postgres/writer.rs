//! A transaction that writes: it holds `head`, stamps what is written and counts it.

use cohort_database::Transaction;
use cohort_database::statement::{execute, query_one};
use cohort_preferences::{FeatureType, MonotonicStamps};
use jiff::Timestamp;

use super::process::Process;
use super::rows;
use crate::error::Result;
use crate::store::columns::instant;
use crate::store::names::Learned;
use crate::store::plan::{Head, Plan, Rows};

/// A transaction that holds `head`: no other process writes until it has ended.
pub(super) struct Writer<'a> {
    db: Transaction<'a>,
    process: &'a Process,
    stamps: MonotonicStamps,
    head: Head,
    learned: Learned,
    /// Whether a stamp was taken, which must be noted in `head`.
    is_stamped: bool,
    /// Whether keys or definitions are changed.
    is_admission: bool,
}

impl<'a> Writer<'a> {
    /// Begins to write as soon as no other process holds `head`.
    pub(super) async fn begin(db: Transaction<'a>, process: &'a Process) -> Result<Self> {
        let select = "SELECT stamp, change_id, tenant_id FROM head FOR UPDATE";
        let row = query_one(&db, select, &[]).await?;
        let stamps = MonotonicStamps::after(instant(row.get("stamp"))?);
        let head = Head { change: row.get("change_id"), tenant: row.get("tenant_id") };
        Ok(Self {
            db,
            process,
            stamps,
            head,
            learned: Learned::default(),
            is_stamped: false,
            is_admission: false,
        })
    }

    /// Returns the transaction.
    pub(super) fn db(&self) -> &Transaction<'a> {
        &self.db
    }

    /// Returns a stamp for what is written without a plan.
    pub(super) fn stamp(&mut self) -> Timestamp {
        self.is_stamped = true;
        self.stamps.next(self.process.clock.now())
    }

    /// Returns the number of a change row that is written without a plan.
    pub(super) fn next_change(&mut self) -> i64 {
        self.head.change += 1;
        self.head.change
    }

    /// Marks the transaction as one that changes keys or definitions.
    pub(super) fn changing_admissions(self) -> Self {
        Self { is_admission: true, ..self }
    }

    /// Makes a plan of what is to be written.
    pub(super) fn plan<T>(&mut self, work: impl FnOnce(&mut Plan<'_>) -> T) -> (T, Rows) {
        let mut take = || {
            self.is_stamped = true;
            self.stamps.next(self.process.clock.now())
        };
        let mut plan = Plan::new(self.head, &mut take);
        let done = work(&mut plan);
        let (rows, head) = plan.finish();
        self.head = head;
        (done, rows)
    }

    /// Writes what was planned.
    pub(super) async fn write(&mut self, planned: &Rows) -> Result<()> {
        // On the heap: several statements at once make a large future.
        Box::pin(rows::write(&self.db, &self.process.names, &mut self.learned, planned)).await
    }

    /// Returns the number of a feature, which is made if it is new.
    pub(super) async fn feature(&mut self, feature: &FeatureType) -> Result<i64> {
        rows::feature(&self.db, &self.process.names, &mut self.learned, feature).await
    }

    /// Notes in `head` what was taken, commits, and notifies everybody.
    pub(super) async fn commit(self) -> Result<()> {
        let Self { db, process, stamps, head, learned, is_stamped, is_admission } = self;
        if is_stamped {
            let note = "WITH noted AS (
                     UPDATE head SET stamp = $1, change_id = $2, tenant_id = $3,
                     admissions = admissions + $4
                 RETURNING stamp)
                 SELECT pg_notify($5, '') FROM noted";
            let (stamp, admissions) = (stamps.last().as_microsecond(), i64::from(is_admission));
            execute(
                &db,
                note,
                &[&stamp, &head.change, &head.tenant, &admissions, &process.signals.channel()],
            )
            .await?;
        }
        db.commit().await?;
        process.names.keep(learned);
        if is_stamped {
            process.stamps.has_passed(stamps.last());
            process.signals.committed(is_admission);
        }
        Ok(())
    }
}
