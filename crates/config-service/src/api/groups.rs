//! Groups and their members as of an instant (M1, M8).

use std::fmt::Write;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cohort_preferences::{
    FeatureType, GroupError, GroupList, Invalid, MemberListsRequest, StatedGroup,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::error::ApiError;
use super::extract::{FeatureOf, PathText, QueryOf, TypedBody, parameter};
use crate::error::ConfigServiceError;
use crate::service::{ConfigService, ListRequest, MembersAnswer};
use crate::store::list::{MemberList, MovedList, StoredList, StoredMember, WholeLists};

/// A feature and a page of its groups.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfFeature {
    /// Of which feature.
    #[param(value_type = String)]
    feature_type: FeatureType,
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many groups; 10,000 if not said.
    #[param(minimum = 1, maximum = 1_000_000)]
    limit: Option<usize>,
}

/// A page of groups.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GroupsPage {
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many groups; 10,000 if not said.
    #[param(minimum = 1, maximum = 1_000_000)]
    limit: Option<usize>,
}

/// Lists a feature's groups, named in the query
#[utoipa::path(get, path = "/preferences/groups", tag = "Groups",
    operation_id = "list_groups_by_query", params(OfFeature),
    responses((status = 200, description = "Groups that have users, or had some not long ago",
        body = ref("#/components/schemas/GroupList")),
        (status = 410, description = "The cursor is of another incarnation of the database")))]
pub(super) async fn list_by_query(
    State(service): State<ConfigService>,
    QueryOf(OfFeature { feature_type, cursor, limit }): QueryOf<OfFeature>,
) -> Result<Json<GroupList>, ApiError> {
    Ok(Json(service.groups(feature_type, cursor.as_deref(), limit).await?))
}

/// Lists a feature's groups
#[utoipa::path(get, path = "/features/{feature_type}/frequency-groups", tag = "Groups",
    operation_id = "list_groups", params(GroupsPage),
    responses((status = 200, description = "Groups that have users, or had some not long ago",
        body = ref("#/components/schemas/GroupList")),
        (status = 410, description = "The cursor is of another incarnation of the database")))]
pub(super) async fn list(
    State(service): State<ConfigService>,
    FeatureOf(feature): FeatureOf,
    QueryOf(GroupsPage { cursor, limit }): QueryOf<GroupsPage>,
) -> Result<Json<GroupList>, ApiError> {
    Ok(Json(service.groups(feature, cursor.as_deref(), limit).await?))
}

/// A page of members.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The zone of the group, `-` where none is stated.
    timezone: Option<String>,
    /// As of which instant; now if not said.
    #[param(value_type = Option<String>)]
    as_of: Option<Timestamp>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many members; 1,000 if not said.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<usize>,
}

/// Lists the members of a group
///
/// As of an instant. `count_as_of` is counted apart from the list.
#[utoipa::path(get, path = "/features/{feature_type}/frequency-groups/{frequency}/{time_key}/users",
    tag = "Groups",
    operation_id = "list_members", params(Page),
    responses((status = 200, description = "A stretch of the list",
        body = ref("#/components/schemas/MemberPage")),
        (status = 410, description = "The cursor is of another incarnation of the database")))]
pub(super) async fn users(
    State(service): State<ConfigService>,
    PathText((feature, frequency, time_key)): PathText<(String, String, String)>,
    QueryOf(page): QueryOf<Page>,
) -> Result<Response, ApiError> {
    members_of(&service, parameter("feature_type", &feature)?, (&frequency, &time_key), page).await
}

/// A group and a page of its members.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GroupPage {
    /// The group's frequency, `-` where none is stated.
    frequency: String,
    /// The group's time key.
    time_key: String,
    /// The zone of the group, `-` where none is stated.
    timezone: Option<String>,
    /// As of which instant; now if not said.
    #[param(value_type = Option<String>)]
    as_of: Option<Timestamp>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many members; 1,000 if not said.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<usize>,
}

