//! What the database in memory holds, and what it says of it.

use std::collections::BTreeMap;

use cohort_preferences::{
    GroupSummary, Member, MemberLists, MemberListsRequest, MemberPage, MembersRequest, OwnZone,
    StatedGroup, TenantId, TenantMemberPage, TenantMembersRequest, TenantTimezone, WholeList,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use serde_json::value::to_raw_value;

use super::{MembershipInterval, State, User};

impl User {
    /// Moves the user's membership. Returns the group left and the group joined.
    pub(super) fn move_to(
        &mut self,
        group: Option<StatedGroup>,
        at: Timestamp,
    ) -> (Option<StatedGroup>, Option<StatedGroup>) {
        let current = self
            .intervals
            .last()
            .filter(|interval| interval.to.is_none())
            .map(|interval| interval.group.clone());
        if current == group {
            return (None, None);
        }
        if let Some(open) = self.intervals.last_mut().filter(|interval| interval.to.is_none()) {
            open.to = Some(at);
        }
        self.intervals.extend(group.clone().map(|group| MembershipInterval {
            group,
            from: at,
            to: None,
        }));
        (current, group)
    }

    pub(super) fn interval_at(
        &self,
        at: Timestamp,
        groups: &[StatedGroup],
    ) -> Option<&MembershipInterval> {
        self.intervals.iter().find(|interval| {
            interval.from <= at
                && interval.to.is_none_or(|to| at < to)
                && groups.contains(&interval.group)
        })
    }

    pub(super) fn raw_preference(&self) -> Option<Box<serde_json::value::RawValue>> {
        self.preference.as_ref().map(|value| to_raw_value(value).expect("JSON"))
    }
}

impl State {
    /// The instant of a write: later than every one before it.
    pub(super) fn stamp(&mut self, now: Timestamp) -> Timestamp {
        let at =
            self.last_stamp.unwrap_or(Timestamp::MIN).max(now) + SignedDuration::from_micros(1);
        self.last_stamp = Some(at);
        at
    }

    /// The number of a tenant, who is there from now on.
    pub(super) fn number_of(&mut self, tenant_id: &TenantId, at: Timestamp) -> u64 {
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
            intervals: Vec::new(),
            history: Vec::new(),
        };
        self.users.entry(number).or_insert_with(new);
        number
    }

    pub(super) fn tenants(&self, request: &TenantMembersRequest) -> TenantMemberPage {
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

    pub(super) fn timezones(&self) -> Vec<TenantTimezone> {
        let mut zones: BTreeMap<OwnZone, Timestamp> = BTreeMap::new();
        for user in self.users.values() {
            let since = zones.entry(OwnZone(user.zone.clone())).or_insert(user.created_at);
            *since = user.created_at.min(*since);
        }
        zones.into_iter().map(|(timezone, since)| TenantTimezone { timezone, since }).collect()
    }

    pub(super) fn position(&self) -> String {
        self.changes.len().to_string()
    }

    /// Promises that no later change is stamped at or before the instant returned, also if the
    /// clock is set back.
    pub(super) fn promise_until(&mut self, now: Timestamp) -> Timestamp {
        let until = self.last_stamp.map_or(now, |last| last.max(now));
        *self.last_stamp.insert(until)
    }

    pub(super) fn summaries(&self) -> Vec<GroupSummary> {
        if self.faults.knows_nobody {
            return Vec::new();
        }
        let mut groups: BTreeMap<StatedGroup, GroupSummary> = BTreeMap::new();
        for interval in self.users.values().flat_map(|user| &user.intervals) {
            let new = || GroupSummary {
                group: interval.group.clone(),
                count: 0,
                since: interval.from,
                empty_since: None,
            };
            let summary = groups.entry(interval.group.clone()).or_insert_with(new);
            summary.since = summary.since.min(interval.from);
            summary.count += u64::from(interval.to.is_none());
            summary.empty_since = summary.empty_since.max(interval.to);
        }
        let without_false_end = |mut summary: GroupSummary| {
            summary.empty_since = summary.empty_since.filter(|_| summary.count == 0);
            summary
        };
        groups.into_values().map(without_false_end).collect()
    }

    pub(super) fn lists(&self, request: &MemberListsRequest) -> MemberLists {
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

    pub(super) fn page(&self, request: &MembersRequest) -> MemberPage {
        let after: u64 = request
            .cursor
            .as_deref()
            .map_or(0, |cursor| cursor.parse().expect("a cursor of this source"));
        let limit =
            request.limit.unwrap_or(usize::MAX).min(self.faults.page_limit.unwrap_or(usize::MAX));
        let all =
            self.users.iter().filter(|_| !self.faults.knows_nobody).filter_map(|(number, user)| {
                Some((*number, user, user.interval_at(request.as_of, &request.groups)?))
            });
        let count = all.clone().count() as i64 + self.faults.count_off;
        let shown = all.filter(|(number, ..)| *number > after && !self.faults.lists_nothing);
        let mut members: Vec<_> = shown
            .take(limit + 1)
            .map(|(number, user, interval)| member(number, user, interval))
            .collect();
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

fn member(number: u64, user: &User, interval: &MembershipInterval) -> Member {
    let tenant_id = user.tenant_id.clone();
    Member {
        tenant_id,
        number,
        version: user.version,
        member_since: interval.from,
        preference: user.raw_preference(),
    }
}
