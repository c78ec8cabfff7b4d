//! Finds what an operator means, on PostgreSQL.

use std::collections::HashMap;

use async_trait::async_trait;
use cohort_database::GenericClient;
use cohort_database::statement::{query as query_by_place, query_one as query_one_by_place};
use cohort_preferences::{JobId, TenantId};

use super::PostgresLedger;
use super::conditions::Conditions;
use super::named::{named, query};
use super::row::{number, parsed};
use crate::columns::RUN_JOB_TENANT;
use crate::firing::RERUN;
use crate::rows::micros;
use crate::selection::{OpenRuns, SelectedCount, SelectedWork, Selection, SelectionLedger};
use crate::states::{CLOSED, FAILED, REQUEUED};
use crate::{LedgerError, RunId, StatusName};

/// A selection, as statements bind it.
pub(super) struct Values<'a> {
    run: Option<i64>,
    nominal: Option<String>,
    jobs: Vec<&'a str>,
    since: Option<i64>,
    until: Option<i64>,
    users: Vec<i64>,
    status: Option<i32>,
    reason: Option<&'a String>,
    error: Option<&'a String>,
    ended_by: Option<i64>,
    without_reruns: bool,
}

impl<'a> Values<'a> {
    pub(super) fn of(selection: &'a Selection) -> Self {
        Self {
            run: selection.run.map(|run| run.0),
            nominal: selection.nominal.map(|nominal| nominal.to_string()),
            jobs: selection.jobs.iter().map(JobId::as_str).collect(),
            since: selection.since.map(micros),
            until: selection.until.map(micros),
            users: selection.users.iter().map(|number| *number as i64).collect(),
            status: selection.status.map(StatusName::code),
            reason: selection.reason.as_ref(),
            error: selection.error.as_ref(),
            ended_by: selection.ended_by.map(micros),
            without_reruns: selection.without_reruns,
        }
    }

    /// Restricts runs `r` of jobs `j` to those that are selected.
    fn restrict_runs<'b>(&'b self, conditions: &mut Conditions<'b>) {
        conditions.add("r.id =", self.run.as_ref());
        conditions.add("r.nominal =", self.nominal.as_ref());
        if !self.jobs.is_empty() {
            let place = conditions.place_of(&self.jobs);
            conditions.add_plain(&format!("j.job_id = ANY({place})"));
        }
        conditions.add("r.scheduled_at >=", self.since.as_ref());
        conditions.add("r.scheduled_at <", self.until.as_ref());
    }

    /// The conditions under which runs `r` of jobs `j` are selected, and neither closed nor
    /// canceled.
    pub(super) fn of_open_runs(&self) -> Conditions<'_> {
        let mut conditions = Conditions::default();
        conditions.add_plain(&format!("r.state <> '{CLOSED}' AND r.canceled_at IS NULL"));
        self.restrict_runs(&mut conditions);
        conditions
    }

    /// The conditions under which outcomes `o` of [`RUN_JOB_TENANT`] are selected.
    pub(super) fn of_work(&self) -> Conditions<'_> {
        let mut conditions = Conditions::default();
        self.restrict_runs(&mut conditions);
        if self.without_reruns {
            conditions.add_plain(&format!("r.nominal NOT LIKE '{RERUN}%'"));
        }
        if self.status == Some(FAILED) {
            conditions.add_plain("r.failed > 0");
        }
        conditions.add_plain(&format!("o.status <> {REQUEUED}"));
        conditions.add("o.status =", self.status.as_ref());
        conditions.add("o.reason =", self.reason);
        conditions.add_part_of("o.detail", self.error);
        if !self.users.is_empty() {
            let place = conditions.place_of(&self.users);
            conditions.add_plain(&format!("o.tenant = ANY({place})"));
        }
        conditions.add("o.finished_at <=", self.ended_by.as_ref());
        conditions
    }
}

#[async_trait]
impl SelectionLedger for PostgresLedger {
    async fn selected(
        &self,
        selection: &Selection,
        before: Option<(RunId, u64)>,
        limit: usize,
    ) -> Result<Vec<SelectedWork>, LedgerError> {
        selected(&*self.connection().await?, &Values::of(selection), before, limit).await
    }

    async fn count_selected(&self, selection: &Selection) -> Result<SelectedCount, LedgerError> {
        count_selected(&*self.connection().await?, &Values::of(selection)).await
    }

