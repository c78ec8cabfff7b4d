//! One attempt at a chunk: who still wants it, with which settings, and what the handler said (M2,
//! M3, D5).

use std::collections::{HashMap, HashSet};

use cohort_preferences::{BatchGetResponse, Enroll, Job, Member, PreferenceEntry, TenantId};
use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::call::Call;
use super::consent::{Settings, states_any};
use super::once;
use super::overlap::{Overlaps, PAUSE_OF_OVERLAP};
use super::resolve::{MemberResult, cancel, poisoned, postpone, settle, too_late_at};
use super::{Claimed, Inner, ProcessError, backoff};
use crate::clock::saturating_add;
use crate::handler::UserShare;
use crate::metrics::Recorded;
use crate::schedules::{ChangedSince, LogPosition};
use crate::source::SourceError;
use cohort_ledger::work_key;
use cohort_ledger::{
    Chunk, ChunkResult, Fate, LedgerError, OpenMember, OtherRuns, Run, SkippedReason, UsedSettings,
};

/// Settings older than this are not used while the Config Database is away (M3).
const MAX_STALE: SignedDuration = SignedDuration::from_hours(1);

/// Nominal times are whole minutes, so two groups that fire at different instants are this far
/// apart.
const LEAST_BETWEEN_GROUPS: SignedDuration = SignedDuration::from_mins(1);

/// A member with the preference in force, as far as it is known.
#[derive(Debug)]
struct Candidate {
    member: OpenMember,
    tenant_id: TenantId,
    /// Since when the user has been in the group; `None` if that was not read, or if they may have
    /// left it since.
    member_since: Option<Timestamp>,
    version: u64,
    /// `None` if the preference is deleted.
    settings: Option<Settings>,
    /// When the settings were read, or the feed last said that they are still the same.
    read_at: Timestamp,
    stale: bool,
}

impl Inner {
    /// Does what a chunk is due. Returns what is to be recorded of it; `None` if it is split. What
    /// fails here has failed before anybody was called; it may be done again, and then the members
    /// are asked for anew.
    pub(super) async fn work_on(
        &self,
        claimed: &mut Claimed,
    ) -> Result<Option<ChunkResult>, ProcessError> {
        match claimed.chunk.fate() {
            Fate::Attempt => Ok(Some(self.attempt(claimed).await?)),
            Fate::Split => {
                self.split(&claimed.chunk).await?;
                Ok(None)
            }
            Fate::Poison => Ok(Some(poisoned(&claimed.chunk, self.clock.now()))),
        }
    }

    /// Makes a chunk of its own for each user of one whose workers die (D5).
    async fn split(&self, chunk: &Chunk) -> Result<(), ProcessError> {
        tracing::warn!(
            chunk = chunk.id,
            deaths = chunk.deaths,
            "a chunk whose workers die is split into its users"
        );
        self.ledger.split_chunk(chunk, self.clock.now()).await.or_else(pass_over_lost_claim)?;
        self.wake.notify_one();
        Ok(())
    }

    async fn attempt(&self, claimed: &mut Claimed) -> Result<ChunkResult, ProcessError> {
        let read = claimed.read.take();
        let claimed = &*claimed;
        let Claimed { chunk, run, job: in_force, .. } = claimed;
        if self.is_canceled(run.id) {
            return Ok(cancel(chunk, self.clock.now()));
        }
        let job = &*in_force.job;
        self.hear_of_pauses_if_due().await?;
        if let Some(until) = self.must_wait(run, job, &chunk.open) {
            return Ok(postpone(chunk, until, self.clock.now()));
        }
        let candidates = match read {
            Some((members, seen)) => {
                Some(self.read_candidates(run, job, &chunk.open, members, seen).await)
            }
            None => self.asked_candidates(run, job, &chunk.open).await?,
        };
        let Some(candidates) = candidates else {
            let now = self.clock.now();
            let away_for =
                self.away_since().map_or(SignedDuration::ZERO, |since| now.duration_since(since));
            let pause = backoff::pause_while_away(away_for, chunk.id as u64);
            return Ok(postpone(chunk, saturating_add(now, pause), now));
        };
        let ran = self.already_ran(claimed, &candidates).await?;
        let defaults = self.schedules.template_overrides(&run.job_id);
        let unbegun = candidates.iter().filter(|candidate| candidate.member.is_unbegun());
        let overlaps = self
            .overlaps(claimed, unbegun.map(|candidate| candidate.member.number).collect())
            .await?;
        let objections = Objections { run, job, now: self.clock.now(), ran, overlaps };
        let (mut ended, calls) = divide(candidates, run, &defaults, &objections);
        ended.extend(self.call(claimed, calls).await);
        Ok(settle(job, run, chunk, ended, self.clock.now()))
    }

