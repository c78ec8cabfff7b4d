//! Plans edits and erasures: which rows they write, stamped and numbered.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cohort_preferences::{FeatureType, StatedGroup, TenantId};
use foldhash::fast::RandomState;
use jiff::Timestamp;

use super::rows::{ChangeRow, Move, PreferenceRow, ProfileRow, Rows, TenantRow};
use crate::error::Result;
use crate::store::edit::{
    Admitted, Current, Edit, Edited, Membership, Profile, Stated, Tenant, Wanted, say_the_same,
};

/// The highest numbers that are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Of change rows.
    pub(crate) change: i64,
    /// Of tenants.
    pub(crate) tenant: i64,
}

/// The tenants that a plan may touch, as they stand, and then as its writes leave them. Who is not
/// in it is not there.
pub(crate) type Tenants = HashMap<TenantId, Tenant>;

/// Writes that share a transaction.
pub(crate) struct Plan<'a> {
    head: Head,
    take_stamp: &'a mut dyn FnMut() -> Timestamp,
    stamp: Option<Stamp>,
    pub(super) rows: Rows,
}

/// The changes that share an instant.
struct Stamp {
    at: Timestamp,
    first_change: i64,
    moves: HashMap<(FeatureType, StatedGroup), i64, RandomState>,
}

impl<'a> Plan<'a> {
    /// Nothing yet; numbers follow `head`, instants come from `take_stamp`, which grows strictly.
    pub(crate) fn new(head: Head, take_stamp: &'a mut dyn FnMut() -> Timestamp) -> Self {
        Self { head, take_stamp, stamp: None, rows: Rows::default() }
    }

    /// Returns the rows to write, and the highest numbers that are then taken.
    pub(crate) fn finish(mut self) -> (Rows, Head) {
        self.end_stamp();
        (self.rows, self.head)
    }

    /// Changes one tenant as the edit decides; an error plans nothing.
    pub(crate) fn edit(&mut self, tenants: &mut Tenants, edit: Edit) -> Result<Edited> {
        let Edit { tenant: name, actor, decide, .. } = edit;
        let before = tenants.get(&name).cloned().unwrap_or_default();
        let wanted = decide(&before)?;
        let wanted = regrouped(&before, wanted)?;
        let actor: Arc<str> = actor.into();
        let mut after = before.clone();
        let number = self.number_of(&name, &mut after);
        if let Some(profile) = wanted.profile {
            self.write_profile(number, &mut after, profile, &actor);
        }
        for (feature, stated) in wanted.preferences {
            self.write(number, &mut after, &feature, stated, &actor);
        }
        tenants.insert(name, after.clone());
        Ok(Edited { before, after })
    }

    /// Deletes all preferences of a tenant and its profile (W8). The store then takes the name and
    /// the content away.
    pub(crate) fn erase(&mut self, tenant: &mut Tenant, actor: &str) {
        let Some(number) = tenant.number else { return };
        let actor: Arc<str> = actor.into();
        let features: Vec<_> = tenant.preferences.keys().cloned().collect();
        for feature in features {
            self.write(number, tenant, &feature, None, &actor);
        }
        self.write_profile(number, tenant, Profile::default(), &actor);
    }

    /// Returns the stamp of what is planned now, and takes one if there is none yet.
    pub(crate) fn stamp(&mut self) -> Timestamp {
        let Self { take_stamp, head, stamp, .. } = self;
        stamp
            .get_or_insert_with(|| Stamp {
                at: take_stamp(),
                first_change: head.change + 1,
                moves: HashMap::default(),
            })
            .at
    }

    pub(super) fn number_of(&mut self, name: &TenantId, tenant: &mut Tenant) -> i64 {
        if let Some(number) = tenant.number {
            return number;
        }
        let created_at = self.stamp();
        self.head.tenant += 1;
        let number = self.head.tenant;
        (tenant.number, tenant.created_at) = (Some(number), Some(created_at));
        self.rows.tenants.push(TenantRow { number, name: name.clone(), created_at });
        number
    }

    fn write_profile(
        &mut self,
        number: i64,
        tenant: &mut Tenant,
        profile: Profile,
        actor: &Arc<str>,
    ) {
        if profile == tenant.profile {
            return;
        }
        self.begin_change(tenant.profile_change);
        let (id, version) = (self.next_change(), tenant.profile_version + 1);
        let json = (profile != Profile::default()).then(|| profile.to_json().to_string().into());
        let row = ChangeRow {
            id,
            at: self.stamp(),
            tenant: number,
            feature: None,
            version,
            previous: tenant.profile_change,
            left: None,
            joined: None,
            json,
            actor: Arc::clone(actor),
            rules: 0,
        };
        self.rows.changes.push(row);
        self.rows
            .profiles
            .insert(number, ProfileRow { profile: profile.clone(), version, change: id });
        (tenant.profile, tenant.profile_version, tenant.profile_change) =
            (profile, version, Some(id));
    }

