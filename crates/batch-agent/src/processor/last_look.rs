//! The last look before a call: whether the ledger takes records (F5), and whether the users of the
//! call still want it, with which settings (M2, M3).
//!
//! ```text
//! its turn has come ─► is the ledger there? ─► who has changed since? ─┬─► nobody: call
//!                          ▲                                           └─► read anew, decide
//!                          └──────── it has fallen silent meanwhile ◄────────┘
//! ```
//!
//! A call may have waited for minutes: for capacity, for its purpose, for the ledger. Whatever it
//! waited for, consent and settings are those of this instant. That costs nothing where nothing has
//! changed: the change feed tells in memory whom to ask for again. If the feed was not read to its
//! end just now, everybody is asked for.
//!
//! What may fail: the Config Database; then the settings known before are used, unless they are too
//! old, and the outcome says so (M3).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cohort_ledger::{OpenMember, SkippedReason};
use cohort_preferences::TenantId;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::candidates::is_recent;
use super::claimed::Claimed;
use super::current::{Current, SettingsReader};
use super::due_call::Call;
use super::pulse::LedgerPulse;
use super::resolve::MemberResult;
use super::signals::Signals;
use crate::schedules::LogPosition;
use crate::shared::Shared;

/// For how long a look holds while the ledger is waited for.
const HOLDS_FOR: Duration = Duration::from_secs(1);

/// Looks once more right before calls.
pub(super) struct LastLook {
    pub(super) shared: Shared,
    pub(super) signals: Arc<Signals>,
    pub(super) pulse: Arc<LedgerPulse>,
    pub(super) settings: Arc<SettingsReader>,
}

/// Those of some users who may be called, and what becomes of the others.
pub(super) struct Looked {
    pub(super) calls: Vec<Call>,
    pub(super) ended: Vec<MemberResult>,
}

impl LastLook {
    /// Returns once the ledger takes records, with those of these users who want to be called then.
    /// `asked` is the position in the feed's log from before their settings were read; `None` if
    /// they were not. Once the agent is stopping, nobody is called (F6).
    pub(super) async fn at(
        &self,
        claimed: &Claimed,
        asked: Option<LogPosition>,
        calls: Vec<Call>,
    ) -> Looked {
        let mut looked = Looked { calls, ended: Vec::new() };
        let mut looked_at: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                () = self.signals.until_stopping() => return looked.all_wait(self.now()),
                () = self.pulse.until_confirmed() => {}
            }
            if looked_at.is_some_and(|at| at.elapsed() <= HOLDS_FOR) {
                return looked;
            }
            looked = self.ask_again(claimed, asked, looked).await;
            looked_at = Some(Instant::now());
        }
    }

    /// Asks again for those who may have changed their minds.
    async fn ask_again(
        &self,
        claimed: &Claimed,
        asked: Option<LogPosition>,
        looked: Looked,
    ) -> Looked {
        let Claimed { chunk, run, job, .. } = claimed;
        let tenants: Vec<&TenantId> =
            looked.calls.iter().map(|call| &call.user.tenant_id).collect();
        let changed = self.shared.feed.changed_among(&run.feature_type, asked, &tenants).await;
        if changed.is_empty() {
            return looked;
        }
        let current = self.settings.read(&run.feature_type, &job.job, &changed).await;
        let mut deciding = Deciding {
            claimed,
            defaults: self.shared.schedules.template_overrides(&run.job_id),
            now: self.now(),
            again: self.settings.next_try_at(chunk.id as u64),
            looked: Looked { calls: Vec::new(), ended: looked.ended },
        };
        let mut current = current.unwrap_or_else(|_logged| HashMap::new());
        for call in looked.calls {
            let tenant_id = &call.user.tenant_id;
            match current.remove(tenant_id) {
                Some(current) => deciding.decide(call, current),
                None if changed.contains(tenant_id) => deciding.go_by_what_was_known(call),
                None => deciding.looked.calls.push(call),
            }
        }
        deciding.looked
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }
}

impl Looked {
    fn all_wait(self, until: Timestamp) -> Self {
        let wait = |call: Call| MemberResult::Waits(call.member, until);
        let ended = self.ended.into_iter().chain(self.calls.into_iter().map(wait)).collect();
        Self { calls: Vec::new(), ended }
    }
}

/// Who is called after all. Pure.
struct Deciding<'a> {
    claimed: &'a Claimed,
    /// What lies under each user's own overrides (T12).
    defaults: Map<String, Value>,
    now: Timestamp,
    /// When to look again at a user of whom too little is known.
    again: Timestamp,
    looked: Looked,
}

impl Deciding<'_> {
    /// Goes by the settings of this instant: whether they allow the call, and what it carries.
    fn decide(&mut self, call: Call, current: Current) {
        let Some(settings) = current.settings else {
            return self.skip(call.member, SkippedReason::Deleted);
        };
        if let Some(reason) = settings.objection(&self.claimed.run.occurrence) {
            return self.skip(call.member, reason);
        }
        let mut call = call;
        // Retries reuse the first attempt's settings, so that the same key always carries the same
        // body (M3).
        if call.member.settings.is_none() {
            call.used.version = current.version;
            call.used.template_overrides = settings.overrides(&self.defaults);
            (call.used.read_at, call.used.stale) = (self.now, false);
            call.user.preference_version = call.used.version;
            call.user.template_overrides.clone_from(&call.used.template_overrides);
        }
        self.looked.calls.push(call);
    }

    /// Goes by the settings that were read before, unless they are too old: nothing newer can be
    /// read.
    fn go_by_what_was_known(&mut self, mut call: Call) {
        if is_recent(&call.used, self.now) {
            call.used.stale = true;
            self.looked.calls.push(call);
        } else {
            self.looked.ended.push(MemberResult::Waits(call.member, self.again));
        }
    }

    fn skip(&mut self, member: OpenMember, reason: SkippedReason) {
        self.looked.ended.push(MemberResult::Skipped(member, reason));
    }
}