    pub(super) async fn record(
        &self,
        run: &Run,
        settlement: ChunkResult,
    ) -> Result<(), ProcessError> {
        let counted = Recorded::of(&settlement);
        match self.ledger.record_outcomes(settlement).await {
            Ok(()) => self.metrics.recorded(&run.job_id, &counted),
            Err(lost @ LedgerError::LostClaim { .. }) => {
                self.metrics.lost_claim();
                pass_over_lost_claim(lost)?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The candidates of a chunk whose members were just read: only those are asked for again whom
    /// the feed has named since (M3).
    async fn read_candidates(
        &self,
        run: &Run,
        job: &Job,
        open: &[OpenMember],
        members: Vec<Member>,
        seen: LogPosition,
    ) -> Vec<Candidate> {
        let is_confirmed = self.feed.confirm().await.is_ok();
        let touched = match self.feed.changed_since(&run.feature_type, seen) {
            ChangedSince::Only(tenants) if is_confirmed => members
                .iter()
                .map(|m| &m.tenant_id)
                .filter(|t| tenants.contains(*t))
                .cloned()
                .collect(),
            ChangedSince::Only(_) | ChangedSince::MaybeAll => {
                members.iter().map(|member| member.tenant_id.clone()).collect::<Vec<_>>()
            }
        };
        let (fresh, stale) = match self.ask(run, job, &touched).await {
            Ok(fresh) => (fresh, false),
            Err(_logged) => (HashMap::new(), true),
        };
        let read_at = if stale { seen.at } else { self.clock.now() };
        // No group fires for them in between while the run is younger than that.
        let is_late = self.clock.now().duration_since(run.occurrence.at) >= LEAST_BETWEEN_GROUPS;
        let candidate = |(member, read): (&OpenMember, Member)| {
            let stays = || {
                !fresh.contains_key(&read.tenant_id)
                    && read.preference.as_deref().is_some_and(|p| states_any(p, &run.stated))
            };
            let member_since = (!is_late || stays()).then_some(read.member_since);
            let (version, settings) = match fresh.get(&read.tenant_id) {
                Some((version, settings)) => (*version, settings.clone()),
                None => (
                    read.version,
                    read.preference
                        .as_deref()
                        .and_then(|preference| readable(&read.tenant_id, preference)),
                ),
            };
            Candidate {
                member: member.clone(),
                tenant_id: read.tenant_id,
                member_since,
                version,
                settings,
                read_at,
                stale,
            }
        };
        open.iter().zip(members).map(candidate).collect()
    }

    /// The candidates of a chunk that was tried or held before: all are asked for. While the Config
    /// Database is away, the settings of the first attempt do, unless they are too old; `None` if
    /// the chunk has to wait (M3).
    async fn asked_candidates(
        &self,
        run: &Run,
        job: &Job,
        open: &[OpenMember],
    ) -> Result<Option<Vec<Candidate>>, ProcessError> {
        let names =
            self.ledger.tenant_names(open.iter().map(|member| member.number).collect()).await?;
        let tenants: Vec<TenantId> =
            open.iter().map(|member| names[&member.number].clone()).collect();
        let fresh = match self.ask(run, job, &tenants).await {
            Ok(fresh) => fresh,
            Err(_logged) if may_reuse(open, self.clock.now()) => HashMap::new(),
            Err(_logged) => return Ok(None),
        };
        let (is_stale, read_at) = (fresh.is_empty(), self.clock.now());
        let candidate = |(member, tenant_id): (&OpenMember, TenantId)| {
            let (version, settings) = match fresh.get(&tenant_id) {
                Some((version, settings)) => (*version, settings.clone()),
                None => (0, member.settings.as_ref().map(Settings::of_first_attempt)),
            };
            let mut member = member.clone();
            if let Some(used) = &mut member.settings {
                used.stale |= is_stale;
            }
            Candidate {
                member,
                tenant_id,
                member_since: None,
                version,
                settings,
                read_at,
                stale: is_stale,
            }
        };
        Ok(Some(open.iter().zip(tenants).map(candidate).collect()))
    }

    /// The settings of these users as they are now; `None` for one that is deleted.
    async fn ask(
        &self,
        run: &Run,
        job: &Job,
        tenants: &[TenantId],
    ) -> Result<HashMap<TenantId, (u64, Option<Settings>)>, SourceError> {
        if tenants.is_empty() {
            return Ok(HashMap::new());
        }
        let answer = self.source.preferences(&run.feature_type, tenants).await;
        self.note_whether_away(answer.is_err());
        let BatchGetResponse { preferences, .. } = answer.inspect_err(|error| {
            let error: &dyn std::error::Error = error;
            tracing::warn!(error, run = %run.id, "the settings of a chunk cannot be read now");
        })?;
        Ok(preferences
            .into_iter()
            .map(|entry| {
                let (version, settings) = in_force(job, &entry);
                (entry.tenant_id, (version, settings))
            })
            .collect())
    }

    fn note_whether_away(&self, is_away: bool) {
        let mut since =
            self.away_since.lock().expect("the instant is changed by code that does not panic");
        *since = is_away.then(|| since.unwrap_or_else(|| self.clock.now()));
    }

    /// Since when settings cannot be had; `None` if the last question for some was answered.
    fn away_since(&self) -> Option<Timestamp> {
        *self.away_since.lock().expect("the instant is changed by code that does not panic")
    }

    /// Which candidates the job has run in the run's period in another group (M6). Only users are
    /// looked up for whom another group may have fired in it, because they joined this one late or
    /// have left it, or were moved into it by other defaults, and only before their first attempt.
    async fn already_ran(
        &self,
        claimed: &Claimed,
        candidates: &[Candidate],
    ) -> Result<HashSet<u64>, LedgerError> {
        let Claimed { chunk, run, job, .. } = claimed;
        let Some(period) = once::period_of(&job.job, run) else { return Ok(HashSet::new()) };
        let begins = once::beginning(&period);
        let has_taken_over = self.schedules.has_taken_over_since(&run.job_id, &run.group, begins);
        let joined_late = |candidate: &&Candidate| {
            has_taken_over || candidate.member_since.is_none_or(|since| since >= begins)
        };
        let is_unbegun = |candidate: &&Candidate| candidate.member.is_unbegun();
        let numbers: Vec<u64> = candidates
            .iter()
            .filter(is_unbegun)
            .filter(joined_late)
            .map(|candidate| candidate.member.number)
            .collect();
        if numbers.is_empty() || !self.other_runs(claimed).await?.is_in_period {
            return Ok(HashSet::new());
        }
        self.ledger.already_ran(run, period, chunk, numbers).await
    }

    /// What other runs of the job there are. One that is opened later has its chunks later, and
    /// gives way to this one (M6).
    pub(super) async fn other_runs(&self, claimed: &Claimed) -> Result<OtherRuns, LedgerError> {
        let Claimed { run, job, others, .. } = claimed;
        others
            .get_or_try_init(|| self.ledger.other_runs(run, once::period_of(&job.job, run)))
            .await
            .copied()
    }
}

/// A claim that has passed on is no fault of ours: its new holder records.
fn pass_over_lost_claim(error: LedgerError) -> Result<(), LedgerError> {
    match error {
        LedgerError::LostClaim { chunk } => {
            tracing::warn!(
                chunk,
                "a claim passed to another agent while its chunk was worked on; nothing was \
                 recorded"
            );
            Ok(())
        }
        error => Err(error),
    }
}

/// What stands against a user's work now.
struct Objections<'a> {
    run: &'a Run,
    job: &'a Job,
    now: Timestamp,
    /// Who has run in the period already (M6).
    ran: HashSet<u64>,
    overlaps: Overlaps,
}

impl Objections<'_> {
    fn to(&self, candidate: &Candidate) -> Option<SkippedReason> {
        let number = candidate.member.number;
        let settings = candidate.settings.as_ref();
        let consent = settings.map_or(Some(SkippedReason::Deleted), |settings| {
            settings.objection(&self.run.occurrence)
        });
        let already = || self.ran.contains(&number).then_some(SkippedReason::AlreadyRan);
        let is_expired = || self.now >= too_late_at(self.job, self.run, &candidate.member);
        let expired = || is_expired().then_some(SkippedReason::Expired);
        consent
            .or_else(already)
            .or_else(expired)
            .or_else(|| self.overlaps.skip(number).then_some(SkippedReason::Overlap))
    }
}

/// Whether all of these have settings of a first attempt that may still be used while the Config
/// Database is away (M3).
fn may_reuse(open: &[OpenMember], now: Timestamp) -> bool {
    let is_recent = |used: &UsedSettings| now.duration_since(used.read_at) <= MAX_STALE;
    open.iter().all(|member| member.settings.as_ref().is_some_and(is_recent))
}

/// GroupSources those who are to be called from those who are not, and settles with which settings they
/// are called.
fn divide(
    candidates: Vec<Candidate>,
    run: &Run,
    defaults: &Map<String, Value>,
    objections: &Objections<'_>,
) -> (Vec<MemberResult>, Vec<Call>) {
    let mut uncalled = Vec::new();
    let mut calls = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        match (objections.to(&candidate), candidate.settings) {
            (Some(reason), _) => uncalled.push(MemberResult::Skipped(candidate.member, reason)),
            (None, None) => {
                uncalled.push(MemberResult::Skipped(candidate.member, SkippedReason::Deleted))
            }
            (None, Some(_)) if objections.overlaps.hold(candidate.member.number) => {
                let again = saturating_add(objections.now, PAUSE_OF_OVERLAP);
                uncalled.push(MemberResult::Waits(candidate.member, again));
            }
            (None, Some(settings)) => {
                // Retries reuse the first attempt's settings, so that the same key always carries
                // the same body (M3).
                let used = candidate.member.settings.clone().unwrap_or_else(|| UsedSettings {
                    version: candidate.version,
                    template_overrides: settings.overrides(defaults),
                    read_at: candidate.read_at,
                    stale: candidate.stale,
                });
                let user = user_work(run, candidate.tenant_id, &used, &candidate.member);
                calls.push(Call { member: candidate.member, used, user });
            }
        }
    }
    (uncalled, calls)
}

fn user_work(
    run: &Run,
    tenant_id: TenantId,
    used: &UsedSettings,
    member: &OpenMember,
) -> UserShare {
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
    }
}

/// The version and the settings in force for a job's work; none for a tenant who is not there, or
/// whom the job does not serve without a preference (T13).
fn in_force(job: &Job, entry: &PreferenceEntry) -> (u64, Option<Settings>) {
    let has_stated_nothing = entry.version == 0 && job.enroll == Enroll::Everyone;
    match &entry.preference {
        _ if entry.number.is_none() => (0, None),
        _ if job.schedule.is_some() || has_stated_nothing => {
            (0, Some(Settings::of_nothing_stated()))
        }
        preference => (
            entry.version,
            preference.as_deref().and_then(|preference| readable(&entry.tenant_id, preference)),
        ),
    }
}

/// A stored preference that cannot be read is not a reason to lose the other 24: the user counts as
/// deleted, loudly.
fn readable(tenant_id: &TenantId, preference: &RawValue) -> Option<Settings> {
    Settings::read(preference)
        .inspect_err(
            |error| tracing::error!(%tenant_id, %error, "a stored preference cannot be read"),
        )
        .ok()
}
