//! The schedules of all jobs in memory: which preference groups there are, and when each is due next.
//!
//! Defaults turn the stated groups of a feature into preference groups, one timer each (T12); so do the zones of tenants
//! that a job enrols, who state nothing (T13); a static job has one group of its own. Counts are kept from the change feed,
//! so that a change costs what changed and not what exists. Nothing here does I/O: the scheduler asks what is due, records
//! it in the ledger, and only then moves the schedules on.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use cohort_preferences::{
    Change, ChangeKind, FeatureType, GroupList, GroupSummary, Job, JobId, NamedRun, Occurrence, OwnZone, PreferenceGroup, Schedule,
    StatedGroup, TenantTimezone, TimeKey, UnresolvedGroup, is_later_cursor,
};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::defaults::{DefaultsInTime, Stretch};
use super::plan::{Verdict, judge};
use crate::ledger::{FiringName, Mark, Pause};
use crate::processor::JobInForce;
use crate::registry::Outlook;

/// How far back occurrences of a zone that is new among the tenants are planned again: the list of zones is read anew only so
/// often, and a run that is already open is not opened twice.
const ZONES_REPLANNED: SignedDuration = SignedDuration::from_mins(5);

/// Only occurrences whose nominal date lies within are planned; for simulations of a stretch of the calendar.
#[derive(Debug, Clone, Copy)]
pub struct NominalDates {
    /// The first date.
    pub first: Date,
    /// The last date, included.
    pub last: Date,
}

/// Occurrences that have runs.
pub(crate) type Named = HashSet<(PreferenceGroup, FiringName)>;

/// All schedules, shared by the scheduler, the watch and the processor.
#[derive(Debug)]
pub(crate) struct Schedules {
    jobs: Mutex<Vec<JobSchedules>>,
    horizon: Option<NominalDates>,
}

#[derive(Debug)]
struct JobSchedules {
    job: Arc<Job>,
    /// `None` for a job that is not stored.
    version: Option<u32>,
    pause: Option<Pause>,
    mark: Mark,
    /// The stretch from the mark's `replan_from` on is still to be planned anew (T11).
    is_replanning: bool,
    /// The feed's cursor up to which changes are in the groups: reading one twice does no harm (F7).
    applied: String,
    defaults: DefaultsInTime,
    /// When the feed was heard to name other defaults than these: the groups are to be read anew.
    outdated_since: Option<Timestamp>,
    /// The zones of the tenants that it enrols.
    zones: BTreeSet<OwnZone>,
    groups: HashMap<PreferenceGroup, Scheduled>,
    due: BTreeSet<(Timestamp, PreferenceGroup)>,
}

#[derive(Debug)]
struct Scheduled {
    schedule: Schedule,
    /// Hardly ever more than one: with very many groups, each byte here counts.
    stated: SmallVec<[Part; 1]>,
    /// The zones of the tenants that are enrolled in it.
    enrolled: BTreeMap<OwnZone, SmallVec<[Stretch; 1]>>,
    planned_until: Timestamp,
    next: Option<Occurrence>,
}

/// A stated group as part of a preference group.
#[derive(Debug, Clone)]
struct Part {
    group: StatedGroup,
    count: u64,
    empty_since: Option<Timestamp>,
    stretches: SmallVec<[Stretch; 1]>,
}

/// What makes up a preference group at an instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) stated: Vec<StatedGroup>,
    /// The zones of the tenants that are enrolled in it.
    pub(crate) enrolled: Vec<OwnZone>,
}

/// What makes up a group is not known: the defaults are others since, and the groups are still to be read anew (T12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outdated {
    /// When that was heard of.
    pub(crate) since: Timestamp,
}

/// An occurrence that has come due, and what is to be done about it.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) group: PreferenceGroup,
    pub(crate) parts: Parts,
    pub(crate) occurrence: Occurrence,
    pub(crate) verdict: Verdict,
}