    async fn selected_users(
        &self,
        selection: &Selection,
        limit: usize,
    ) -> Result<Vec<TenantId>, LedgerError> {
        selected_users(&*self.connection().await?, &Values::of(selection), limit).await
    }

    async fn count_open_runs(&self, selection: &Selection) -> Result<OpenRuns, LedgerError> {
        count_open_runs(&*self.connection().await?, &Values::of(selection)).await
    }

    async fn tenant_numbers(
        &self,
        names: Vec<TenantId>,
    ) -> Result<HashMap<TenantId, u64>, LedgerError> {
        tenant_numbers(&*self.connection().await?, &names).await
    }
}

async fn selected(
    db: &impl GenericClient,
    values: &Values<'_>,
    before: Option<(RunId, u64)>,
    limit: usize,
) -> Result<Vec<SelectedWork>, LedgerError> {
    let (before, limit) = (before.map(|(run, ordinal)| (run.0, ordinal as i64)), limit as i64);
    let mut conditions = values.of_work();
    conditions.add_before("(o.run, o.ordinal)", before.as_ref());
    let limit = conditions.place_of(&limit);
    let restricted = conditions.sql();
    let sql = format!(
        "SELECT o.run, o.ordinal, t.tenant_id
         FROM outcome o {RUN_JOB_TENANT}
         {restricted}
         ORDER BY o.run DESC, o.ordinal DESC
         LIMIT {limit}"
    );
    let rows = query_by_place(db, &sql, conditions.bound()).await?;
    let work = rows.iter().map(|row| {
        Ok(SelectedWork {
            run: RunId(row.get("run")),
            ordinal: number(row, "ordinal"),
            tenant_id: parsed(row, "tenant_id")?,
        })
    });
    work.collect()
}

async fn count_selected(
    db: &impl GenericClient,
    values: &Values<'_>,
) -> Result<SelectedCount, LedgerError> {
    let conditions = values.of_work();
    let restricted = conditions.sql();
    let sql = format!(
        "SELECT count(DISTINCT o.tenant) AS users, count(*) AS outcomes
         FROM outcome o {RUN_JOB_TENANT}
         {restricted}"
    );
    let row = query_one_by_place(db, &sql, conditions.bound()).await?;
    Ok(SelectedCount { users: number(&row, "users"), outcomes: number(&row, "outcomes") })
}

async fn selected_users(
    db: &impl GenericClient,
    values: &Values<'_>,
    limit: usize,
) -> Result<Vec<TenantId>, LedgerError> {
    let limit = limit as i64;
    let mut conditions = values.of_work();
    let limit = conditions.place_of(&limit);
    let restricted = conditions.sql();
    let sql = format!(
        "SELECT DISTINCT t.tenant_id
         FROM outcome o {RUN_JOB_TENANT}
         {restricted}
         ORDER BY t.tenant_id
         LIMIT {limit}"
    );
    let rows = query_by_place(db, &sql, conditions.bound()).await?;
    rows.iter().map(|row| parsed(row, "tenant_id")).collect()
}

pub(super) async fn count_open_runs(
    db: &impl GenericClient,
    values: &Values<'_>,
) -> Result<OpenRuns, LedgerError> {
    let conditions = values.of_open_runs();
    let restricted = conditions.sql();
    let sql = format!(
        "SELECT count(*) AS runs,
             coalesce(sum(r.members - r.succeeded - r.failed - r.skipped), 0)::bigint AS users
         FROM run r
         JOIN job j ON j.id = r.job
         {restricted}"
    );
    let row = query_one_by_place(db, &sql, conditions.bound()).await?;
    Ok(OpenRuns { runs: number(&row, "runs"), users: number(&row, "users") })
}

async fn tenant_numbers(
    db: &impl GenericClient,
    names: &[TenantId],
) -> Result<HashMap<TenantId, u64>, LedgerError> {
    let names: Vec<&str> = names.iter().map(TenantId::as_str).collect();
    let sql = "SELECT tenant_id, number FROM tenant WHERE tenant_id = ANY(:names)";
    let rows = query(db, sql, named! { names: names }).await?;
    rows.iter().map(|row| Ok((parsed(row, "tenant_id")?, number(row, "number")))).collect()
}
