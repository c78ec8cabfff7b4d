//! The members of a chunk with the settings that an attempt goes by. Pure decisions (M3).

use std::collections::HashMap;

use cohort_ledger::{OpenMember, Run, UsedSettings};
use cohort_preferences::{Member, TenantId};
use jiff::{SignedDuration, Timestamp};

use super::consent::{Settings, states_any};
use super::current::Current;

/// Settings older than this are not used while the Config Database is away (M3).
const MAX_STALE: SignedDuration = SignedDuration::from_hours(1);

/// Nominal times are whole minutes, so two groups that fire at different instants are this far
/// apart.
const LEAST_BETWEEN_GROUPS: SignedDuration = SignedDuration::from_mins(1);

/// A member with the preference in force, as far as it is known.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) member: OpenMember,
    pub(super) tenant_id: TenantId,
    /// Since when the user has been in the group; `None` if that was not read, or if they may have
    /// left it since.
    pub(super) member_since: Option<Timestamp>,
    pub(super) version: u64,
    /// `None` if the preference is deleted.
    pub(super) settings: Option<Settings>,
    /// When the settings were read, or the feed last said that they are still the same.
    pub(super) read_at: Timestamp,
    /// Whether the Config Database did not answer for this attempt.
    pub(super) stale: bool,
}

/// What was learnt of the members of a page since it was read.
pub(super) struct Update {
    /// The settings of those whom the feed has named since.
    pub(super) current: HashMap<TenantId, Current>,
    /// When it was learnt; if the Config Database did not answer, when the page was read.
    pub(super) read_at: Timestamp,
    /// Whether the Config Database did not answer.
    pub(super) stale: bool,
}

impl Update {
    /// The candidates of a chunk whose members were read with a page, at an attempt `now`.
    pub(super) fn candidates(
        mut self,
        open: &[OpenMember],
        members: Vec<Member>,
        run: &Run,
        now: Timestamp,
    ) -> Vec<Candidate> {
        // While the run is younger than that, no other group has fired for its members since.
        let is_late = now.duration_since(run.occurrence.at) >= LEAST_BETWEEN_GROUPS;
        let candidate = |(member, read): (&OpenMember, Member)| {
            let current = self.current.remove(&read.tenant_id);
            // Only a late run is worth reading the whole preference for it.
            let stays = !is_late
                || current.is_none()
                    && read.preference.as_deref().is_some_and(|text| states_any(text, &run.stated));
            let Current { version, settings } = current.unwrap_or_else(|| {
                Current::of_page(&read.tenant_id, read.version, read.preference.as_deref())
            });
            Candidate {
                member: member.clone(),
                tenant_id: read.tenant_id,
                member_since: stays.then_some(read.member_since),
                version,
                settings,
                read_at: self.read_at,
                stale: self.stale,
            }
        };
        open.iter().zip(members).map(candidate).collect()
    }
}

/// The candidates of a chunk that was attempted or postponed before: with their settings of now, or
/// with those of the first attempt while the Config Database is away (`current` is empty).
pub(super) fn of_earlier_attempt(
    open: &[OpenMember],
    tenants: Vec<TenantId>,
    mut current: HashMap<TenantId, Current>,
    now: Timestamp,
) -> Vec<Candidate> {
    let stale = current.is_empty();
    let candidate = |(member, tenant_id): (&OpenMember, TenantId)| {
        let Current { version, settings } =
            current.remove(&tenant_id).unwrap_or_else(|| of_first_attempt(member));
        let mut member = member.clone();
        if let Some(used) = &mut member.settings {
            used.stale |= stale;
        }
        Candidate { member, tenant_id, member_since: None, version, settings, read_at: now, stale }
    };
    open.iter().zip(tenants).map(candidate).collect()
}

fn of_first_attempt(member: &OpenMember) -> Current {
    Current { version: 0, settings: member.settings.as_ref().map(Settings::of_first_attempt) }
}

/// Whether all of these have settings of a first attempt that may still be used while the Config
/// Database is away (M3).
pub(super) fn may_reuse(open: &[OpenMember], now: Timestamp) -> bool {
    let may_use = |used: &UsedSettings| is_recent(used, now);
    open.iter().all(|member| member.settings.as_ref().is_some_and(may_use))
}

/// Whether settings may still be used while the Config Database is away (M3).
pub(super) fn is_recent(used: &UsedSettings, now: Timestamp) -> bool {
    now.duration_since(used.read_at) <= MAX_STALE
}
