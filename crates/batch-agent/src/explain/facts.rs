//! Gathers what there is to know of a job, a user and a moment: from the Config Database, and from
//! the ledger by index. It decides nothing.

use std::ops::Range;

use cohort_ledger::{LedgerError, MemberStanding, PurposeHealth, Run, WorkStanding};
use cohort_preferences::{
    FeatureType, Job, JobId, TenantFilter, TenantId, TenantMembersRequest, Zone,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::choose::{Chosen, choose};
use super::moment::{DatedMoment, Moment};
use super::timeline::Timeline;
use crate::clock::saturating_add;
use crate::evidence::{Evidence, EvidenceError};
use crate::jobs::JobHistory;
use crate::schedules::DefaultsInTime;
use crate::source::HistoryEntry;

/// What is asked: why a job did a user's work at a moment, or did not.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) tenant_id: TenantId,
    pub(super) job_id: JobId,
    pub(super) asked: Moment,
    pub(super) now: Timestamp,
}

/// All that is known about it.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) question: Question,
    /// `None` if there is no such job.
    pub(super) job: Option<JobHistory>,
    /// `None` if there is no such user.
    pub(super) user: Option<UserFacts>,
}

/// What is known of the user.
#[derive(Debug)]
pub(super) struct UserFacts {
    pub(super) timeline: Timeline,
    pub(super) chosen: Chosen,
    /// Whether the tenant is one of those whom a static job serves; `None` if it does not matter.
    pub(super) is_selected: Option<bool>,
    /// The user's place in a run of the instant; `None` if the ledger has them in none.
    pub(super) place: Option<MemberStanding>,
    /// The user's places in runs by hand, oldest first: those that the moment covers, and later
    /// reruns of the work that is explained, which is not among them.
    pub(super) by_hand: Vec<MemberStanding>,
    /// How the job's purpose does; `None` while nothing is known against it.
    pub(super) health: Option<PurposeHealth>,
    /// The run of the occurrence, whether the user is in it or not.
    pub(super) run: Option<Run>,
    /// Whether an earlier run of the job is still open for the user (F10).
    pub(super) is_open_earlier: bool,
    /// From when on the ledger keeps everything; `None` if it has never forgotten anything.
    pub(super) kept_since: Option<Timestamp>,
}

impl Facts {
    /// Gathers all that is known.
    pub(super) async fn gather(
        evidence: &Evidence,
        question: Question,
    ) -> Result<Self, EvidenceError> {
        let job =
            JobHistory::read(&*evidence.ledger, evidence.jobs.as_ref(), &question.job_id).await?;
        let user = match &job {
            Some(job) => UserFacts::gather(evidence, &question, job).await?,
            None => None,
        };
        Ok(Self { question, job, user })
    }
}

impl UserFacts {
    async fn gather(
        evidence: &Evidence,
        question: &Question,
        history_of_job: &JobHistory,
    ) -> Result<Option<Self>, EvidenceError> {
        let Question { tenant_id, job_id, asked, now } = question;
        let Evidence { source, ledger, .. } = evidence;
        let job = history_of_job.job_about(roughly(*asked, *now)).ok_or_else(|| {
            LedgerError::Corrupt(format!("no version of the job {job_id} can be read"))
        })?;
        let Some(number) = number_of(evidence, &job.feature_type, tenant_id).await? else {
            return Ok(None);
        };
        let history = source.history(tenant_id).await?;
        let defaults = source.feature_defaults(&job.feature_type).await?;
        let defaults = DefaultsInTime::of(&history_of_job.defaults(), &defaults);
        let timeline = Timeline::of(job, &defaults, &history);
        let chosen = choose(*asked, *now, &timeline, own_zone(&history).as_ref());
        let is_selected = match job.schedule {
            Some(_) => Some(is_selected(evidence, job, tenant_id, chosen.at.min(*now)).await?),
            None => None,
        };
        let place = place(evidence, job_id, number, &chosen).await?;
        let by_hand = by_hand(evidence, question, number, &chosen, place.as_ref()).await?;
        let (chosen, place, by_hand) = with_run_by_hand(chosen, place, by_hand);
        let health = health(evidence, job).await?;
        let run = match chosen.named() {
            Some((group, name)) => ledger.run_named(job_id, group, name).await?,
            None => None,
        };
        let is_open_earlier = is_open_earlier(evidence, place.as_ref()).await?;
        let kept_since = ledger.kept_since().await?;
        Ok(Some(Self {
            timeline,
            chosen,
            is_selected,
            place,
            by_hand,
            health,
            run,
            is_open_earlier,
            kept_since,
        }))
    }
}

/// The Config Database's number for a tenant; `None` if there is no such tenant.
async fn number_of(
    evidence: &Evidence,
    feature: &FeatureType,
    tenant_id: &TenantId,
) -> Result<Option<u64>, EvidenceError> {
    let page = evidence.source.preferences(feature, std::slice::from_ref(tenant_id)).await?;
    Ok(page.preferences.into_iter().next().and_then(|entry| entry.number))
}