    /// Writes one preference, unless it says what is there and stands in the right group. Returns
    /// whether it did.
    pub(super) fn write(
        &mut self,
        number: i64,
        tenant: &mut Tenant,
        feature: &FeatureType,
        stated: Option<Admitted>,
        actor: &Arc<str>,
    ) -> bool {
        let group =
            stated.as_ref().and_then(|stated| stated.group(tenant.profile.timezone.as_ref()));
        let current = tenant.preference(feature);
        if is_as_wanted(current, stated.as_ref(), group.as_ref()) {
            return false;
        }
        self.begin_change(current.map(|current| current.change));
        let (at, id) = (self.stamp(), self.next_change());
        let is_first = current.is_none();
        let stated_since = current.map_or(at, |current| current.stated_since);
        let previous = current.map(|current| current.change);
        let version = current.map_or(0, |current| current.version) + 1;
        let Moved { left, joined, member } = moved(current, group, at);
        self.count(feature, left.as_ref().map(|left| &left.group), -1);
        self.count(feature, joined.as_ref(), 1);
        let (json, rules) = stated.map_or((None, 0), |stated| (Some(stated.json), stated.rules));
        self.rows.changes.push(ChangeRow {
            id,
            at,
            tenant: number,
            feature: Some(feature.clone()),
            version,
            previous,
            left,
            joined,
            json: json.clone(),
            actor: Arc::clone(actor),
            rules,
        });
        let current = Arc::new(Current { version, at, json, change: id, stated_since, member });
        tenant.preferences.insert(feature.clone(), Arc::clone(&current));
        self.rows.preferences.push(PreferenceRow {
            tenant: number,
            feature: feature.clone(),
            current,
            is_first,
        });
        true
    }

    /// Ends the stamp if it has already changed the row: a second change needs a stamp of its own.
    fn begin_change(&mut self, previous: Option<i64>) {
        let first = self.stamp.as_ref().map(|stamp| stamp.first_change);
        if previous.zip(first).is_some_and(|(previous, first)| previous >= first) {
            self.rows.has_repeats = true;
            self.end_stamp();
        }
    }

    fn next_change(&mut self) -> i64 {
        self.head.change += 1;
        self.head.change
    }

    fn count(&mut self, feature: &FeatureType, group: Option<&StatedGroup>, by: i64) {
        if let (Some(stamp), Some(group)) = (self.stamp.as_mut(), group) {
            *stamp.moves.entry((feature.clone(), group.clone())).or_default() += by;
        }
    }

    fn end_stamp(&mut self) {
        let Some(Stamp { at, moves, .. }) = self.stamp.take() else { return };
        // In an order of their own, so that the same writes give groups the same numbers.
        let moves: BTreeMap<_, _> = moves.into_iter().filter(|(_, by)| *by != 0).collect();
        self.rows.moves.extend(moves.into_iter().map(|((feature, group), by)| Move {
            at,
            feature,
            group,
            by,
        }));
    }
}

/// Adds what another timezone moves: each preference that states none is written once more, says
/// the same and stands in another group (T12).
fn regrouped(before: &Tenant, mut wanted: Wanted) -> Result<Wanted> {
    let timezone = |profile: &Profile| profile.timezone.clone();
    if wanted.profile.as_ref().is_none_or(|profile| timezone(profile) == timezone(&before.profile))
    {
        return Ok(wanted);
    }
    for (feature, _, json) in before.live() {
        if !wanted.preferences.contains_key(feature) {
            wanted.preferences.insert(feature.clone(), Some(Stated::stored(json)?.admitted(0)));
        }
    }
    Ok(wanted)
}

/// What a write does to a membership.
struct Moved {
    left: Option<Membership>,
    joined: Option<StatedGroup>,
    /// The membership after the write.
    member: Option<Membership>,
}

/// Moves a user into a group at an instant; who stays in the same group stays since when they were.
fn moved(current: Option<&Current>, group: Option<StatedGroup>, at: Timestamp) -> Moved {
    let old = current.and_then(|current| current.member.clone());
    if old.as_ref().map(|old| &old.group) == group.as_ref() {
        return Moved { left: None, joined: None, member: old };
    }
    let member = group.clone().map(|group| Membership { group, since: at });
    Moved { left: old, joined: group, member }
}

fn is_as_wanted(
    current: Option<&Current>,
    wanted: Option<&Admitted>,
    group: Option<&StatedGroup>,
) -> bool {
    let stands_right =
        current.and_then(|current| current.member.as_ref()).map(|member| &member.group) == group;
    let says_the_same = match (current.and_then(|current| current.json.as_deref()), wanted) {
        (None, None) => true,
        (Some(stored), Some(stated)) => say_the_same(&stated.json, stored),
        _ => false,
    };
    stands_right && says_the_same
}
