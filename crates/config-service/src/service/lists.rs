//! What is asked for: groups and their members, tenants, histories.

use std::collections::HashSet;

use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, FeatureType, GroupList, Invalid, LabelFilter, LabelValues,
    LabelValuesRequest, MemberListsRequest, NamedRun, NextRun, Preference, Schedule, StatedGroup,
    TenantFilter, TenantId, TenantTimezone, Zone,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::ConfigService;
use crate::cursor::MembersAfter;
use crate::error::ConfigServiceError;
use crate::receipt::next_run;
use crate::store::Result;
use crate::store::list::{
    ChosenPage, ChosenQuery, GroupsQuery, HistoryEntry, ListsQuery, MemberList, MembersQuery,
    MovedList, MovedQuery, StoredTenant, TenantSummary, TenantsAfter, TenantsQuery, WholeLists,
};

/// How long a group that lost its last member is still listed: its last occurrences may be
/// unplanned (F1).
const EMPTY_GROUPS_LISTED_FOR: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The most groups in one members request.
const MOST_GROUPS: usize = 1_000;

/// The most users in one batch-get, and in one request for a label.
const MOST_USERS: usize = 1_000;

/// Members of a page, if the request does not say.
const MEMBERS_A_PAGE: usize = 1_000;

/// The most members of a page.
const MOST_MEMBERS: usize = 5_000;

/// The most groups of a page, and how many it has if the request does not say: whoever follows the
/// feed needs all of them as of one moment.
const MOST_LISTED_GROUPS: usize = 1_000_000;

/// The most tenants that may have changed for a list of what became of members.
const MOST_MOVED: usize = 10_000;

/// Tenants of a page, if the request does not say, and the most.
const TENANTS_A_PAGE: usize = 1_000;

/// Entries of a page of a history, if the request does not say.
pub(super) const ENTRIES_A_PAGE: usize = 100;

/// The most entries of a page of a history.
const MOST_ENTRIES: usize = 1_000;

/// The most occurrences of a preview.
const MOST_OCCURRENCES: usize = 100;

/// Asks for a page of a member list.
pub(crate) struct ListRequest {
    /// Of which feature.
    pub(crate) feature: FeatureType,
    /// Of which groups.
    pub(crate) groups: Vec<StatedGroup>,
    /// As of which instant; if not said, that of the cursor, or else now.
    pub(crate) as_of: Option<Timestamp>,
    /// Where to go on.
    pub(crate) cursor: Option<String>,
    /// At most so many members.
    pub(crate) limit: Option<usize>,
}

/// A page of members and the cursor of the next.
pub(crate) struct MembersAnswer {
    /// The page.
    pub(crate) list: MemberList,
    /// `None` on the last page.
    pub(crate) next_cursor: Option<String>,
}

/// Asks for a page of tenants.
#[derive(Debug, Default)]
pub(crate) struct TenantsRequest {
    /// Only those whose id begins so.
    pub(crate) q: Option<String>,
    /// Only those that carry this label.
    pub(crate) label: Option<LabelFilter>,
    /// Only those that were there at this instant.
    pub(crate) as_of: Option<Timestamp>,
    /// Where to go on.
    pub(crate) cursor: Option<String>,
    /// At most so many.
    pub(crate) limit: Option<usize>,
}

/// A page of tenants as of an instant.
pub(crate) struct ChosenAnswer {
    /// The page.
    pub(crate) page: ChosenPage,
    /// As of which instant it is.
    pub(crate) as_of: Timestamp,
    /// `None` on the last page.
    pub(crate) next_cursor: Option<String>,
}

/// Asks when a preference would fire that is not stored.
pub(crate) struct PreviewRequest<'a> {
    /// The preference.
    pub(crate) preference: &'a Value,
    /// For which feature, whose defaults then fill what it leaves open.
    pub(crate) feature: Option<FeatureType>,
    /// The zone of the tenant, if the preference states none.
    pub(crate) timezone: Option<Zone>,
    /// After which instant; now if not said.
    pub(crate) after: Option<Timestamp>,
    /// How many occurrences.
    pub(crate) count: Option<usize>,
}

/// When a preference would fire.
pub(crate) struct Preview {
    /// The next run, or why none can be named.
    pub(crate) next: NextRun,
    /// The occurrences asked for; none if the next cannot be named.
    pub(crate) occurrences: Vec<NamedRun>,
}

impl ConfigService {
    /// Many users' preferences for one feature.
    pub(crate) async fn preferences(&self, request: BatchGetRequest) -> Result<BatchGetResponse> {
        if request.tenant_ids.len() > MOST_USERS {
            return Err(too_many("/tenant_ids", request.tenant_ids.len(), MOST_USERS));
        }
        self.0.store.preferences(request).await
    }

