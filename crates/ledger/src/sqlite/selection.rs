//! Finds what an operator means, on SQLite.

use std::collections::HashMap;

use async_trait::async_trait;
use cohort_preferences::TenantId;
use rusqlite::{Connection, OptionalExtension, ToSql};

use super::SqliteLedger;
use super::row::{number, parsed};
use crate::firing::RERUN;
use crate::json::to_json;
use crate::rows::micros;
use crate::selection::{OpenRuns, SelectedCount, SelectedWork, Selection, SelectionLedger};
use crate::states::{CLOSED, FAILED, REQUEUED};
use crate::{LedgerError, RunId, StatusName};

/// Runs `r` of jobs `j` that are selected.
const RUN_IS_SELECTED: &str = "(:run IS NULL OR r.id = :run)
    AND (:nominal IS NULL OR r.nominal = :nominal)
    AND (:jobs = '[]' OR j.job_id IN (SELECT value FROM json_each(:jobs)))
    AND (:since IS NULL OR r.scheduled_at >= :since)
    AND (:until IS NULL OR r.scheduled_at < :until)";

/// That work of [`selected_work`] comes before a place. It is a range of places within each run,
/// which the key of outcomes finds: a later page does not pass over the earlier ones.
pub(super) const BEFORE_PLACE: &str = "r.id <= :before_run
    AND o.ordinal < iif(r.id = :before_run, :before_ordinal, 9223372036854775807)";

/// A selection, as statements bind it.
pub(super) struct Values {
    run: Option<i64>,
    nominal: Option<String>,
    jobs: String,
    since: Option<i64>,
    until: Option<i64>,
    users: String,
    status: Option<i32>,
    reason: Option<String>,
    error: Option<String>,
    ended_by: Option<i64>,
    without_reruns: bool,
}

/// Values with their names.
pub(super) type Named<'a> = Vec<(&'static str, &'a dyn ToSql)>;

impl Values {
    pub(super) fn of(selection: &Selection) -> Self {
        Self {
            run: selection.run.map(|run| run.0),
            nominal: selection.nominal.map(|nominal| nominal.to_string()),
            jobs: to_json(&selection.jobs),
            since: selection.since.map(micros),
            until: selection.until.map(micros),
            users: to_json(&selection.users),
            status: selection.status.map(StatusName::code),
            reason: selection.reason.clone(),
            error: selection.error.clone(),
            ended_by: selection.ended_by.map(micros),
            without_reruns: selection.without_reruns,
        }
    }

    /// What [`RUN_IS_SELECTED`] binds.
    pub(super) fn of_runs(&self) -> Named<'_> {
        vec![
            (":run", &self.run),
            (":nominal", &self.nominal),
            (":jobs", &self.jobs),
            (":since", &self.since),
            (":until", &self.until),
        ]
    }

    /// What [`selected_work`] binds.
    pub(super) fn of_work(&self) -> Named<'_> {
        let mut named = self.of_runs();
        named.extend([
            (":users", &self.users as &dyn ToSql),
            (":status", &self.status),
            (":reason", &self.reason),
            (":error", &self.error),
            (":ended_by", &self.ended_by),
            (":without_reruns", &self.without_reruns),
        ]);
        named
    }
}

/// The tables with outcomes `o` that are selected, and the condition.
pub(super) fn selected_work() -> String {
    format!(
        "FROM run r
         JOIN job j ON j.id = r.job
         CROSS JOIN outcome o ON o.run = r.id
         JOIN tenant t ON t.number = o.tenant
         WHERE {RUN_IS_SELECTED}
             AND NOT (:without_reruns AND r.nominal LIKE '{RERUN}%')
             AND (:status IS NULL OR :status <> {FAILED} OR r.failed > 0)
             AND o.status <> {REQUEUED}
             AND (:status IS NULL OR o.status = :status)
             AND (:reason IS NULL OR o.reason = :reason)
             AND (:error IS NULL OR instr(o.detail, :error) > 0)
             AND (:users = '[]' OR o.tenant IN (SELECT value FROM json_each(:users)))
             AND (:ended_by IS NULL OR o.finished_at <= :ended_by)"
    )
}

/// Runs `r` that are selected, and neither closed nor canceled.
pub(super) fn selected_open_runs() -> String {
    format!(
        "FROM run r
         JOIN job j ON j.id = r.job
         WHERE r.state <> '{CLOSED}' AND r.canceled_at IS NULL AND {RUN_IS_SELECTED}"
    )
}

