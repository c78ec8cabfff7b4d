//! A Config Database in memory: membership as intervals, a change feed, pages, and faults that a
//! test switches.

mod served;
mod state;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use cohort_batch_agent::{HistoryEntry, SimulatedClock, SourceError};
use cohort_preferences::{
    Change, ChangeKind, Clock, DefaultPreferences, FeatureDefaults, FeatureType, Preference,
    StatedGroup, TenantId, Zone,
};
use jiff::Timestamp;
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
    intervals: Vec<MembershipInterval>,
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

    /// Every interval in which a user was in a group: who, where, from when, until when.
    pub(crate) fn intervals(&self) -> Vec<(TenantId, StatedGroup, Timestamp, Option<Timestamp>)> {
        let state = self.lock();
        let of_user = |user: &User| {
            user.intervals
                .iter()
                .map(|interval| {
                    (user.tenant_id.clone(), interval.group.clone(), interval.from, interval.to)
                })
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

fn feature() -> FeatureType {
    FEATURE.parse().expect("a feature")
}