    /// A page of a feature's groups.
    pub(crate) async fn groups(
        &self,
        feature: FeatureType,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<GroupList> {
        let incarnation = self.0.store.incarnation();
        let emptied_after = self.0.clock.now().saturating_sub(EMPTY_GROUPS_LISTED_FOR);
        let query = GroupsQuery {
            feature: feature.clone(),
            emptied_after: emptied_after.expect("a duration never fails to be subtracted"),
            after: cursor.map(|cursor| incarnation.row_after(cursor)).transpose()?.unwrap_or(0),
            limit: bounded("limit", limit, MOST_LISTED_GROUPS, MOST_LISTED_GROUPS)?,
        };
        let page = self.0.store.groups(query).await?;
        Ok(GroupList {
            feature_type: feature,
            groups: page.groups,
            defaults: page.defaults,
            position: page.position,
            complete_until: page.complete_until,
            next_cursor: page.more_after.map(|last| incarnation.row_cursor(last)),
        })
    }

    /// A page of a member list.
    pub(crate) async fn members(&self, request: ListRequest) -> Result<MembersAnswer> {
        let groups = distinct(request.groups)?;
        let incarnation = self.0.store.incarnation();
        let after = request.cursor.map(|cursor| incarnation.members_after(&cursor)).transpose()?;
        let as_of = self.instant_of_list(request.as_of, after)?;
        let query = MembersQuery {
            feature: request.feature,
            groups,
            as_of,
            after: after.map_or(0, |after| after.number),
            limit: bounded("limit", request.limit, MEMBERS_A_PAGE, MOST_MEMBERS)?,
        };
        let list = self.0.store.members(query).await?;
        let last = list.members.last().filter(|_| list.has_more);
        let next_cursor = last
            .map(|last| incarnation.members_cursor(MembersAfter { as_of, number: last.number }));
        Ok(MembersAnswer { list, next_cursor })
    }

    /// Many member lists, each whole.
    pub(crate) async fn member_lists(&self, request: MemberListsRequest) -> Result<WholeLists> {
        let asked: usize = request.lists.iter().map(Vec::len).sum();
        if asked > MOST_GROUPS {
            return Err(too_many("/lists", asked, MOST_GROUPS));
        }
        let named: HashSet<&StatedGroup> = request.lists.iter().flatten().collect();
        if named.len() < asked {
            return Err(Invalid::one("/lists", "names a group twice").into());
        }
        let as_of = super::whole_micros(request.as_of);
        let limit = bounded("limit", request.limit, MEMBERS_A_PAGE, MOST_MEMBERS)?;
        self.0
            .store
            .member_lists(ListsQuery {
                feature: request.feature_type,
                lists: request.lists,
                as_of,
                limit,
            })
            .await
    }

    /// What became of a member list since a position of the feed.
    pub(crate) async fn moved(
        &self,
        feature: FeatureType,
        groups: Vec<StatedGroup>,
        as_of: Option<Timestamp>,
        changed_since: &str,
    ) -> Result<MovedList> {
        let groups = distinct(groups)?;
        let since = self.0.store.incarnation().position_of(changed_since, "changed_since")?;
        let as_of = self.instant_of_list(as_of, None)?;
        self.0.store.moved(MovedQuery { feature, groups, as_of, since, limit: MOST_MOVED }).await
    }

    /// All pages of a list are of one instant: the cursor's.
    fn instant_of_list(
        &self,
        asked: Option<Timestamp>,
        after: Option<MembersAfter>,
    ) -> Result<Timestamp> {
        let (asked, begun) = (asked.map(super::whole_micros), after.map(|after| after.as_of));
        match (asked, begun) {
            (Some(asked), Some(begun)) if asked != begun => Err(ConfigServiceError::Parameter(
                format!("as_of: this cursor goes on with the list as of {begun}, not {asked}"),
            )),
            _ => Ok(asked.or(begun).unwrap_or_else(|| super::whole_micros(self.0.clock.now()))),
        }
    }

    /// A page of tenants.
    pub(crate) async fn tenants(
        &self,
        request: TenantsRequest,
    ) -> Result<(Vec<TenantSummary>, Option<String>)> {
        let incarnation = self.0.store.incarnation();
        let limit = bounded("limit", request.limit, TENANTS_A_PAGE, TENANTS_A_PAGE)?;
        let query = TenantsQuery {
            prefix: request.q.filter(|q| !q.is_empty()),
            label: request.label,
            as_of: request.as_of,
            after: request.cursor.map(|cursor| incarnation.tenants_after(&cursor)).transpose()?,
            limit: limit + 1,
        };
        let mut tenants = self.0.store.tenants(query).await?;
        let has_more = tenants.len() > limit;
        tenants.truncate(limit);
        let last = tenants.last().filter(|_| has_more);
        let next = last.map(|last| TenantsAfter {
            number: last.number,
            tenant_id: last.tenant_id.to_string(),
        });
        Ok((tenants, next.map(|next| incarnation.tenants_cursor(&next))))
    }

    /// Tenants with everything, behind the one of this number.
    pub(crate) async fn documents(&self, after: u64, limit: usize) -> Result<Vec<StoredTenant>> {
        self.0.store.documents(after, limit).await
    }

    /// A page of tenants as of an instant, whatever they prefer (T13).
    pub(crate) async fn chosen(
        &self,
        filter: TenantFilter,
        as_of: Option<Timestamp>,
        cursor: Option<String>,
        limit: Option<usize>,
    ) -> Result<ChosenAnswer> {
        if filter.tenant_ids.len() > MOST_USERS {
            return Err(too_many("/filter/tenant_ids", filter.tenant_ids.len(), MOST_USERS));
        }
        let incarnation = self.0.store.incarnation();
        let after = cursor.map(|cursor| incarnation.members_after(&cursor)).transpose()?;
        let as_of = self.instant_of_list(as_of, after)?;
        let query = ChosenQuery {
            filter,
            as_of,
            after: after.map_or(0, |after| after.number),
            limit: bounded("limit", limit, MEMBERS_A_PAGE, MOST_MEMBERS)?,
        };
        let page = self.0.store.chosen(query).await?;
        let next_cursor = page
            .more_after
            .map(|number| incarnation.members_cursor(MembersAfter { as_of, number }));
        Ok(ChosenAnswer { page, as_of, next_cursor })
    }

    /// The zones that tenants call their own.
    pub(crate) async fn timezones(&self) -> Result<Vec<TenantTimezone>> {
        self.0.store.timezones().await
    }

    /// One label of many tenants, as it is now.
    pub(crate) async fn label_values(&self, asked: LabelValuesRequest) -> Result<LabelValues> {
        let LabelValuesRequest { label, tenant_ids } = asked;
        if tenant_ids.len() > MOST_USERS {
            return Err(too_many("/tenant_ids", tenant_ids.len(), MOST_USERS));
        }
        let labels = self.0.store.labels(tenant_ids.clone()).await?;
        let value = |tenant: &TenantId| labels.get(tenant)?.get(label.as_str()).map(str::to_owned);
        Ok(LabelValues { values: tenant_ids.iter().map(value).collect() })
    }

    /// A page of a tenant's changes, newest first (W3).
    pub(crate) async fn history(
        &self,
        tenant: &TenantId,
        feature: Option<FeatureType>,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<(Vec<HistoryEntry>, Option<String>)> {
        let incarnation = self.0.store.incarnation();
        let before =
            cursor.map(|cursor| incarnation.row_after(cursor)).transpose()?.unwrap_or(i64::MAX);
        let limit = bounded("limit", limit, ENTRIES_A_PAGE, MOST_ENTRIES)?;
        let mut entries = self.0.store.history(tenant, feature, before, limit + 1).await?;
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        let next =
            entries.last().filter(|_| has_more).map(|last| incarnation.row_cursor(last.change));
        Ok((entries, next))
    }

    /// When a preference would fire that is not stored.
    pub(crate) async fn preview(&self, request: PreviewRequest<'_>) -> Result<Preview> {
        let preference = Preference::from_json(request.preference, "/preference")?;
        let count = bounded("count", request.count, 5, MOST_OCCURRENCES)?;
        let after = request.after.unwrap_or_else(|| self.0.clock.now());
        let registry = self.registry().await?;
        let defaults =
            request.feature.as_ref().map(|feature| registry.defaults(feature)).unwrap_or_default();
        let next = next_run(Some(&preference), request.timezone.as_ref(), &defaults, after);
        let occurrences =
            match (&next, preference.stated_group(request.timezone.as_ref()).resolve_by(&defaults))
            {
                (NextRun::At { next_run: first }, Ok(group)) => {
                    let schedule = Schedule::of(&group);
                    let from =
                        schedule.after(after).skip_while(|occurrence| occurrence.at < first.at);
                    let wanted = from
                        .filter(|occurrence| Some(occurrence.nominal) != preference.skip_next)
                        .take(count);
                    wanted
                        .map(|occurrence| NamedRun {
                            nominal: occurrence.nominal,
                            timezone: group.timezone().name().to_owned(),
                            at: occurrence.at,
                        })
                        .collect()
                }
                _ => Vec::new(),
            };
        Ok(Preview { next, occurrences })
    }
}

fn distinct(mut groups: Vec<StatedGroup>) -> Result<Vec<StatedGroup>> {
    if groups.len() > MOST_GROUPS {
        return Err(too_many("/groups", groups.len(), MOST_GROUPS));
    }
    groups.sort_unstable();
    groups.dedup();
    Ok(groups)
}

/// A number that a request may leave out.
pub(super) fn bounded(
    parameter: &str,
    asked: Option<usize>,
    default: usize,
    most: usize,
) -> Result<usize> {
    match asked {
        None => Ok(default),
        Some(asked) if (1..=most).contains(&asked) => Ok(asked),
        Some(asked) => Err(ConfigServiceError::Parameter(format!(
            "{parameter}: expected 1 to {most}, got {asked}"
        ))),
    }
}

fn too_many(pointer: &str, got: usize, most: usize) -> ConfigServiceError {
    Invalid::one(pointer, format!("expected at most {most}, got {got}")).into()
}
