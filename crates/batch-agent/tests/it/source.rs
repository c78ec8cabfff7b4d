//! A Config Database in memory: membership as intervals, a change feed, pages, and faults that a
//! test switches.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use cohort_batch_agent::{FeedEvent, HistoryEntry, PreferenceSource, SimulatedClock, SourceError};
use cohort_preferences::{
    BatchGetResponse, Change, ChangeKind, ChangePage, Clock, DefaultPreferences, FeatureDefaults,
    FeatureType, GroupList, GroupSummary, LabelName, Member, MemberLists, MemberListsRequest,
    MemberPage, MembersRequest, OwnZone, Preference, PreferenceEntry, StatedGroup, TenantId,
    TenantMemberPage, TenantMembersRequest, TenantTimezone, WholeList, Zone,
};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use jiff::{SignedDuration, Timestamp};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// The one feature that it knows.
pub(crate) const FEATURE: &str = "posts";

/// Changes in one page of the feed: few, so that the feed is read in several.
const CHANGES_A_PAGE: usize = 400;

type Hook = Box<dyn FnOnce() + Send>;

/// Cheap to clone; all clones are the same database.
#[derive(Clone)]
pub(crate) struct TestSource {
    state: Arc<Mutex<State>>,
    clock: SimulatedClock,
    /// Told when a request begins to hang.
    pub(crate) hung: Arc<Notify>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct State {
    users: BTreeMap<u64, User>,
    numbers: HashMap<TenantId, u64>,
    changes: Vec<Change>,
    defaults: Vec<FeatureDefaults>,
    /// The newest stamp given, or the instant up to which a reader was told that it knows
    /// everything.
    last_stamp: Option<Timestamp>,
    pages: Vec<usize>,
    feed_requests: usize,
    settings_requests: usize,
    faults: Faults,
    after_page: Option<Hook>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, and a test may switch several"
)]
pub(crate) struct Faults {
    /// The feed fails, and nothing else.
    pub(crate) feed_away: bool,
    /// The feed refuses the agent's key.
    pub(crate) feed_denied: bool,
    /// What is followed overlaps what has been read: each page begins before the cursor.
    pub(crate) feed_overlaps: bool,
    /// The feed's oldest changes, which it no longer keeps: a cursor before their end is gone.
    pub(crate) forgotten_changes: usize,
    /// Every request fails.
    pub(crate) away: bool,
    /// The count is off by so much.
    pub(crate) count_off: i64,
    /// Member lists come back empty, with the right count.
    pub(crate) lists_nothing: bool,
    /// There are no groups, nobody is in them, and nobody comes to be in them, as in a database
    /// that is another.
    pub(crate) knows_nobody: bool,
    /// Member requests that begin at or behind this user's number never come back.
    pub(crate) hangs_from: Option<u64>,
    /// Lists of the group of this zone lack a member.
    pub(crate) short_list_of: Option<&'static str>,
    /// Several lists are not given in one answer.
    pub(crate) no_joint_lists: bool,
    /// The most members a page.
    pub(crate) page_limit: Option<usize>,
}

struct User {
    tenant_id: TenantId,
    created_at: Timestamp,
    /// The zone that they call their own.
    zone: Option<Zone>,
    /// What stands for every label of theirs.
    label: Option<String>,
    /// Since when they have stated something, if only that they want nothing.
    stated_since: Option<Timestamp>,
    version: u64,
    preference: Option<Value>,
    stays: Vec<MembershipInterval>,
    /// Oldest first.
    history: Vec<HistoryEntry>,
}

struct MembershipInterval {
    group: StatedGroup,
    from: Timestamp,
    to: Option<Timestamp>,
}

