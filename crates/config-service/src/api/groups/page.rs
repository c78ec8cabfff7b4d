//! Pages of members as JSON.
//!
//! They are written by hand: the stored text of a preference goes out as it is. It was JSON when it
//! was stored, and reading it again would cost more than all the rest of the page.

use std::fmt::Write;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use crate::service::MemberPage;
use crate::store::list::{MemberList, MovedList, StoredList, StoredMember, WholeLists};

pub(super) fn page_body(page: &MemberPage) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], render(page)).into_response()
}

pub(super) fn moved_body(moved: MovedList) -> Response {
    let gone = serde_json::to_string(&moved.gone).expect("numbers are always JSON");
    let list = MemberList {
        members: moved.members,
        count_as_of: moved.count_as_of,
        position: moved.position,
        has_more: false,
    };
    let mut page = render(&MemberPage { list, next_cursor: None });
    page.truncate(page.len() - 1);
    push(&mut page, format_args!(",\"gone\":{gone}}}"));
    ([(header::CONTENT_TYPE, "application/json")], page).into_response()
}

/// Returns a [`cohort_preferences::MemberPage`] as JSON.
fn render(page: &MemberPage) -> String {
    let list = &page.list;
    let mut text = String::with_capacity(200 + room(&list.members));
    text.push_str("{\"members\":");
    render_members(&mut text, &list.members, &mut Since::default());
    let cursor = page.next_cursor.as_deref().map_or("null".into(), quoted);
    let (count, position) = (list.count_as_of, quoted(&list.position));
    push(
        &mut text,
        format_args!(",\"count_as_of\":{count},\"position\":{position},\"next_cursor\":{cursor}}}"),
    );
    text
}

/// [`cohort_preferences::MemberLists`] as JSON.
pub(super) fn render_lists(lists: &WholeLists) -> String {
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

/// Returns about how many bytes these members take.
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
            "{{\"tenant_id\":{tenant},\"number\":{number},\"version\":{version},\
              \"member_since\":\"{since}\",\"preference\":{json}}}"
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
    use cohort_preferences::{Member, MemberLists, WholeList};

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
        let rendered = MemberPage {
            list: MemberList {
                members: members.clone(),
                count_as_of: 9,
                position: "0000000a-1".into(),
                has_more: true,
            },
            next_cursor: Some("0000000a-1-7".into()),
        };
        let page: cohort_preferences::MemberPage =
            serde_json::from_str(&render(&rendered)).expect("a member page");
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
