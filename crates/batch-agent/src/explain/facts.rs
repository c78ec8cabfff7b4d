//! Gathers what there is to know of a job, a user and a moment: from the Config Database, and from
//! the ledger by index.

use cohort_preferences::{
    FeatureType, Job, JobId, TenantFilter, TenantId, TenantMembersRequest, Zone,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::choose::{Chosen, choose};
use super::moment::Moment;
use super::timeline::{StatedPreference, Timeline};
use super::trace::{Facts, UserFacts};
use super::{ExplainError, Explainer};
use crate::clock::saturating_add;
use crate::jobs::JobHistory;
use crate::schedules::DefaultsInTime;
use crate::source::HistoryEntry;
use cohort_ledger::{FiringName, LedgerError, Place, WorkStanding};

impl Explainer {
    pub(super) async fn facts(
        &self,
        tenant_id: TenantId,
        job_id: JobId,
        asked: Moment,
    ) -> Result<Facts, ExplainError> {
        let now = self.clock.now();
        let job = JobHistory::read(&*self.ledger, self.jobs.as_ref(), &job_id).await?;
        let user = match &job {
            Some(job) => self.user_facts(&tenant_id, &job_id, job, asked, now).await?,
            None => None,
        };
        Ok(Facts { now, tenant_id, job_id, asked, job, user })
    }

    async fn user_facts(
        &self,
        tenant_id: &TenantId,
        job_id: &JobId,
        known: &JobHistory,
        asked: Moment,
        now: Timestamp,
    ) -> Result<Option<UserFacts>, ExplainError> {
        let job = known.job_about(roughly(asked));
        let job = job.ok_or_else(|| {
            LedgerError::Corrupt(format!("no version of the job {job_id} can be read"))
        })?;
        let Some(number) = self.number_of(&job.feature_type, tenant_id).await? else {
            return Ok(None);
        };
        let history = self.source.history(tenant_id).await?;
        let defaults = self.source.feature_defaults(&job.feature_type).await?;
        let timeline =
            Timeline::of(job, &DefaultsInTime::of(&known.defaults(), &defaults), &history);
        let chosen = choose(asked, &timeline, own_zone(&history).as_ref());
        let is_selected = self.is_selected(job, tenant_id, &timeline, chosen.at.min(now)).await?;
        let place = self.place(job_id, number, &chosen).await?;
        let run = match &chosen.occurrence {
            Some((group, occurrence)) => {
                self.ledger
                    .run_named(job_id, group, FiringName::Nominal(occurrence.nominal))
                    .await?
            }
            None => None,
        };
        let is_open_earlier = self.is_open_earlier(place.as_ref()).await?;
        Ok(Some(UserFacts {
            timeline,
            chosen,
            is_selected,
            place,
            run,
            is_open_earlier,
            kept_since: self.ledger.kept_since().await?,
        }))
    }

    async fn number_of(
        &self,
        feature: &FeatureType,
        tenant_id: &TenantId,
    ) -> Result<Option<u64>, ExplainError> {
        let answer = self.source.preferences(feature, std::slice::from_ref(tenant_id)).await?;
        Ok(answer.preferences.into_iter().next().and_then(|entry| entry.number))
    }

    /// Whether a tenant is one of those whom a static job serves, as of an instant; `None` for
    /// another job.
    async fn is_selected(
        &self,
        job: &Job,
        tenant_id: &TenantId,
        timeline: &Timeline,
        as_of: Timestamp,
    ) -> Result<Option<bool>, ExplainError> {
        if timeline.at(as_of).wish != StatedPreference::Irrelevant {
            return Ok(None);
        }
        let of_job = job.filters.tenants();
        if !of_job.tenant_ids.is_empty() && !of_job.tenant_ids.contains(tenant_id) {
            return Ok(Some(false));
        }
        let filter = TenantFilter { tenant_ids: vec![tenant_id.clone()], ..of_job };
        let page = self
            .source
            .tenants(&TenantMembersRequest { filter, as_of, cursor: None, limit: Some(1) })
            .await?;
        Ok(Some(page.members.iter().any(|member| member.tenant_id == *tenant_id)))
    }

    /// The user's place in the run of the occurrence that was chosen, or in another of its instant,
    /// such as a trigger's.
    async fn place(
        &self,
        job_id: &JobId,
        number: u64,
        chosen: &Chosen,
    ) -> Result<Option<Place>, LedgerError> {
        let mut places = self.ledger.places(job_id, number, chosen.at).await?;
        let nominal = chosen
            .occurrence
            .as_ref()
            .map(|(_, occurrence)| FiringName::Nominal(occurrence.nominal));
        places.sort_by_key(|place| Some(place.run.occurrence.nominal) != nominal);
        Ok(places.into_iter().next())
    }

    async fn is_open_earlier(&self, place: Option<&Place>) -> Result<bool, LedgerError> {
        let Some(Place { run, work: WorkStanding::Open(member), .. }) = place else {
            return Ok(false);
        };
        Ok(member.is_unbegun()
            && self
                .ledger
                .open_earlier(run, vec![member.number])
                .await?
                .contains_key(&member.number))
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