/// Lists the members of a group, named in the query
///
/// For those whose time key does not go into a path.
#[utoipa::path(get, path = "/features/{feature_type}/frequency-groups/users", tag = "Groups",
    operation_id = "list_members_by_query", params(GroupPage),
    responses((status = 200, description = "A stretch of the list",
        body = ref("#/components/schemas/MemberPage")),
        (status = 410, description = "The cursor is of another incarnation of the database")))]
pub(super) async fn users_by_query(
    State(service): State<ConfigService>,
    FeatureOf(feature): FeatureOf,
    QueryOf(group): QueryOf<GroupPage>,
) -> Result<Response, ApiError> {
    let page = Page {
        timezone: group.timezone,
        as_of: group.as_of,
        cursor: group.cursor,
        limit: group.limit,
    };
    members_of(&service, feature, (&group.frequency, &group.time_key), page).await
}

async fn members_of(
    service: &ConfigService,
    feature: FeatureType,
    (frequency, time_key): (&str, &str),
    page: Page,
) -> Result<Response, ApiError> {
    let timezone = page.timezone.as_deref().unwrap_or("-");
    let group = StatedGroup::parse(frequency, time_key, timezone);
    let request = ListRequest {
        feature,
        groups: vec![group.map_err(|error| ConfigServiceError::Parameter(error.to_string()))?],
        as_of: page.as_of,
        cursor: page.cursor,
        limit: page.limit,
    };
    Ok(page_body(&service.members(request).await?))
}

/// [`cohort_preferences::MembersRequest`], or what became of such a list since a position of the
/// feed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MembersBody {
    feature_type: FeatureType,
    groups: Vec<Named>,
    as_of: Timestamp,
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    changed_since: Option<String>,
}

/// A group as requests name it: unknown fields are refused.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Parts")]
struct Named(StatedGroup);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    frequency: String,
    time_key: String,
    timezone: String,
}

impl TryFrom<Parts> for Named {
    type Error = GroupError;

    fn try_from(parts: Parts) -> Result<Self, GroupError> {
        StatedGroup::parse(&parts.frequency, &parts.time_key, &parts.timezone).map(Self)
    }
}

/// Lists the members of many groups as one list
///
/// With `changed_since`, a position of the feed, only those whose preference has changed since:
/// `members` are those who are members as of the instant, `gone` the numbers of those who are not.
#[utoipa::path(post, path = "/preferences/groups/members", tag = "Groups",
    operation_id = "list_members_of_groups",
    request_body = ref("#/components/schemas/MembersRequest"),
    responses((status = 200, description = "A stretch of the list",
        body = ref("#/components/schemas/MovedPage")),
        (status = 410,
            description = "The cursor is gone, or too much has changed since: list all of them")))]
pub(super) async fn members(
    State(service): State<ConfigService>,
    TypedBody(request): TypedBody<MembersBody>,
) -> Result<Response, ApiError> {
    let groups = request.groups.into_iter().map(|Named(group)| group).collect();
    if let Some(since) = &request.changed_since {
        if request.cursor.is_some() || request.limit.is_some() {
            return Err(Invalid::one("/changed_since", "goes without cursor and limit").into());
        }
        let moved = service.moved(request.feature_type, groups, Some(request.as_of), since).await?;
        return Ok(moved_body(moved));
    }
    let request = ListRequest {
        feature: request.feature_type,
        groups,
        as_of: Some(request.as_of),
        cursor: request.cursor,
        limit: request.limit,
    };
    Ok(page_body(&service.members(request).await?))
}

/// [`MemberListsRequest`], strictly.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListsBody {
    feature_type: FeatureType,
    lists: Vec<Vec<Named>>,
    as_of: Timestamp,
    #[serde(default)]
    limit: Option<usize>,
}

/// Lists the members of many lists of groups, each list by itself
///
/// As of one instant, each list whole and with its own count, as long as all of them together have
/// at most `limit` members. A list for which there is no room is `null`; `POST
/// /preferences/groups/members` gives it in pages.
#[utoipa::path(post, path = "/preferences/groups/member-lists", tag = "Groups",
    operation_id = "list_members_of_many_lists",
    request_body = ref("#/components/schemas/MemberListsRequest"),
    responses((status = 200, description = "The lists, in the order asked",
        body = ref("#/components/schemas/MemberLists"))))]