#[async_trait]
impl SelectionLedger for SqliteLedger {
    async fn selected(
        &self,
        selection: &Selection,
        before: Option<(RunId, u64)>,
        limit: usize,
    ) -> Result<Vec<SelectedWork>, LedgerError> {
        let values = Values::of(selection);
        self.db.read(move |tx| selected(tx, &values, before, limit)).await
    }

    async fn count_selected(&self, selection: &Selection) -> Result<SelectedCount, LedgerError> {
        let values = Values::of(selection);
        self.db.read(move |tx| count_selected(tx, &values)).await
    }

    async fn selected_users(
        &self,
        selection: &Selection,
        limit: usize,
    ) -> Result<Vec<TenantId>, LedgerError> {
        let values = Values::of(selection);
        self.db.read(move |tx| selected_users(tx, &values, limit)).await
    }

    async fn count_open_runs(&self, selection: &Selection) -> Result<OpenRuns, LedgerError> {
        let values = Values::of(selection);
        self.db.read(move |tx| count_open_runs(tx, &values)).await
    }

    async fn tenant_numbers(
        &self,
        names: Vec<TenantId>,
    ) -> Result<HashMap<TenantId, u64>, LedgerError> {
        self.db.read(move |tx| tenant_numbers(tx, names)).await
    }
}

fn selected(
    tx: &Connection,
    values: &Values,
    before: Option<(RunId, u64)>,
    limit: usize,
) -> Result<Vec<SelectedWork>, LedgerError> {
    let work = selected_work();
    let mut statement = tx.prepare_cached(&format!(
        "SELECT o.run, o.ordinal, t.tenant_id
         {work}
             AND {BEFORE_PLACE}
         ORDER BY r.id DESC, o.ordinal DESC
         LIMIT :limit"
    ))?;
    let (run, ordinal) = place_before(before);
    let limit = limit as i64;
    let mut named = values.of_work();
    named.extend([
        (":before_run", &run as &dyn ToSql),
        (":before_ordinal", &ordinal),
        (":limit", &limit),
    ]);
    let rows = statement.query_map(named.as_slice(), |row| {
        Ok(SelectedWork {
            run: RunId(row.get("run")?),
            ordinal: number(row, "ordinal")?,
            tenant_id: parsed(row, "tenant_id")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The place before which work is wanted, as statements bind it.
pub(super) fn place_before(before: Option<(RunId, u64)>) -> (i64, i64) {
    before.map_or((i64::MAX, i64::MAX), |(run, ordinal)| (run.0, ordinal as i64))
}

fn count_selected(tx: &Connection, values: &Values) -> Result<SelectedCount, LedgerError> {
    let work = selected_work();
    let sql = format!(
        "SELECT count(DISTINCT o.tenant) AS users, count(*) AS outcomes
         {work}"
    );
    let count = tx.prepare_cached(&sql)?.query_row(values.of_work().as_slice(), |row| {
        Ok(SelectedCount { users: number(row, "users")?, outcomes: number(row, "outcomes")? })
    })?;
    Ok(count)
}

fn selected_users(
    tx: &Connection,
    values: &Values,
    limit: usize,
) -> Result<Vec<TenantId>, LedgerError> {
    let work = selected_work();
    let mut statement = tx.prepare_cached(&format!(
        "SELECT DISTINCT t.tenant_id
         {work}
         ORDER BY t.tenant_id
         LIMIT :limit"
    ))?;
    let limit = limit as i64;
    let mut named = values.of_work();
    named.push((":limit", &limit));
    let rows = statement.query_map(named.as_slice(), |row| parsed(row, "tenant_id"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn count_open_runs(tx: &Connection, values: &Values) -> Result<OpenRuns, LedgerError> {
    let runs = selected_open_runs();
    let sql = format!(
        "SELECT count(*) AS runs,
             coalesce(sum(r.members - r.succeeded - r.failed - r.skipped), 0) AS users
         {runs}"
    );
    let open = tx.prepare_cached(&sql)?.query_row(values.of_runs().as_slice(), |row| {
        Ok(OpenRuns { runs: number(row, "runs")?, users: number(row, "users")? })
    })?;
    Ok(open)
}

fn tenant_numbers(
    tx: &Connection,
    names: Vec<TenantId>,
) -> Result<HashMap<TenantId, u64>, LedgerError> {
    let mut find = tx.prepare_cached("SELECT number FROM tenant WHERE tenant_id = ?1")?;
    let mut numbers = HashMap::with_capacity(names.len());
    for name in names {
        let found = find.query_row([name.as_str()], |row| number(row, "number")).optional()?;
        numbers.extend(found.map(|number| (name, number)));
    }
    Ok(numbers)
}
