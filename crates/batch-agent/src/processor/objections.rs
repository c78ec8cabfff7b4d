//! Who of a chunk is called, and who is not, and why. Pure decisions (M2, M6, F10).

use std::collections::HashSet;

use cohort_ledger::{Firing, OpenMember, Run, SkippedReason, UsedSettings, work_key};
use cohort_preferences::{Job, TenantId};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::candidates::Candidate;
use super::due_call::Call;
use super::overlap::{Overlaps, PAUSE_OF_OVERLAP};
use super::resolve::{MemberResult, too_late_at};
use crate::clock::saturating_add;
use crate::handler::UserShare;

/// What stands against calling users now.
pub(super) struct Objections<'a> {
    pub(super) run: &'a Run,
    pub(super) job: &'a Job,
    pub(super) now: Timestamp,
    /// Who has run in the period already (M6).
    pub(super) ran: HashSet<u64>,
    pub(super) overlaps: Overlaps,
}

impl Objections<'_> {
    /// Divides the candidates into those who are not called, with what becomes of them, and the
    /// calls to make. `defaults` lie under each user's own overrides (T12).
    pub(super) fn divide(
        &self,
        candidates: Vec<Candidate>,
        defaults: &Map<String, Value>,
    ) -> (Vec<MemberResult>, Vec<Call>) {
        let mut uncalled = Vec::new();
        let mut calls = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            if let Some(reason) = self.to(&candidate) {
                uncalled.push(MemberResult::Skipped(candidate.member, reason));
            } else if self.overlaps.hold(candidate.member.number) {
                let again = saturating_add(self.now, PAUSE_OF_OVERLAP);
                uncalled.push(MemberResult::Waits(candidate.member, again));
            } else {
                calls.push(self.call(candidate, defaults));
            }
        }
        (uncalled, calls)
    }

    /// Why a user is to be skipped; `None` if nothing stands against the call.
    fn to(&self, candidate: &Candidate) -> Option<SkippedReason> {
        let number = candidate.member.number;
        let Some(settings) = &candidate.settings else { return Some(SkippedReason::Deleted) };
        if let Some(reason) = settings.objection(&asked_for(self.run, &candidate.member)) {
            Some(reason)
        } else if self.ran.contains(&number) {
            Some(SkippedReason::AlreadyRan)
        } else if self.now >= too_late_at(self.job, self.run, &candidate.member) {
            Some(SkippedReason::Expired)
        } else {
            self.overlaps.skip(number).then_some(SkippedReason::Overlap)
        }
    }

    /// The call of a user to whom nothing objects, and who therefore has settings.
    fn call(&self, candidate: Candidate, defaults: &Map<String, Value>) -> Call {
        let Candidate { member, tenant_id, version, settings, read_at, stale, .. } = candidate;
        // Retries reuse the first attempt's settings, so that the same key always carries the same
        // body (M3).
        let used = member.settings.clone().unwrap_or_else(|| UsedSettings {
            version,
            template_overrides: settings
                .map(|settings| settings.overrides(defaults))
                .unwrap_or_default(),
            read_at,
            stale,
        });
        let user = user_share(self.run, tenant_id, &used, &member);
        Call { member, used, user }
    }
}

/// The firing that a user may have objected to. A rerun stands for what it repeats: who has asked
/// to skip that is not called by it either (M2).
fn asked_for(run: &Run, member: &OpenMember) -> Firing {
    let nominal = member.repeats.as_ref().map_or(run.occurrence.nominal, |work| work.nominal);
    Firing { nominal, ..run.occurrence }
}

fn user_share(
    run: &Run,
    tenant_id: TenantId,
    used: &UsedSettings,
    member: &OpenMember,
) -> UserShare {
    let repeats = member.repeats.clone().map(|repeated| repeated.of(&run.job_id, &tenant_id));
    UserShare {
        key: work_key(
            &run.job_id,
            &tenant_id,
            run.occurrence.nominal,
            run.group.timezone().name(),
            member.key_nonce(),
        ),
        tenant_id,
        attempt: member.attempts + 1,
        preference_version: used.version,
        template_overrides: used.template_overrides.clone(),
        repeats,
    }
}