pub(super) async fn member_lists(
    State(service): State<ConfigService>,
    TypedBody(ListsBody { feature_type, lists, as_of, limit }): TypedBody<ListsBody>,
) -> Result<Response, ApiError> {
    let groups = |list: Vec<Named>| list.into_iter().map(|Named(group)| group).collect();
    let lists = lists.into_iter().map(groups).collect();
    let lists =
        service.member_lists(MemberListsRequest { feature_type, lists, as_of, limit }).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], render_lists(&lists)).into_response())
}

/// Whether to set right what is found.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Check {
    /// Set right what is found.
    #[serde(default)]
    repair: bool,
}

/// Checks the groups
///
/// Computes them from all preferences and compares; takes as long as reading everything does.
#[utoipa::path(post, path = "/preferences/groups/check", tag = "Groups",
    operation_id = "check_groups", params(Check),
    responses((status = 200, description = "What was found",
        body = ref("#/components/schemas/Drift"))))]
pub(super) async fn check(
    State(service): State<ConfigService>,
    QueryOf(Check { repair }): QueryOf<Check>,
) -> Result<Json<Value>, ApiError> {
    let drift = service.drift(repair).await?;
    let misplaced: Vec<_> = drift
        .misplaced
        .iter()
        .map(|(feature, tenant)| json!({"feature_type": feature, "tenant_id": tenant}))
        .collect();
    let miscounted = drift.miscounted.iter().map(|(feature, group, kept, counted)| {
        json!({"feature_type": feature, "group": group, "count": kept,
                "members": counted})
    });
    Ok(Json(json!({
        "preferences": drift.preferences,
        "groups": drift.groups,
        "misplaced": misplaced,
        "misplaced_count": drift.misplaced_count,
        "miscounted": miscounted.collect::<Vec<_>>(),
        "miscounted_count": drift.miscounted_count,
        "repaired": drift.is_repaired,
    })))
}

fn page_body(answer: &MembersAnswer) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], render(answer)).into_response()
}

fn moved_body(moved: MovedList) -> Response {
    let gone = serde_json::to_string(&moved.gone).expect("numbers are always JSON");
    let list = MemberList {
        members: moved.members,
        count_as_of: moved.count_as_of,
        position: moved.position,
        has_more: false,
    };
    let mut page = render(&MembersAnswer { list, next_cursor: None });
    page.truncate(page.len() - 1);
    push(&mut page, format_args!(",\"gone\":{gone}}}"));
    ([(header::CONTENT_TYPE, "application/json")], page).into_response()
}

/// A [`cohort_preferences::MemberPage`] as JSON. The stored text goes out as it is: it was JSON
/// when it was stored, and reading it again would cost more than all the rest of the page.
fn render(answer: &MembersAnswer) -> String {
    let list = &answer.list;
    let mut page = String::with_capacity(200 + room(&list.members));
    page.push_str("{\"members\":");
    render_members(&mut page, &list.members, &mut Since::default());
    let cursor = answer.next_cursor.as_deref().map_or("null".into(), quoted);
    let (count, position) = (list.count_as_of, quoted(&list.position));
    push(
        &mut page,
        format_args!(",\"count_as_of\":{count},\"position\":{position},\"next_cursor\":{cursor}}}"),
    );
    page
}

/// [`cohort_preferences::MemberLists`] as JSON.
fn render_lists(lists: &WholeLists) -> String {
    let text: usize = lists.lists.iter().flatten().map(|list| 40 + room(&list.members)).sum();
    let mut page = String::with_capacity(200 + text);
    page.push_str("{\"lists\":[");
    let mut since = Since::default();
    for (index, list) in lists.lists.iter().enumerate() {
        if index > 0 {
            page.push(',');
        }
        match list {
            Some(list) => render_list(&mut page, list, &mut since),
            None => page.push_str("null"),
        }
    }
    push(&mut page, format_args!("],\"position\":{}}}", quoted(&lists.position)));
    page
}