/// Whether a tenant is one of those whom a static job serves, as of an instant.
async fn is_selected(
    evidence: &Evidence,
    job: &Job,
    tenant_id: &TenantId,
    as_of: Timestamp,
) -> Result<bool, EvidenceError> {
    let of_job = job.filters.tenants();
    if !of_job.tenant_ids.is_empty() && !of_job.tenant_ids.contains(tenant_id) {
        return Ok(false);
    }
    let filter = TenantFilter { tenant_ids: vec![tenant_id.clone()], ..of_job };
    let request = TenantMembersRequest { filter, as_of, cursor: None, limit: Some(1) };
    let page = evidence.source.tenants(&request).await?;
    Ok(page.members.iter().any(|member| member.tenant_id == *tenant_id))
}

/// The user's place in the run of the occurrence that was chosen, or in another run of its instant,
/// such as a trigger's.
async fn place(
    evidence: &Evidence,
    job_id: &JobId,
    number: u64,
    chosen: &Chosen,
) -> Result<Option<MemberStanding>, LedgerError> {
    let mut places = evidence.ledger.member_standings(job_id, number, chosen.at).await?;
    let name = chosen.named().map(|(_, name)| name);
    places.sort_by_key(|place| Some(place.run.occurrence.nominal) != name);
    Ok(places.into_iter().next())
}

/// The user's places in runs by hand, oldest first: those that the moment covers, and later reruns
/// of the work that is explained (D13).
async fn by_hand(
    evidence: &Evidence,
    question: &Question,
    number: u64,
    chosen: &Chosen,
    place: Option<&MemberStanding>,
) -> Result<Vec<MemberStanding>, LedgerError> {
    let Range { start, end } = chosen.span;
    let after_now = saturating_add(question.now, SignedDuration::from_nanos(1));
    let until = if place.is_some() { end.max(after_now) } else { end };
    let belongs = |standing: &MemberStanding| {
        let is_by_hand = standing.run.occurrence.nominal.nominal().is_none();
        let is_covered = chosen.span.contains(&standing.run.occurrence.at);
        is_by_hand && (is_covered || place.is_some_and(|place| repeats(standing, place)))
    };
    let mut found = Vec::new();
    for at in evidence.ledger.runs_by_hand(&question.job_id, start..until).await? {
        let of_instant = evidence.ledger.member_standings(&question.job_id, number, at).await?;
        found.extend(of_instant.into_iter().filter(belongs));
    }
    Ok(found)
}

/// Whether a place is that of work which does another place's work again.
fn repeats(standing: &MemberStanding, place: &MemberStanding) -> bool {
    let repeated = match &standing.work {
        WorkStanding::Open(member) => {
            member.repeats.as_ref().map(|work| (work.nominal, work.timezone.as_str()))
        }
        WorkStanding::Final(outcome) => {
            outcome.repeats.as_ref().map(|work| (work.nominal, work.timezone.as_str()))
        }
    };
    repeated == Some((place.run.occurrence.nominal, place.run.group.timezone().name()))
}

/// Explains the newest run by hand if the calendar gave the user no place, and leaves the others
/// to be told beside.
fn with_run_by_hand(
    chosen: Chosen,
    place: Option<MemberStanding>,
    mut by_hand: Vec<MemberStanding>,
) -> (Chosen, Option<MemberStanding>, Vec<MemberStanding>) {
    let Some(place) = place else {
        return match by_hand.pop() {
            Some(newest) => (chosen.by_hand(&newest.run), Some(newest), by_hand),
            None => (chosen, None, by_hand),
        };
    };
    by_hand.retain(|standing| standing.run.id != place.run.id);
    (chosen, Some(place), by_hand)
}

/// How the job's purpose does, if anything is known against it (D12).
async fn health(evidence: &Evidence, job: &Job) -> Result<Option<PurposeHealth>, LedgerError> {
    let known = evidence.ledger.purpose_health().await?;
    Ok(known.into_iter().find(|health| health.purpose == job.purpose_id))
}

/// Whether a user whose work is not begun waits for an earlier run (F10).
async fn is_open_earlier(
    evidence: &Evidence,
    place: Option<&MemberStanding>,
) -> Result<bool, LedgerError> {
    match place {
        Some(MemberStanding { run, work: WorkStanding::Open(member), .. })
            if member.is_unbegun() =>
        {
            let open = evidence.ledger.open_earlier(run, vec![member.number]).await?;
            Ok(open.contains_key(&member.number))
        }
        _ => Ok(false),
    }
}

/// About when a moment is, whatever the zone.
fn roughly(moment: Moment, now: Timestamp) -> Timestamp {
    let in_utc = |local| TimeZone::UTC.to_timestamp(local).unwrap_or(Timestamp::MIN);
    match moment.dated(TimeZone::UTC.to_datetime(now).date()) {
        DatedMoment::Instant(at) => at,
        DatedMoment::Local(local) => in_utc(local),
        DatedMoment::Day(day) => {
            saturating_add(in_utc(day.at(12, 0, 0, 0)), SignedDuration::from_hours(12))
        }
    }
}

/// The zone that the tenant calls their own now.
fn own_zone(history: &[HistoryEntry]) -> Option<Zone> {
    let profile = history.iter().find(|entry| entry.feature_type.is_none())?.after.as_ref()?;
    profile["timezone"].as_str()?.parse().ok()
}
