//! Gathers what there is to know of a job, a user and a moment: from the Config Database, and from
//! the ledger by index. It decides nothing.

use cohort_ledger::{LedgerError, MemberStanding, Run, WorkStanding};
use cohort_preferences::{
    FeatureType, Job, JobId, TenantFilter, TenantId, TenantMembersRequest, Zone,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::choose::{Chosen, choose};
use super::moment::Moment;
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
        Question { tenant_id, job_id, asked, now }: &Question,
        history_of_job: &JobHistory,
    ) -> Result<Option<Self>, EvidenceError> {
        let Evidence { source, ledger, .. } = evidence;
        let job = history_of_job.job_about(roughly(*asked)).ok_or_else(|| {
            LedgerError::Corrupt(format!("no version of the job {job_id} can be read"))
        })?;
        let Some(number) = number_of(evidence, &job.feature_type, tenant_id).await? else {
            return Ok(None);
        };
        let history = source.history(tenant_id).await?;
        let defaults = source.feature_defaults(&job.feature_type).await?;
        let defaults = DefaultsInTime::of(&history_of_job.defaults(), &defaults);
        let timeline = Timeline::of(job, &defaults, &history);
        let chosen = choose(*asked, &timeline, own_zone(&history).as_ref());
        let is_selected = match job.schedule {
            Some(_) => Some(is_selected(evidence, job, tenant_id, chosen.at.min(*now)).await?),
            None => None,
        };
        let place = place(evidence, job_id, number, &chosen).await?;
        let run = match chosen.named() {
            Some((group, name)) => ledger.run_named(job_id, group, name).await?,
            None => None,
        };
        let is_open_earlier = is_open_earlier(evidence, place.as_ref()).await?;
        let kept_since = ledger.kept_since().await?;
        Ok(Some(Self { timeline, chosen, is_selected, place, run, is_open_earlier, kept_since }))
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
fn roughly(moment: Moment) -> Timestamp {
    let in_utc = |local| TimeZone::UTC.to_timestamp(local).unwrap_or(Timestamp::MIN);
    match moment {
        Moment::Instant(at) => at,
        Moment::Local(local) => in_utc(local),
        Moment::Day(day) => {
            saturating_add(in_utc(day.at(12, 0, 0, 0)), SignedDuration::from_hours(12))
        }
    }
}

/// The zone that the tenant calls their own now.
fn own_zone(history: &[HistoryEntry]) -> Option<Zone> {
    let profile = history.iter().find(|entry| entry.feature_type.is_none())?.after.as_ref()?;
    profile["timezone"].as_str()?.parse().ok()
}