fn render_list(page: &mut String, list: &StoredList, since: &mut Since) {
    page.push_str("{\"members\":");
    render_members(page, &list.members, since);
    push(page, format_args!(",\"count_as_of\":{}}}", list.count_as_of));
}

/// About how many bytes these members take.
fn room(members: &[StoredMember]) -> usize {
    members.iter().map(|member| 160 + member.json.as_ref().map_or(4, String::len)).sum()
}

fn render_members(page: &mut String, members: &[StoredMember], since: &mut Since) {
    page.push('[');
    for (index, member) in members.iter().enumerate() {
        if index > 0 {
            page.push(',');
        }
        render_member(page, member, since);
    }
    page.push(']');
}

fn render_member(page: &mut String, member: &StoredMember, since: &mut Since) {
    let StoredMember { number, version, .. } = member;
    let (tenant, since) = (quoted(&member.tenant_id), since.text(member.since));
    let json = member.json.as_deref().unwrap_or("null");
    push(
        page,
        format_args!(
            "{{\"tenant_id\":{tenant},\"number\":{number},\"version\":{version},\"member_since\":\"{since}\",\"preference\":{json}}}"
        ),
    );
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes any text");
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is always JSON")
}

/// The text of the last instant: members who were imported together share it.
#[derive(Default)]
struct Since {
    instant: Timestamp,
    text: String,
}

impl Since {
    fn text(&mut self, instant: Timestamp) -> &str {
        if self.text.is_empty() || self.instant != instant {
            *self = Self { instant, text: instant.to_string() };
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use cohort_preferences::{Member, MemberLists, MemberPage, WholeList};

    use super::*;

    fn member(tenant_id: &str, since: i64, json: Option<&str>) -> StoredMember {
        StoredMember {
            tenant_id: tenant_id.into(),
            number: 7,
            version: 3,
            since: Timestamp::from_microsecond(since).expect("in range"),
            json: json.map(str::to_owned),
        }
    }

    #[test]
    fn a_rendered_page_reads_as_a_member_page() {
        let members = vec![
            member("a\"b\\c/ü", 1_000_001, Some("{\"enabled\":false}")),
            member("d", 1_000_001, None),
            member("e", 2, Some("{}")),
        ];
        let answer = MembersAnswer {
            list: MemberList {
                members: members.clone(),
                count_as_of: 9,
                position: "0000000a-1".into(),
                has_more: true,
            },
            next_cursor: Some("0000000a-1-7".into()),
        };
        let page: MemberPage = serde_json::from_str(&render(&answer)).expect("a member page");
        assert_eq!(stored(page.members), members);
        assert_eq!((page.count_as_of, page.next_cursor.as_deref()), (9, Some("0000000a-1-7")));
    }

    fn stored(members: Vec<Member>) -> Vec<StoredMember> {
        let stored = |member: Member| StoredMember {
            tenant_id: member.tenant_id.to_string(),
            number: member.number,
            version: member.version,
            since: member.member_since,
            json: member.preference.map(|raw| raw.get().to_owned()),
        };
        members.into_iter().map(stored).collect()
    }

    #[test]
    fn rendered_lists_read_as_member_lists() {
        let list = |names: &[&str]| StoredList {
            members: names.iter().map(|name| member(name, 1, Some("{}"))).collect(),
            count_as_of: names.len() as u64,
        };
        let lists = vec![Some(list(&["a", "b"])), None, Some(list(&[])), Some(list(&["c"]))];
        let text =
            render_lists(&WholeLists { lists: lists.clone(), position: "0000000a-1".into() });
        let read: MemberLists = serde_json::from_str(&text).expect("member lists");
        assert_eq!(read.position, "0000000a-1");
        let whole = |list: WholeList| StoredList {
            members: stored(list.members),
            count_as_of: list.count_as_of,
        };
        assert_eq!(read.lists.into_iter().map(|list| list.map(whole)).collect::<Vec<_>>(), lists);
    }
}