/// A group and when it fires next, for those who look.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ScheduleView {
    /// Which job.
    pub job_id: JobId,
    /// Of which feature.
    pub feature_type: FeatureType,
    /// Which group.
    #[serde(flatten)]
    pub group: PreferenceGroup,
    /// How many users it has by their preferences; those who are enrolled or filtered are counted by each run only.
    pub members: u64,
    /// When it fires next; `None` at the end of the calendar.
    pub next: Option<Occurrence>,
}

/// The place of a schedule in the list of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleKey {
    /// Which job.
    pub job_id: JobId,
    /// Which of its groups.
    pub group: PreferenceGroup,
}

impl Schedules {
    pub(crate) fn new(horizon: Option<NominalDates>) -> Self {
        Self { jobs: Mutex::new(Vec::new()), horizon }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<JobSchedules>> {
        self.jobs.lock().expect("the schedules are changed by code that does not panic")
    }

    /// Replaces what is known of the job's groups by this list, and by the zones of tenants that it enrols; groups that stay
    /// keep how far they are planned.
    ///
    /// # Errors
    /// A stated group that no default completes (T12); nothing has changed then.
    pub(super) fn replace(
        &self,
        job: &JobInForce,
        mark: Mark,
        defaults: DefaultsInTime,
        list: GroupList,
        zones: &[TenantTimezone],
    ) -> Result<(), UnresolvedGroup> {
        let mut fresh = JobSchedules::new(job, mark, list.position, defaults);
        let mut jobs = self.lock();
        let earlier = jobs.iter().position(|schedules| schedules.job.job_id == job.job.job_id);
        let begins_anew = fresh.begins_anew(earlier.map(|index| &jobs[index]));
        // A part that is new to a group has not been planned with it.
        let in_force = |group: &PreferenceGroup| {
            let scheduled = jobs[earlier?].groups.get(group).filter(|scheduled| scheduled.gone_since().is_none());
            scheduled.filter(|_| !begins_anew)
        };
        let known = |group: &PreferenceGroup, part: &StatedGroup| {
            in_force(group).filter(|scheduled| scheduled.part(part).is_some()).map(|scheduled| scheduled.planned_until)
        };
        for summary in list.groups {
            for (group, stretch) in fresh.defaults.stretches(&summary.group)? {
                fresh.learn(&group, &summary, stretch, known(&group, &summary.group));
            }
        }
        for zone in zones {
            let is_new = earlier.is_some_and(|index| !jobs[index].zones.contains(&zone.timezone));
            for (group, stretch) in fresh.defaults.stretches(&nothing_stated(&zone.timezone))? {
                let since = zone.since.max(stretch.from);
                let from = if is_new {
                    fresh.replanned_from(since)
                } else {
                    in_force(&group).map_or(fresh.first_planned_from(since), |scheduled| scheduled.planned_until)
                };
                fresh.enrol(&group, &zone.timezone, stretch, from);
            }
        }
        match earlier {
            Some(index) => jobs[index] = fresh,
            None => jobs.push(fresh),
        }
        Ok(())
    }

    /// Makes or keeps the one schedule of a static job.
    pub(crate) fn replace_static(&self, job: &JobInForce, mark: Mark, group: &PreferenceGroup) {
        let mut fresh = JobSchedules::new(job, mark, String::new(), DefaultsInTime::of_job(&job.job));
        let mut jobs = self.lock();
        let earlier = jobs.iter().position(|schedules| schedules.job.job_id == job.job.job_id);
        let begins_anew = fresh.begins_anew(earlier.map(|index| &jobs[index]));
        let known =
            earlier.filter(|_| !begins_anew).and_then(|index| jobs[index].groups.get(group)).map(|scheduled| scheduled.planned_until);
        let planned_until = mark.replan_from.unwrap_or(mark.planned_until);
        fresh.schedule(group, known.unwrap_or(planned_until.max(job.applied_at())));
        match earlier {
            Some(index) => jobs[index] = fresh,
            None => jobs.push(fresh),
        }
    }

    /// Forgets the schedules of all jobs but these.
    pub(crate) fn retain(&self, is_planned: impl Fn(&JobId) -> bool) {
        self.lock().retain(|schedules| is_planned(&schedules.job.job_id));
    }

    /// Whether a job has schedules, and they are made by this version of it.
    pub(crate) fn are_of(&self, job: &JobId, version: Option<u32>) -> bool {
        self.lock().iter().any(|schedules| schedules.job.job_id == *job && schedules.version == version)
    }

    /// Notes a job's last pause.
    pub(crate) fn pause(&self, job: &JobId, pause: Option<Pause>) {
        if let Some(schedules) = self.lock().iter_mut().find(|schedules| schedules.job.job_id == *job) {
            schedules.pause = pause;
        }
    }

    /// Adds or corrects one stated group of a job.
    pub(crate) fn learn(&self, job: &JobId, summary: &GroupSummary) -> Result<(), UnresolvedGroup> {
        let mut jobs = self.lock();
        let Some(schedules) = jobs.iter_mut().find(|schedules| schedules.job.job_id == *job) else {
            return Ok(());
        };
        for (group, stretch) in schedules.defaults.stretches(&summary.group)? {
            schedules.learn(&group, summary, stretch, None);
        }
        Ok(())
    }

    /// Applies a change of the feed, heard of `now`, to every job that follows its feature. Answers the groups that a job
    /// cannot schedule.
    pub(crate) fn apply(&self, change: &Change, now: Timestamp) -> Vec<(JobId, UnresolvedGroup)> {
        let mut unresolved = Vec::new();
        let concerned = |schedules: &&mut JobSchedules| {
            schedules.job.preference_based
                && schedules.job.feature_type == change.feature_type
                && is_later_cursor(&change.id, &schedules.applied)
        };
        for schedules in self.lock().iter_mut().filter(concerned) {
            unresolved.extend(schedules.apply(change, now).err().map(|error| (schedules.job.job_id.clone(), error)));
        }
        unresolved
    }

    /// The jobs whose groups are to be read anew, because their defaults have changed (T12).
    pub(crate) fn outdated(&self) -> Vec<JobId> {
        self.lock().iter().filter(|schedules| schedules.outdated_since.is_some()).map(|schedules| schedules.job.job_id.clone()).collect()
    }

    /// When the next group of any job is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.lock().iter().filter_map(|schedules| schedules.due.first().map(|(at, _)| *at)).min()
    }