impl TestSource {
    pub(crate) fn new(clock: SimulatedClock) -> Self {
        Self { state: Arc::default(), clock, hung: Arc::default(), changed: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the source")
    }

    /// Writes a user's preference. Returns the instant from which it is in effect (M7).
    pub(crate) fn set(&self, tenant: &str, preference: Value) -> Timestamp {
        let parsed = Preference::from_json(&preference, "").expect("a valid preference");
        let group = parsed.is_enabled().then(|| parsed.stated_group(None));
        self.write(tenant, Some(preference), group)
    }

    /// Deletes a user's preference. Returns the instant from which it is gone (M7).
    pub(crate) fn delete(&self, tenant: &str) -> Timestamp {
        self.write(tenant, None, None)
    }

    fn write(
        &self,
        tenant: &str,
        preference: Option<Value>,
        group: Option<StatedGroup>,
    ) -> Timestamp {
        let mut state = self.lock();
        let at = state.stamp(self.clock.now());
        let tenant_id: TenantId = tenant.parse().expect("a tenant id");
        let kind = if preference.is_some() { ChangeKind::Set } else { ChangeKind::Deleted };
        let number = state.number_of(&tenant_id, at);
        let user = state.users.get_mut(&number).expect("there, or made just now");
        user.version += 1;
        let entry = HistoryEntry {
            at,
            feature_type: Some(feature()),
            version: user.version,
            after: preference.clone(),
        };
        user.history.push(entry);
        user.preference = preference;
        user.stated_since.get_or_insert(at);
        let (left, joined) = user.move_to(group, at);
        let (version, feature_type) = (user.version, feature());
        let id = (state.changes.len() + 1).to_string();
        let (tenant_id, number) = (Some(tenant_id), Some(number));
        state.changes.push(Change {
            id,
            tenant_id,
            number,
            feature_type,
            version,
            at,
            kind,
            left,
            joined,
        });
        drop(state);
        self.changed.notify_waiters();
        at
    }

    /// Takes a user's name and content out of everything (W8).
    pub(crate) fn erase(&self, tenant: &str) {
        self.write(tenant, None, None);
        let mut state = self.lock();
        let number =
            state.numbers.remove(&tenant.parse::<TenantId>().expect("a tenant id")).expect("there");
        state.users.get_mut(&number).expect("there").tenant_id =
            format!("erased:{number}").parse().expect("a tenant id");
        for change in state.changes.iter_mut().filter(|change| change.number == Some(number)) {
            change.tenant_id = None;
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Makes a tenant who states nothing, in a zone of their own.
    pub(crate) fn introduce(&self, tenant: &str, zone: Option<&str>) {
        let mut state = self.lock();
        let at = state.stamp(self.clock.now());
        let number = state.number_of(&tenant.parse().expect("a tenant id"), at);
        let user = state.users.get_mut(&number).expect("there");
        user.zone = zone.map(|name| name.parse().expect("a zone"));
        user.history.push(HistoryEntry {
            at,
            feature_type: None,
            version: 1,
            after: Some(json!({"timezone": zone, "labels": {}})),
        });
    }

    /// Forgets what a user stated before the last so many changes, as a Config Database does after
    /// its retention.
    pub(crate) fn keep_last_changes(&self, tenant: &str, kept: usize) {
        let mut state = self.lock();
        let number = state.numbers[&tenant.parse::<TenantId>().expect("a tenant id")];
        let history = &mut state.users.get_mut(&number).expect("there").history;
        history.drain(..history.len() - kept);
    }

    /// Gives a tenant a label, whatever its name.
    pub(crate) fn label(&self, tenant: &str, value: &str) {
        let mut state = self.lock();
        let at = state.stamp(self.clock.now());
        let number = state.number_of(&tenant.parse().expect("a tenant id"), at);
        state.users.get_mut(&number).expect("there").label = Some(value.to_owned());
    }

    /// Gives the feature other default preferences. Returns the instant from which they are in
    /// effect.
    pub(crate) fn register_defaults(&self, defaults: &Value) -> Timestamp {
        let mut state = self.lock();
        let at = state.stamp(self.clock.now());
        let default_preferences =
            Some(DefaultPreferences::from_json(defaults, "").expect("valid defaults"));
        state.defaults.push(FeatureDefaults { since: at, default_preferences });
        let (id, version) = ((state.changes.len() + 1).to_string(), state.defaults.len() as u64);
        let (tenant_id, number, left, joined) = (None, None, None, None);
        let change = Change {
            id,
            tenant_id,
            number,
            feature_type: feature(),
            version,
            at,
            kind: ChangeKind::Defaults,
            left,
            joined,
        };
        state.changes.push(change);
        drop(state);
        self.changed.notify_waiters();
        at
    }

    /// Switches faults on and off.
    pub(crate) fn faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Does something once, right after the next page of members was read.
    pub(crate) fn after_next_page(&self, hook: impl FnOnce() + Send + 'static) {
        self.lock().after_page = Some(Box::new(hook));
    }

    /// How often the settings of users were asked for.
    pub(crate) fn settings_requests(&self) -> usize {
        self.lock().settings_requests
    }

    /// How often the feed was asked for.
    pub(crate) fn feed_requests(&self) -> usize {
        self.lock().feed_requests
    }

    /// The sizes of the member pages that were given out.
    pub(crate) fn pages(&self) -> Vec<usize> {
        self.lock().pages.clone()
    }

    /// Every stay of a user in a group: who, where, from when, until when.
    pub(crate) fn stays(&self) -> Vec<(TenantId, StatedGroup, Timestamp, Option<Timestamp>)> {
        let state = self.lock();
        let of_user = |user: &User| {
            user.stays
                .iter()
                .map(|stay| (user.tenant_id.clone(), stay.group.clone(), stay.from, stay.to))
                .collect()
        };
        state.users.values().flat_map(|user| -> Vec<_> { of_user(user) }).collect()
    }

    fn reach(&self) -> Result<MutexGuard<'_, State>, SourceError> {
        let state = self.lock();
        if state.faults.away { Err(SourceError::Unavailable("away".into())) } else { Ok(state) }
    }

    async fn hang_if_told(&self, after: u64) {
        if self.lock().faults.hangs_from.is_some_and(|from| after >= from) {
            self.hung.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

impl User {
    /// Moves the user's membership; answers the group left and the group joined.
    fn move_to(
        &mut self,
        group: Option<StatedGroup>,
        at: Timestamp,
    ) -> (Option<StatedGroup>, Option<StatedGroup>) {
        let current =
            self.stays.last().filter(|stay| stay.to.is_none()).map(|stay| stay.group.clone());
        if current == group {
            return (None, None);
        }
        if let Some(open) = self.stays.last_mut().filter(|stay| stay.to.is_none()) {
            open.to = Some(at);
        }
        self.stays.extend(group.clone().map(|group| MembershipInterval {
            group,
            from: at,
            to: None,
        }));
        (current, group)
    }

    fn stay_at(&self, at: Timestamp, groups: &[StatedGroup]) -> Option<&MembershipInterval> {
        self.stays.iter().find(|stay| {
            stay.from <= at && stay.to.is_none_or(|to| at < to) && groups.contains(&stay.group)
        })
    }

    fn raw_preference(&self) -> Option<Box<serde_json::value::RawValue>> {
        self.preference.as_ref().map(|value| to_raw_value(value).expect("JSON"))
    }
}

impl State {
    /// The instant of a write: later than every one before it.
    fn stamp(&mut self, now: Timestamp) -> Timestamp {
        let at =
            self.last_stamp.unwrap_or(Timestamp::MIN).max(now) + SignedDuration::from_micros(1);
        self.last_stamp = Some(at);
        at
    }

    /// The number of a tenant, who is there from now on.
    fn number_of(&mut self, tenant_id: &TenantId, at: Timestamp) -> u64 {
        let next_number = self.users.len() as u64 + 1;
        let number = *self.numbers.entry(tenant_id.clone()).or_insert(next_number);
        let (zone, label, stated_since, preference) = (None, None, None, None);
        let new = || User {
            tenant_id: tenant_id.clone(),
            created_at: at,
            zone,
            label,
            stated_since,
            version: 0,
            preference,
            stays: Vec::new(),
            history: Vec::new(),
        };
        self.users.entry(number).or_insert_with(new);
        number
    }

    fn tenants(&self, request: &TenantMembersRequest) -> TenantMemberPage {
        let TenantMembersRequest { filter, as_of, cursor, limit } = request;
        let after: u64 =
            cursor.as_deref().map_or(0, |cursor| cursor.parse().expect("a cursor of this source"));
        let is_chosen = |user: &User| {
            let zone = OwnZone(user.zone.clone());
            user.created_at <= *as_of
                && (filter.timezones.is_empty() || filter.timezones.contains(&zone))
                && (filter.tenant_ids.is_empty() || filter.tenant_ids.contains(&user.tenant_id))
                && (filter.unstated.is_none()
                    || user.stated_since.is_none_or(|since| since > *as_of))
        };
        let chosen: Vec<_> = self.users.iter().filter(|(_, user)| is_chosen(user)).collect();
        let shown =
            chosen.iter().filter(|(number, _)| **number > after && !self.faults.lists_nothing);
        let members = shown.take(limit.unwrap_or(usize::MAX)).map(|(number, user)| Member {
            tenant_id: user.tenant_id.clone(),
            number: **number,
            version: 0,
            member_since: user.created_at,
            preference: Some(to_raw_value(&json!({})).expect("JSON")),
        });
        let members: Vec<_> = members.collect();
        let last = members.last().map(|last| last.number);
        let next = last.filter(|last| chosen.last().is_some_and(|(number, _)| **number > *last));
        let count_as_of = Some((chosen.len() as i64 + self.faults.count_off) as u64);
        TenantMemberPage {
            members,
            count_as_of,
            position: self.position(),
            next_cursor: next.map(|number| number.to_string()),
        }
    }

    fn timezones(&self) -> Vec<TenantTimezone> {
        let mut zones: BTreeMap<OwnZone, Timestamp> = BTreeMap::new();
        for user in self.users.values() {
            let since = zones.entry(OwnZone(user.zone.clone())).or_insert(user.created_at);
            *since = user.created_at.min(*since);
        }
        zones.into_iter().map(|(timezone, since)| TenantTimezone { timezone, since }).collect()
    }

    fn position(&self) -> String {
        self.changes.len().to_string()
    }

    /// Promises that no later change is stamped at or before the instant answered, also if the
    /// clock is set back.
    fn promise_until(&mut self, now: Timestamp) -> Timestamp {
        let until = self.last_stamp.map_or(now, |last| last.max(now));
        *self.last_stamp.insert(until)
    }

    fn summaries(&self) -> Vec<GroupSummary> {
        if self.faults.knows_nobody {
            return Vec::new();
        }
        let mut groups: BTreeMap<StatedGroup, GroupSummary> = BTreeMap::new();
        for stay in self.users.values().flat_map(|user| &user.stays) {
            let new = || GroupSummary {
                group: stay.group.clone(),
                count: 0,
                since: stay.from,
                empty_since: None,
            };
            let summary = groups.entry(stay.group.clone()).or_insert_with(new);
            summary.since = summary.since.min(stay.from);
            summary.count += u64::from(stay.to.is_none());
            summary.empty_since = summary.empty_since.max(stay.to);
        }
        let without_false_end = |mut summary: GroupSummary| {
            summary.empty_since = summary.empty_since.filter(|_| summary.count == 0);
            summary
        };
        groups.into_values().map(without_false_end).collect()
    }

    fn lists(&self, request: &MemberListsRequest) -> MemberLists {
        let MemberListsRequest { feature_type, lists, as_of, limit } = request;
        let mut room =
            limit.unwrap_or(usize::MAX).min(self.faults.page_limit.unwrap_or(usize::MAX));
        let list = |groups: &Vec<StatedGroup>| {
            let (feature_type, groups) = (feature_type.clone(), groups.clone());
            let page = self.page(&MembersRequest {
                feature_type,
                groups,
                as_of: *as_of,
                cursor: None,
                limit: Some(room),
            });
            room = room.checked_sub(usize::try_from(page.count_as_of).expect("a count"))?;
            Some(WholeList { members: page.members, count_as_of: page.count_as_of })
        };
        MemberLists { lists: lists.iter().map(list).collect(), position: self.position() }
    }

    fn page(&self, request: &MembersRequest) -> MemberPage {
        let after: u64 = request
            .cursor
            .as_deref()
            .map_or(0, |cursor| cursor.parse().expect("a cursor of this source"));
        let limit =
            request.limit.unwrap_or(usize::MAX).min(self.faults.page_limit.unwrap_or(usize::MAX));
        let all =
            self.users.iter().filter(|_| !self.faults.knows_nobody).filter_map(|(number, user)| {
                Some((*number, user, user.stay_at(request.as_of, &request.groups)?))
            });
        let count = all.clone().count() as i64 + self.faults.count_off;
        let shown = all.filter(|(number, ..)| *number > after && !self.faults.lists_nothing);
        let mut members: Vec<_> =
            shown.take(limit + 1).map(|(number, user, stay)| member(number, user, stay)).collect();
        if self
            .faults
            .short_list_of
            .is_some_and(|zone| request.groups.iter().any(|group| group.timezone_text() == zone))
        {
            members.pop();
        }
        let has_more = members.len() > limit;
        members.truncate(limit);
        let next_cursor = members.last().filter(|_| has_more).map(|last| last.number.to_string());
        MemberPage {
            members,
            count_as_of: u64::try_from(count).expect("a count"),
            position: self.position(),
            next_cursor,
        }
    }
}

fn member(number: u64, user: &User, stay: &MembershipInterval) -> Member {
    let tenant_id = user.tenant_id.clone();
    Member {
        tenant_id,
        number,
        version: user.version,
        member_since: stay.from,
        preference: user.raw_preference(),
    }
}

fn feature() -> FeatureType {
    FEATURE.parse().expect("a feature")
}

#[async_trait]
impl PreferenceSource for TestSource {
    async fn groups(&self, _feature: &FeatureType) -> Result<GroupList, SourceError> {
        let mut state = self.reach()?;
        let complete_until = state.promise_until(self.clock.now());
        Ok(GroupList {
            feature_type: feature(),
            groups: state.summaries(),
            defaults: state.defaults.clone(),
            position: state.position(),
            complete_until,
            next_cursor: None,
        })
    }

    async fn members(&self, request: &MembersRequest) -> Result<MemberPage, SourceError> {
        self.hang_if_told(
            request.cursor.as_deref().map_or(0, |cursor| cursor.parse().expect("a cursor")),
        )
        .await;
        let (page, hook) = {
            let mut state = self.reach()?;
            assert!(
                request.as_of <= self.clock.now(),
                "nobody knows the members of an instant to come (M1)"
            );
            let page = state.page(request);
            state.pages.push(page.members.len());
            (page, state.after_page.take())
        };
        if let Some(hook) = hook {
            hook();
        }
        Ok(page)
    }

    async fn member_lists(&self, request: &MemberListsRequest) -> Result<MemberLists, SourceError> {
        self.hang_if_told(0).await;
        let (lists, hook) = {
            let mut state = self.reach()?;
            if state.faults.no_joint_lists {
                return Err(SourceError::Unavailable("lists are given alone".into()));
            }
            assert!(
                request.as_of <= self.clock.now(),
                "nobody knows the members of an instant to come (M1)"
            );
            let lists = state.lists(request);
            state.pages.push(lists.lists.iter().flatten().map(|list| list.members.len()).sum());
            (lists, state.after_page.take())
        };
        if let Some(hook) = hook {
            hook();
        }
        Ok(lists)
    }

    async fn tenants(
        &self,
        request: &TenantMembersRequest,
    ) -> Result<TenantMemberPage, SourceError> {
        Ok(self.reach()?.tenants(request))
    }

    async fn timezones(&self) -> Result<Vec<TenantTimezone>, SourceError> {
        Ok(self.reach()?.timezones())
    }

    async fn label_values(
        &self,
        _label: &LabelName,
        tenants: &[TenantId],
    ) -> Result<Vec<Option<String>>, SourceError> {
        let state = self.reach()?;
        let value = |tenant: &TenantId| state.users[state.numbers.get(tenant)?].label.clone();
        Ok(tenants.iter().map(value).collect())
    }

    async fn preferences(
        &self,
        _feature: &FeatureType,
        tenants: &[TenantId],
    ) -> Result<BatchGetResponse, SourceError> {
        self.lock().settings_requests += 1;
        let state = self.reach()?;
        let entry = |tenant_id: &TenantId| {
            let number = state.numbers.get(tenant_id);
            let user = number.map(|number| &state.users[number]);
            PreferenceEntry {
                tenant_id: tenant_id.clone(),
                number: number.copied(),
                version: user.map_or(0, |user| user.version),
                preference: user.and_then(User::raw_preference),
            }
        };
        Ok(BatchGetResponse {
            preferences: tenants.iter().map(entry).collect(),
            position: state.position(),
        })
    }

    async fn history(&self, tenant: &TenantId) -> Result<Vec<HistoryEntry>, SourceError> {
        let state = self.reach()?;
        let user = state.numbers.get(tenant).map(|number| &state.users[number]);
        Ok(user.map(|user| user.history.iter().rev().cloned().collect()).unwrap_or_default())
    }

    async fn feature_defaults(
        &self,
        _feature: &FeatureType,
    ) -> Result<Vec<FeatureDefaults>, SourceError> {
        Ok(self.reach()?.defaults.clone())
    }

    async fn changes(&self, since: &str, wait: Duration) -> Result<ChangePage, SourceError> {
        let changed = self.changed.notified();
        if !wait.is_zero() && self.lock().position() == since {
            changed.await;
        }
        let mut state = self.reach()?;
        state.feed_requests += 1;
        if state.faults.feed_denied {
            return Err(SourceError::Denied("unknown key".into()));
        }
        if state.faults.feed_away {
            return Err(SourceError::Unavailable("the feed is away".into()));
        }
        // A cursor of another database is one that this one has never given.
        let from = if since == "now" {
            state.changes.len()
        } else {
            since.parse().map_err(|_not_its_own| SourceError::Gone)?
        };
        if from < state.faults.forgotten_changes {
            return Err(SourceError::Gone);
        }
        let end = if state.faults.knows_nobody { from } else { state.changes.len() };
        let until = end.min(from + CHANGES_A_PAGE);
        let changes = state.changes[from..until].to_vec();
        let is_end = until == end;
        let last_at = changes.last().map_or(Timestamp::MIN, |change| change.at);
        let complete_until = if is_end { state.promise_until(self.clock.now()) } else { last_at };
        Ok(ChangePage { changes, next: until.to_string(), complete_until })
    }

    fn follow(&self, since: String) -> BoxStream<'_, Result<FeedEvent, SourceError>> {
        let poll = move |from: String| async move {
            let page = self.changes(&from, Duration::from_secs(25)).await?;
            let next = page.next.clone();
            let since = if self.lock().faults.feed_overlaps { "0".to_owned() } else { from };
            Ok(Some((FeedEvent::Page { since, page }, next)))
        };
        stream::try_unfold(since, poll).boxed()
    }
}
