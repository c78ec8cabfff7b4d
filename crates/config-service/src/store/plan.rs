//! What a write changes, decided on values: both databases do the same because neither decides.
//!
//! ```text
//! store reads tenants ─► Plan: edit, import, erase … ─► Rows ─► store writes rows
//! ```
//!
//! The rows of one plan share one stamp, but if it changes a preference twice the second change
//! takes a new one, so that memberships are never empty intervals (M1). Joins and leaves are summed
//! per stamp: a group's count is written once for each (M8). Groups and features are named by what
//! they are; the store knows their numbers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cohort_preferences::{FeatureType, StatedGroup, TenantId};
use foldhash::fast::RandomState;
use jiff::Timestamp;

use super::Result;
use super::edit::{
    Admitted, Current, Edit, Edited, ImportRow, Membership, Profile, Stated, Tenant, Wanted,
    say_the_same,
};

/// The highest numbers that are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Of change rows.
    pub(crate) change: i64,
    /// Of tenants.
    pub(crate) tenant: i64,
}

/// Writes that share a transaction.
pub(crate) struct Plan<'a> {
    head: Head,
    take_stamp: &'a mut dyn FnMut() -> Timestamp,
    stamp: Option<Stamp>,
    rows: Rows,
}

/// The changes that share an instant.
struct Stamp {
    at: Timestamp,
    first_change: i64,
    moves: HashMap<(FeatureType, StatedGroup), i64, RandomState>,
}

/// What is to be written, each list in the order of writing.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Tenants that were not there.
    pub(crate) tenants: Vec<TenantRow>,
    /// Tenants whose profile changed, the last change of each.
    pub(crate) profiles: BTreeMap<i64, ProfileRow>,
    /// New change rows, ascending by id.
    pub(crate) changes: Vec<ChangeRow>,
    /// The state of each preference after its change; of one that changed twice, both states.
    pub(crate) preferences: Vec<PreferenceRow>,
    /// Whether a preference stands in `preferences` twice.
    pub(crate) has_repeats: bool,
    /// By how much each group grew at which stamp, ascending by stamp; never 0.
    pub(crate) moves: Vec<Move>,
}

/// A new tenant.
#[derive(Debug)]
pub(crate) struct TenantRow {
    pub(crate) number: i64,
    pub(crate) name: TenantId,
    pub(crate) created_at: Timestamp,
}

/// A tenant's new profile.
#[derive(Debug)]
pub(crate) struct ProfileRow {
    pub(crate) profile: Profile,
    pub(crate) version: u64,
    pub(crate) change: i64,
}

/// A row of the append-only table.
#[derive(Debug)]
pub(crate) struct ChangeRow {
    pub(crate) id: i64,
    pub(crate) at: Timestamp,
    pub(crate) tenant: i64,
    /// `None` where the profile changed.
    pub(crate) feature: Option<FeatureType>,
    pub(crate) version: u64,
    pub(crate) previous: Option<i64>,
    pub(crate) left: Option<Membership>,
    pub(crate) joined: Option<StatedGroup>,
    pub(crate) json: Option<Arc<str>>,
    pub(crate) actor: Arc<str>,
    pub(crate) rules: u64,
}

/// The new state of a preference.
#[derive(Debug)]
pub(crate) struct PreferenceRow {
    pub(crate) tenant: i64,
    pub(crate) feature: FeatureType,
    pub(crate) current: Arc<Current>,
    /// Whether the tenant had no preference of this feature, not even a deleted one.
    pub(crate) is_first: bool,
}

/// A group that grew or shrank.
#[derive(Debug)]
pub(crate) struct Move {
    pub(crate) at: Timestamp,
    pub(crate) feature: FeatureType,
    pub(crate) group: StatedGroup,
    pub(crate) by: i64,
}

/// The tenants that a plan may touch, as they stand, and then as its writes leave them. Who is not
/// in it is not there.
pub(crate) type Tenants = HashMap<TenantId, Tenant>;

impl<'a> Plan<'a> {
    /// Nothing yet; numbers follow `head`, instants come from `take_stamp`, which grows strictly.
    pub(crate) fn new(head: Head, take_stamp: &'a mut dyn FnMut() -> Timestamp) -> Self {
        Self { head, take_stamp, stamp: None, rows: Rows::default() }
    }