    /// From when on a job is planned anew, by another time zone database (T11); `None` if it is not.
    pub(crate) fn replanned_from(&self, job: &JobId) -> Option<Timestamp> {
        let jobs = self.lock();
        let schedules = jobs.iter().find(|schedules| schedules.job.job_id == *job).filter(|schedules| schedules.is_replanning);
        schedules.and_then(|schedules| schedules.mark.replan_from)
    }

    /// What has come due for a job up to `now` and is not `named` on record already; nothing is changed.
    pub(crate) fn due(&self, job: &JobId, now: Timestamp, named: &Named) -> Vec<Due> {
        let jobs = self.lock();
        let Some(schedules) = jobs.iter().find(|schedules| schedules.job.job_id == *job) else {
            return Vec::new();
        };
        let due = schedules.due.iter().take_while(|(at, _)| *at <= now);
        let mut all: Vec<Due> = due.flat_map(|(_, group)| schedules.due_of(group, now, self.horizon, named)).collect();
        all.sort_by_key(|due| due.occurrence.at);
        all
    }

    /// Notes that everything of the job up to `now` is planned and in the ledger.
    pub(crate) fn advance(&self, job: &JobId, now: Timestamp) {
        if let Some(schedules) = self.lock().iter_mut().find(|schedules| schedules.job.job_id == *job) {
            schedules.advance(now);
        }
    }

