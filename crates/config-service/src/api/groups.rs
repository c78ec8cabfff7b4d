//! Groups and their members as of an instant (M1, M8).

use std::fmt::Write;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cohort_preferences::{FeatureType, GroupList, MembersRequest, StatedGroup};
use jiff::Timestamp;
use serde::Deserialize;

use super::error::ApiError;
use super::extract::{PathText, QueryOf, TypedBody, parameter};
use crate::error::ConfigServiceError;
use crate::service::{ConfigService, ListRequest, MembersAnswer};
use crate::store::list::StoredMember;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfFeature {
    feature_type: FeatureType,
    cursor: Option<String>,
    limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupsPage {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /preferences/groups?feature_type=`: the groups of a feature.
pub(super) async fn list_by_query(
    State(service): State<ConfigService>,
    QueryOf(OfFeature { feature_type, cursor, limit }): QueryOf<OfFeature>,
) -> Result<Json<GroupList>, ApiError> {
    Ok(Json(service.groups(feature_type, cursor.as_deref(), limit).await?))
}

/// `GET /features/{feature_type}/frequency-groups`: the groups of a feature.
pub(super) async fn list(
    State(service): State<ConfigService>,
    PathText(feature): PathText<String>,
    QueryOf(page): QueryOf<GroupsPage>,
) -> Result<Json<GroupList>, ApiError> {
    let feature = parameter("feature_type", &feature)?;
    Ok(Json(service.groups(feature, page.cursor.as_deref(), page.limit).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    timezone: Option<String>,
    as_of: Option<Timestamp>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /features/{feature_type}/frequency-groups/{frequency}/{time_key}/users?timezone=&as_of=&cursor=&limit=`: the
/// members of one group.
pub(super) async fn users(
    State(service): State<ConfigService>,
    PathText((feature, frequency, time_key)): PathText<(String, String, String)>,
    QueryOf(page): QueryOf<Page>,
) -> Result<Response, ApiError> {
    members_of(&service, &feature, (&frequency, &time_key), page).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupPage {
    frequency: String,
    time_key: String,
    timezone: Option<String>,
    as_of: Option<Timestamp>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// The same with the group in the query, for those whose time key does not go into a path.
pub(super) async fn users_by_query(
    State(service): State<ConfigService>,
    PathText(feature): PathText<String>,
    QueryOf(group): QueryOf<GroupPage>,
) -> Result<Response, ApiError> {
    let page = Page { timezone: group.timezone, as_of: group.as_of, cursor: group.cursor, limit: group.limit };
    members_of(&service, &feature, (&group.frequency, &group.time_key), page).await
}

async fn members_of(service: &ConfigService, feature: &str, (frequency, time_key): (&str, &str), page: Page) -> Result<Response, ApiError> {
    let timezone = page.timezone.as_deref().unwrap_or("-");
    let group = StatedGroup::parse(frequency, time_key, timezone);
    let request = ListRequest {
        feature: parameter("feature_type", feature)?,
        groups: vec![group.map_err(|error| ConfigServiceError::Parameter(error.to_string()))?],
        as_of: page.as_of,
        cursor: page.cursor,
        limit: page.limit,
    };
    Ok(page_body(&service.members(request).await?))
}

/// `POST /preferences/groups/members`: the members of many groups of one feature, as one list.
pub(super) async fn members(
    State(service): State<ConfigService>,
    TypedBody(request): TypedBody<MembersRequest>,
) -> Result<Response, ApiError> {
    let request = ListRequest {
        feature: request.feature_type,
        groups: request.groups,
        as_of: Some(request.as_of),
        cursor: request.cursor,
        limit: request.limit,
    };
    Ok(page_body(&service.members(request).await?))
}

fn page_body(answer: &MembersAnswer) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], render(answer)).into_response()
}

/// A [`cohort_preferences::MemberPage`] as JSON. The stored text goes out as it is: it was JSON when it was stored, and
/// reading it again would cost more than all the rest of the page.
fn render(answer: &MembersAnswer) -> String {
    let list = &answer.list;
    let text: usize = list.members.iter().map(|member| member.json.as_ref().map_or(4, String::len)).sum();
    let mut page = String::with_capacity(200 + text + 160 * list.members.len());
    page.push_str("{\"members\":[");
    let mut since = Since::default();
    for (index, member) in list.members.iter().enumerate() {
        if index > 0 {
            page.push(',');
        }
        render_member(&mut page, member, &mut since);
    }
    let cursor = answer.next_cursor.as_deref().map_or("null".into(), quoted);
    let (count, position) = (list.count_as_of, quoted(&list.position));
    push(&mut page, format_args!("],\"count_as_of\":{count},\"position\":{position},\"next_cursor\":{cursor}}}"));
    page
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
    use cohort_preferences::MemberPage;

    use super::*;
    use crate::store::list::MemberList;

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
        let members =
            vec![member("a\"b\\c/ü", 1_000_001, Some("{\"enabled\":false}")), member("d", 1_000_001, None), member("e", 2, Some("{}"))];
        let answer = MembersAnswer {
            list: MemberList { members: members.clone(), count_as_of: 9, position: "0000000a-1".into(), has_more: true },
            next_cursor: Some("0000000a-1-7".into()),
        };
        let page: MemberPage = serde_json::from_str(&render(&answer)).expect("a member page");
        let read = page.members.into_iter().map(|member| StoredMember {
            tenant_id: member.tenant_id.to_string(),
            number: member.number,
            version: member.version,
            since: member.member_since,
            json: member.preference.map(|raw| raw.get().to_owned()),
        });
        assert_eq!(read.collect::<Vec<_>>(), members);
        assert_eq!((page.count_as_of, page.next_cursor.as_deref()), (9, Some("0000000a-1-7")));
    }
}