    /// What is to be written, and the numbers that are then taken.
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

    /// Writes many preferences, those of one tenant and feature in the order given; says for each
    /// whether it changed anything.
    ///
    /// Rows are written in the order of tenant numbers, and new tenants get theirs in the order of
    /// their names: both keep neighbours in the tables neighbours in time, which is what a fast
    /// import needs. A preference that comes twice is written in a second round, so that a plan has
    /// as many stamps as rounds and not as repetitions.
    pub(crate) fn import(
        &mut self,
        tenants: &mut Tenants,
        rows: Vec<ImportRow>,
        actor: &str,
    ) -> Vec<bool> {
        let actor: Arc<str> = actor.into();
        let mut changed = vec![false; rows.len()];
        tenants.reserve(rows.len());
        self.rows.changes.reserve(rows.len());
        self.rows.preferences.reserve(rows.len());
        let order = self.order_of_import(tenants, &rows);
        let mut rows: Vec<_> = rows.into_iter().map(Some).collect();
        for Numbered { tenant: number, index, .. } in order {
            let ImportRow { tenant, feature, stated } =
                rows[index].take().expect("each row is ordered once");
            let tenant = tenants.get_mut(&tenant).expect("numbered just above");
            changed[index] = self.write(number, tenant, &feature, Some(stated), &actor);
        }
        changed
    }