    /// What makes up a preference group of a job at an instant.
    pub(crate) fn parts(&self, job: &JobId, group: &PreferenceGroup, at: Timestamp) -> Result<Parts, Outdated> {
        let jobs = self.lock();
        let Some(schedules) = jobs.iter().find(|schedules| schedules.job.job_id == *job) else { return Ok(Parts::default()) };
        match schedules.outdated_since {
            Some(since) => Err(Outdated { since }),
            None => Ok(schedules.groups.get(group).map(|scheduled| scheduled.parts(at)).unwrap_or_default()),
        }
    }

    /// Whether the defaults of an instant make a stated group part of a preference group; yes, if they are not known.
    pub(crate) fn is_part(&self, job: &JobId, stated: &StatedGroup, group: &PreferenceGroup, at: Timestamp) -> bool {
        let jobs = self.lock();
        let schedules = jobs.iter().find(|schedules| schedules.job.job_id == *job);
        schedules.is_none_or(|schedules| schedules.defaults.resolve_at(stated, at).is_ok_and(|resolved| resolved == *group))
    }

    /// Whether other defaults have moved users into a preference group of a job at this instant or later (T12).
    pub(crate) fn has_taken_over_since(&self, job: &JobId, group: &PreferenceGroup, since: Timestamp) -> bool {
        let jobs = self.lock();
        let scheduled = jobs.iter().find(|schedules| schedules.job.job_id == *job).and_then(|schedules| schedules.groups.get(group));
        scheduled.is_some_and(|scheduled| scheduled.stretches().any(|stretch| stretch.from >= since))
    }

    /// The overrides that lie under those of the users of a job (T12).
    pub(crate) fn template_overrides(&self, job: &JobId) -> Map<String, Value> {
        let jobs = self.lock();
        let schedules = jobs.iter().find(|schedules| schedules.job.job_id == *job);
        schedules.map(|schedules| schedules.defaults.template_overrides()).unwrap_or_default()
    }

    /// How many users a preference group of a job has, as far as is known.
    pub(crate) fn members(&self, job: &JobId, group: &PreferenceGroup) -> u64 {
        let jobs = self.lock();
        let scheduled = jobs.iter().find(|schedules| schedules.job.job_id == *job).and_then(|schedules| schedules.groups.get(group));
        scheduled.map_or(0, Scheduled::members)
    }

    /// What is planned for a job; `None` if it has no schedules.
    pub(crate) fn outlook(&self, job: &JobId) -> Option<Outlook> {
        let jobs = self.lock();
        let schedules = jobs.iter().find(|schedules| schedules.job.job_id == *job)?;
        let next_run = schedules.due.first().and_then(|(_, group)| {
            let Occurrence { nominal, at } = schedules.groups[group].next?;
            Some(NamedRun { nominal, timezone: group.timezone().name().to_owned(), at })
        });
        let members = schedules.groups.values().map(Scheduled::members).sum();
        Some(Outlook { groups: schedules.groups.len(), members, next_run })
    }

    /// Every group with its size and next occurrence.
    pub(crate) fn view(&self) -> Vec<ScheduleView> {
        let jobs = self.lock();
        let view = |schedules: &JobSchedules, group: &PreferenceGroup, scheduled: &Scheduled| ScheduleView {
            job_id: schedules.job.job_id.clone(),
            feature_type: schedules.job.feature_type.clone(),
            group: group.clone(),
            members: scheduled.members(),
            next: scheduled.next,
        };
        let mut views: Vec<_> = jobs
            .iter()
            .flat_map(|schedules| schedules.groups.iter().map(move |(group, scheduled)| view(schedules, group, scheduled)))
            .filter(|view| view.members > 0 || view.next.is_some())
            .collect();
        views.sort_by(|a, b| (&a.job_id, &a.group).cmp(&(&b.job_id, &b.group)));
        views
    }
}