    fn order_of_import(&mut self, tenants: &mut Tenants, rows: &[ImportRow]) -> Vec<Numbered> {
        let mut by_name: Vec<usize> = (0..rows.len()).collect();
        by_name.sort_by_key(|index| rows[*index].tenant.as_str());
        let mut numbered: Vec<Numbered> = Vec::with_capacity(rows.len());
        let mut rounds: HashMap<&str, usize> = HashMap::new();
        for index in by_name {
            let ImportRow { tenant, feature, .. } = &rows[index];
            let number = match numbered.last() {
                Some(last) if rows[last.index].tenant == *tenant => last.tenant,
                _ => {
                    rounds.clear();
                    self.number_of(tenant, tenants.entry(tenant.clone()).or_default())
                }
            };
            let round = rounds.entry(feature.as_str()).and_modify(|round| *round += 1).or_default();
            numbered.push(Numbered { round: *round, tenant: number, index });
        }
        numbered.sort_unstable();
        numbered
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

    /// The instant of what is planned now.
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

    fn number_of(&mut self, name: &TenantId, tenant: &mut Tenant) -> i64 {
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

    /// Writes one preference, unless it says what is there and stands in the right group; says
    /// whether it did.
    fn write(
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
        let (is_first, stated_since) =
            (current.is_none(), current.map_or(at, |current| current.stated_since));
        let (previous, version) = (
            current.map(|current| current.change),
            current.map_or(0, |current| current.version) + 1,
        );
        let old = current.and_then(|current| current.member.clone());
        let has_moved = old.as_ref().map(|old| &old.group) != group.as_ref();
        let member = if has_moved {
            group.map(|group| Membership { group, since: at })
        } else {
            old.clone()
        };
        let (left, joined) = if has_moved {
            (old, member.as_ref().map(|member| member.group.clone()))
        } else {
            (None, None)
        };
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

    /// A row that this stamp has already changed needs a new one.
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

/// A row to import, in the order of writing.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Numbered {
    /// How many rows of the same tenant and feature come before it.
    round: usize,
    tenant: i64,
    index: usize,
}

/// Another timezone writes each preference that states none once more: it says the same and stands
/// in another group (T12).
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

#[cfg(test)]
mod tests {
    use cohort_preferences::Zone;
    use serde_json::json;

    use super::*;

    fn feature() -> FeatureType {
        "posts".parse().expect("a feature type")
    }

    fn ann() -> TenantId {
        "ann".parse().expect("a tenant id")
    }

    fn stated(json: serde_json::Value) -> Admitted {
        Stated::read(&json, "").expect("a preference").admitted(0)
    }

    fn edit(decide: impl FnOnce(&Tenant) -> Result<Wanted> + Send + 'static) -> Edit {
        Edit { tenant: ann(), feature: None, actor: "test".into(), decide: Box::new(decide) }
    }

    fn wants(json: serde_json::Value) -> Edit {
        edit(move |_| Ok(Wanted::preference(feature(), Some(stated(json)))))
    }

    fn plan(work: impl FnOnce(&mut Plan<'_>)) -> Rows {
        let mut micros = 0;
        let mut take = || {
            micros += 1;
            Timestamp::from_microsecond(micros).expect("in range")
        };
        let mut plan = Plan::new(Head { change: 10, tenant: 5 }, &mut take);
        work(&mut plan);
        plan.finish().0
    }

    fn moves(rows: &Rows) -> Vec<(i64, String, i64)> {
        let mut moves: Vec<_> = rows
            .moves
            .iter()
            .map(|moved| (moved.at.as_microsecond(), moved.group.to_string(), moved.by))
            .collect();
        moves.sort();
        moves
    }

    #[test]
    fn a_preference_that_changes_twice_has_two_stamps_and_a_chain() {
        let mut tenants = Tenants::new();
        let rows = plan(|plan| {
            for hour in ["09:00", "10:00"] {
                plan.edit(
                    &mut tenants,
                    wants(json!({"frequency": "daily", "preferred_time": hour})),
                )
                .expect("edits");
            }
        });
        let chain: Vec<_> = rows
            .changes
            .iter()
            .map(|row| (row.id, row.previous, row.version, row.at.as_microsecond()))
            .collect();
        assert_eq!(chain, [(11, None, 1, 1), (12, Some(11), 2, 2)]);
        assert!(rows.has_repeats);
        let expected = [(1, "daily:09:00 -", 1), (2, "daily:09:00 -", -1), (2, "daily:10:00 -", 1)];
        assert_eq!(moves(&rows), expected.map(|(at, group, by)| (at, group.to_owned(), by)));
    }

    #[test]
    fn another_timezone_moves_only_preferences_that_state_none() {
        let mut tenants = Tenants::new();
        let other: FeatureType = "mail".parse().expect("a feature type");
        let rows = plan(|plan| {
            plan.edit(&mut tenants, wants(json!({"frequency": "daily"}))).expect("edits");
            let stays = stated(json!({"frequency": "daily", "timezone": "UTC"}));
            plan.edit(&mut tenants, edit(move |_| Ok(Wanted::preference(other, Some(stays)))))
                .expect("edits");
            let profile = Profile {
                timezone: Some("Asia/Tokyo".parse::<Zone>().expect("a zone")),
                ..Profile::default()
            };
            let wanted = Wanted { profile: Some(profile), ..Wanted::default() };
            plan.edit(&mut tenants, edit(move |_| Ok(wanted))).expect("edits");
        });
        let moved: Vec<_> = rows.changes.iter().filter(|row| row.left.is_some()).collect();
        assert_eq!(moved.len(), 1);
        assert_eq!(moved[0].joined.as_ref().expect("a group").to_string(), "daily:- Asia/Tokyo");
        assert_eq!(
            (moved[0].version, moved[0].json.as_deref()),
            (2, Some(r#"{"frequency":"daily"}"#))
        );
    }

    #[test]
    fn a_refused_edit_plans_nothing() {
        let mut tenants = Tenants::new();
        let rows = plan(|plan| {
            let refuses = edit(|_| Err(crate::ConfigServiceError::PreconditionFailed("no".into())));
            plan.edit(&mut tenants, refuses).expect_err("refused");
        });
        assert!(rows.tenants.is_empty() && rows.changes.is_empty() && tenants.is_empty());
    }

    #[test]
    fn an_erasure_deletes_every_preference_and_the_profile() {
        let mut tenants = Tenants::new();
        let rows = plan(|plan| {
            plan.edit(&mut tenants, wants(json!({"frequency": "daily"}))).expect("edits");
            plan.erase(tenants.get_mut(&ann()).expect("there"), "admin");
        });
        let last = rows.changes.last().expect("changes");
        assert_eq!(
            (last.feature.clone(), last.json.clone(), last.version),
            (Some(feature()), None, 2)
        );
        assert!(tenants[&ann()].live().next().is_none());
    }
}