/// The group of a tenant who stated nothing (T12).
fn nothing_stated(zone: &OwnZone) -> StatedGroup {
    StatedGroup::new(None, TimeKey::Unstated, zone.0.clone()).expect("no frequency fits no time")
}

impl JobSchedules {
    fn new(job: &JobInForce, mark: Mark, applied: String, defaults: DefaultsInTime) -> Self {
        Self {
            job: Arc::clone(&job.job),
            version: job.version(),
            pause: job.pause(),
            mark,
            is_replanning: false,
            applied,
            defaults,
            outdated_since: None,
            zones: BTreeSet::new(),
            groups: HashMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// Notes whether a stretch is to be planned anew that the schedules of before know nothing of, or have not planned yet.
    /// Answers whether its planning begins with these schedules (T11).
    fn begins_anew(&mut self, earlier: Option<&Self>) -> bool {
        let begins = self.mark.replan_from.is_some() && earlier.is_none_or(|earlier| earlier.mark.replan_from != self.mark.replan_from);
        self.is_replanning = begins || earlier.is_some_and(|earlier| earlier.is_replanning);
        begins
    }

    /// A group is planned from the instant at which it came to be, even if the mark is already later (F1). Between what was
    /// known when the mark was set and the mark, users may have come to it without a word to us, also to one that is older:
    /// that stretch is planned anew, and runs that were opened in it are found by their unique key. So is what another time
    /// zone database may have named otherwise (T11).
    fn first_planned_from(&self, since: Timestamp) -> Timestamp {
        since.max(self.mark.replan_from.map_or(self.mark.known_until, |from| from.min(self.mark.known_until)))
    }

    fn learn(&mut self, group: &PreferenceGroup, summary: &GroupSummary, stretch: Stretch, planned_until: Option<Timestamp>) {
        let from = planned_until.unwrap_or_else(|| self.first_planned_from(summary.since.max(stretch.from)));
        if self.is_past(stretch, group, from) {
            return;
        }
        let scheduled = self.schedule(group, from);
        let part = scheduled.part_mut(&summary.group);
        (part.count, part.empty_since) = (summary.count, summary.empty_since);
        part.note(stretch);
    }

    /// Whether nothing fires in a stretch any more, and no run that fired in it can still wait for its members (F4).
    fn is_past(&self, stretch: Stretch, group: &PreferenceGroup, from: Timestamp) -> bool {
        let window = self.job.catchup_window(group.frequency());
        stretch.until.is_some_and(|until| super::saturating_add(until, window) <= from)
    }

    /// A zone that is new among the tenants has been there for as long as the list was not read.
    fn replanned_from(&self, since: Timestamp) -> Timestamp {
        since.max(super::saturating_add(self.mark.planned_until, -ZONES_REPLANNED))
    }

    fn enrol(&mut self, group: &PreferenceGroup, zone: &OwnZone, stretch: Stretch, from: Timestamp) {
        self.zones.insert(zone.clone());
        if !self.is_past(stretch, group, from) {
            note(self.schedule(group, from).enrolled.entry(zone.clone()).or_default(), stretch);
        }
    }

    /// The group, planned from this instant or earlier.
    fn schedule(&mut self, group: &PreferenceGroup, from: Timestamp) -> &mut Scheduled {
        if self.groups.get(group).is_some_and(|scheduled| from < scheduled.planned_until) {
            self.replan(group, from);
        }
        self.revive(group, from);
        let due = &mut self.due;
        self.groups.entry(group.clone()).or_insert_with(|| {
            let schedule = Schedule::of(group);
            let next = schedule.next_after(from);
            due.extend(next.map(|next| (next.at, group.clone())));
            Scheduled { schedule, stated: SmallVec::new(), enrolled: BTreeMap::new(), planned_until: from, next }
        })
    }

    /// Plans a group anew from an earlier instant: runs that were opened since are found by their unique key.
    fn replan(&mut self, group: &PreferenceGroup, from: Timestamp) {
        let Some(scheduled) = self.groups.get_mut(group) else { return };
        if let Some(next) = scheduled.next {
            self.due.remove(&(next.at, group.clone()));
        }
        scheduled.planned_until = from;
        scheduled.next = scheduled.schedule.next_after(from);
        self.due.extend(scheduled.next.map(|next| (next.at, group.clone())));
    }

    /// Plans a group that had retired, from the instant at which somebody joined it again.
    fn revive(&mut self, group: &PreferenceGroup, from: Timestamp) {
        if self.groups.get(group).is_some_and(|scheduled| scheduled.next.is_none()) {
            self.replan(group, from);
        }
    }

    fn apply(&mut self, change: &Change, now: Timestamp) -> Result<(), UnresolvedGroup> {
        self.applied.clone_from(&change.id);
        if change.kind == ChangeKind::Defaults {
            self.outdated_since.get_or_insert(now);
            return Ok(());
        }
        if let Some(left) = &change.left
            && let Ok(group) = self.defaults.resolve(left)
            && let Some(part) = self.groups.get_mut(&group).and_then(|scheduled| scheduled.known_part_mut(left))
        {
            part.lose_one(change.at);
        }
        let Some(joined) = &change.joined else { return Ok(()) };
        let group = self.defaults.resolve(joined)?;
        match self.groups.get_mut(&group).and_then(|scheduled| scheduled.known_part_mut(joined)) {
            Some(part) => {
                part.gain_one();
                self.revive(&group, change.at);
            }
            None => {
                let summary = GroupSummary { group: joined.clone(), count: 1, since: change.at, empty_since: None };
                for (group, stretch) in self.defaults.stretches(joined)? {
                    self.learn(&group, &summary, stretch, None);
                }
            }
        }
        Ok(())
    }

    fn due_of(&self, group: &PreferenceGroup, now: Timestamp, horizon: Option<NominalDates>, named: &Named) -> Vec<Due> {
        let scheduled = &self.groups[group];
        let until = scheduled.gone_since().map_or(now, |gone| gone.min(now));
        let in_horizon =
            |occurrence: &Occurrence| horizon.is_none_or(|dates| (dates.first..=dates.last).contains(&occurrence.nominal.date()));
        let is_named = |occurrence: &Occurrence| named.contains(&(group.clone(), FiringName::Nominal(occurrence.nominal)));
        let due: Vec<Occurrence> = scheduled
            .schedule
            .after(scheduled.planned_until)
            .take_while(|occurrence| occurrence.at <= until)
            .filter(|occurrence| in_horizon(occurrence) && scheduled.is_made_up(occurrence.at))
            .filter(|occurrence| !self.is_planned_by_instant(occurrence) && !is_named(occurrence))
            .collect();
        let verdicts = judge(&self.job, self.pause, group, &due, now);
        let due = due.into_iter().zip(verdicts);
        due.map(|(occurrence, verdict)| Due { group: group.clone(), parts: scheduled.parts(occurrence.at), occurrence, verdict }).collect()
    }

    /// Whether another time zone database has nothing to say of an occurrence that was planned: a name with an offset says
    /// the instant, and the instant is past (T9, T11).
    fn is_planned_by_instant(&self, occurrence: &Occurrence) -> bool {
        self.is_replanning && occurrence.nominal.offset().is_some() && occurrence.at <= self.mark.known_until
    }

    fn advance(&mut self, now: Timestamp) {
        self.is_replanning = false;
        self.mark.planned_until = self.mark.planned_until.max(now);
        while let Some((at, group)) = self.due.pop_first() {
            if at > now {
                self.due.insert((at, group));
                return;
            }
            let scheduled = self.groups.get_mut(&group).expect("what is due is a group");
            if let Some(gone) = scheduled.gone_since().filter(|gone| *gone <= now) {
                scheduled.retire(gone);
                continue;
            }
            scheduled.planned_until = now;
            scheduled.next = scheduled.schedule.next_after(now);
            self.due.extend(scheduled.next.map(|next| (next.at, group)));
        }
    }
}

impl Scheduled {
    fn part(&self, stated: &StatedGroup) -> Option<&Part> {
        self.stated.iter().find(|part| part.group == *stated)
    }

    fn known_part_mut(&mut self, stated: &StatedGroup) -> Option<&mut Part> {
        self.stated.iter_mut().find(|part| part.group == *stated)
    }

    /// The part of a stated group, which is one from now on.
    fn part_mut(&mut self, stated: &StatedGroup) -> &mut Part {
        let known = self.stated.iter().position(|part| part.group == *stated);
        let index = known.unwrap_or_else(|| {
            self.stated.push(Part { group: stated.clone(), count: 0, empty_since: None, stretches: SmallVec::new() });
            self.stated.len() - 1
        });
        &mut self.stated[index]
    }

    /// What makes it up at an instant.
    fn parts(&self, at: Timestamp) -> Parts {
        let stated = self.stated.iter().filter(|part| holds(&part.stretches, at)).map(|part| part.group.clone());
        let enrolled = self.enrolled.iter().filter(|(_, stretches)| holds(*stretches, at)).map(|(zone, _)| zone.clone());
        Parts { stated: stated.collect(), enrolled: enrolled.collect() }
    }

    /// Whether it fires at an instant: between two defaults that complete to it, it does not.
    fn is_made_up(&self, at: Timestamp) -> bool {
        self.is_static() || holds(self.stretches(), at)
    }

    /// A static job's group is made up of nothing: it is there as long as the job.
    fn is_static(&self) -> bool {
        self.stated.is_empty() && self.enrolled.is_empty()
    }

    fn stretches(&self) -> impl Iterator<Item = &Stretch> {
        self.stated.iter().flat_map(|part| &part.stretches).chain(self.enrolled.values().flatten())
    }

    fn members(&self) -> u64 {
        let now = self.stated.iter().filter(|part| part.stretches.iter().any(|stretch| stretch.until.is_none()));
        now.map(|part| part.count).sum()
    }

    /// It fires no more, until somebody joins it. Its parts stay until the groups are read anew: a run may still wait for
    /// its members (F4).
    fn retire(&mut self, gone: Timestamp) {
        self.planned_until = self.planned_until.max(gone);
        self.next = None;
    }

    /// Since when nobody has been in it; `None` while somebody is or may be.
    fn gone_since(&self) -> Option<Timestamp> {
        let stated = self.stated.iter().map(Part::gone_since);
        let enrolled = self.enrolled.values().map(|stretches| ended(stretches));
        stated.chain(enrolled).collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

impl Part {
    fn note(&mut self, stretch: Stretch) {
        note(&mut self.stretches, stretch);
    }

    fn gain_one(&mut self) {
        self.count += 1;
        self.empty_since = None;
    }

    fn lose_one(&mut self, at: Timestamp) {
        self.count = self.count.saturating_sub(1);
        self.empty_since = (self.count == 0).then_some(at);
    }

    fn gone_since(&self) -> Option<Timestamp> {
        match (self.empty_since, ended(&self.stretches)) {
            (Some(empty), Some(ended)) => Some(empty.min(ended)),
            (empty, ended) => empty.or(ended),
        }
    }
}

fn note(stretches: &mut SmallVec<[Stretch; 1]>, stretch: Stretch) {
    if !stretches.contains(&stretch) {
        stretches.push(stretch);
    }
}

fn holds<'a>(stretches: impl IntoIterator<Item = &'a Stretch>, at: Timestamp) -> bool {
    stretches.into_iter().any(|stretch| stretch.contains(at))
}

/// When the last of these ended; `None` if one has not.
fn ended(stretches: &[Stretch]) -> Option<Timestamp> {
    stretches.iter().map(|stretch| stretch.until).collect::<Option<Vec<_>>>()?.into_iter().max()
}
