//! Groups and members over REST; what is in them is checked by the store's conformance suite.

use axum::http::{Method, header};
use cohort_preferences::{GroupList, MemberLists, MemberPage, WholeList};
use serde_json::{Value, json};

use crate::Fixture;

fn daily(time: &str) -> Value {
    json!({"frequency": "daily", "preferred_time": time, "timezone": "Europe/Berlin"})
}

fn ids(page: &MemberPage) -> Vec<&str> {
    page.members.iter().map(|member| member.tenant_id.as_str()).collect()
}

async fn page(fixture: &Fixture, path: &str) -> MemberPage {
    serde_json::from_value(fixture.get(path).await.json()).expect("a member page")
}

const USERS: &str = "/features/posts/frequency-groups/daily/09%3A00/users?timezone=Europe%2FBerlin";

#[tokio::test]
async fn groups_are_listed_with_their_counts_by_both_routes() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &daily("09:00")).await;
    fixture.set("bob", &daily("09:00")).await;
    fixture.set("eve", &json!({"enabled": false, "frequency": "daily"})).await;
    let by_path = fixture.get("/features/posts/frequency-groups").await.json();
    let by_query = fixture.get("/preferences/groups?feature_type=posts").await.json();
    assert_eq!(
        (&by_path["groups"], &by_path["position"]),
        (&by_query["groups"], &by_query["position"])
    );
    let list: GroupList = serde_json::from_value(by_path).expect("a group list");
    assert_eq!(list.groups.len(), 1);
    assert_eq!(
        (list.groups[0].count, list.groups[0].group.to_string()),
        (2, "daily:09:00 Europe/Berlin".into())
    );
    assert!(list.position.contains("-3-"));
}

#[tokio::test]
async fn a_feature_that_nobody_states_has_no_groups_and_no_members() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.get("/features/unheard/frequency-groups").await.json()["groups"], json!([]));
    let members = page(&fixture, "/features/unheard/frequency-groups/daily/09:00/users").await;
    assert_eq!((members.members.len(), members.count_as_of), (0, 0));
    fixture.get("/preferences/groups").await.problem(400);
    fixture.get("/preferences/groups?feature_type=no%20name").await.problem(400);
}

#[tokio::test]
async fn a_group_left_long_ago_is_not_listed() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &daily("09:00")).await;
    fixture.set("ann", &daily("10:00")).await;
    assert_eq!(
        fixture.get("/features/posts/frequency-groups").await.json()["groups"]
            .as_array()
            .expect("groups")
            .len(),
        2
    );
    fixture.clock.set("2026-12-08T12:00:01Z");
    assert_eq!(
        fixture.get("/features/posts/frequency-groups").await.json()["groups"]
            .as_array()
            .expect("groups")
            .len(),
        1
    );
}

#[tokio::test]
async fn members_come_with_the_settings_of_now_even_if_they_have_left() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &daily("09:00")).await;
    fixture.set("bob", &daily("09:00")).await;
    fixture.set("eve", &daily("09:00")).await;
    let before = "2026-12-01T13:00:00Z";
    fixture.clock.set("2026-12-01T14:00:00Z");
    fixture.set("ann", &json!({"enabled": false})).await;
    fixture.call(Method::DELETE, "/tenants/bob/preferences/posts", "").await;
    let then = page(&fixture, &format!("{USERS}&as_of={before}")).await;
    assert_eq!((ids(&then), then.count_as_of), (vec!["ann", "bob", "eve"], 3));
    let settings: Vec<_> = then
        .members
        .iter()
        .map(|member| (member.version, member.preference.as_ref().map(|raw| raw.get())))
        .collect();
    assert_eq!(settings[0], (2, Some("{\"enabled\":false}")));
    assert_eq!(settings[1], (2, None));
    assert!(
        then.members
            .iter()
            .all(|member| member.member_since.to_string().starts_with("2026-12-01T12:00:00"))
    );
    let now = page(&fixture, USERS).await;
    assert_eq!((ids(&now), now.count_as_of), (vec!["eve"], 1));
}

#[tokio::test]
async fn the_pages_of_a_list_without_as_of_are_of_one_instant() {
    let fixture = Fixture::new().await;
    for tenant in ["ann", "bob", "eve"] {
        fixture.set(tenant, &daily("09:00")).await;
    }
    let first = page(&fixture, &format!("{USERS}&limit=2")).await;
    assert_eq!(ids(&first), ["ann", "bob"]);
    fixture.set("eve", &daily("10:00")).await;
    fixture.set("ian", &daily("09:00")).await;
    let cursor = first.next_cursor.expect("more");
    let second = page(&fixture, &format!("{USERS}&limit=2&cursor={cursor}")).await;
    assert_eq!(
        (ids(&second), second.next_cursor.as_deref(), second.count_as_of),
        (vec!["eve"], None, 3)
    );
    fixture.get(&format!("{USERS}&cursor={cursor}&as_of=2026-12-01T12:00:00Z")).await.problem(400);
    let (_, rest) = cursor.split_once('-').expect("an incarnation");
    fixture.get(&format!("{USERS}&cursor=00000000-{rest}")).await.problem(410);
    fixture.get(&format!("{USERS}&cursor=nonsense")).await.problem(400);
}

#[tokio::test]
async fn the_members_of_many_groups_are_one_list() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &daily("10:00")).await;
    fixture.set("bob", &daily("09:00")).await;
    fixture.set("eve", &daily("10:00")).await;
    let group =
        |time: &str| json!({"frequency": "daily", "time_key": time, "timezone": "Europe/Berlin"});
    let request = json!({"feature_type": "posts",
        "groups": [group("09:00"), group("10:00"), group("09:00"), group("11:00")],
        "as_of": "2026-12-01T13:00:00Z"});
    fixture.clock.set("2026-12-01T13:00:00Z");
    let answer =
        fixture.call(Method::POST, "/preferences/groups/members", request.to_string()).await;
    let list: MemberPage = serde_json::from_str(&answer.text).expect("a member page");
    assert_eq!((ids(&list), list.count_as_of), (vec!["ann", "bob", "eve"], 3));
}

#[tokio::test]
async fn many_lists_are_read_as_of_one_instant_and_one_without_room_is_left_out() {
    let fixture = Fixture::new().await;
    for (tenant, time) in
        [("ann", "09:00"), ("bob", "10:00"), ("cay", "10:00"), ("dan", "11:00"), ("eve", "12:00")]
    {
        fixture.set(tenant, &daily(time)).await;
    }
    let group =
        |time: &str| json!({"frequency": "daily", "time_key": time, "timezone": "Europe/Berlin"});
    let lists = json!([
        [group("12:00"), group("09:00")],
        [group("10:00")],
        [group("11:00")],
        [group("13:00")],
        []
    ]);
    let request = json!({"feature_type": "posts", "lists": lists, "as_of": "2026-12-01T13:00:00Z",
        "limit": 3});
    fixture.clock.set("2026-12-01T13:00:00Z");
    let lists = async || {
        let answer = fixture
            .call(Method::POST, "/preferences/groups/member-lists", request.to_string())
            .await;
        let lists: MemberLists = serde_json::from_str(&answer.text).expect("member lists");
        let names = |list: WholeList| {
            (
                list.members.into_iter().map(|member| member.tenant_id.to_string()).collect(),
                list.count_as_of,
            )
        };
        lists
            .lists
            .into_iter()
            .map(|list| list.map(names))
            .collect::<Vec<Option<(Vec<String>, u64)>>>()
    };
    let own = |names: &[&str]| {
        Some((names.iter().map(ToString::to_string).collect(), names.len() as u64))
    };
    let of_then = [own(&["ann", "eve"]), None, own(&["dan"]), own(&[]), own(&[])];
    assert_eq!(lists().await, of_then);
    fixture.clock.set("2026-12-01T13:00:01Z");
    fixture.set("dan", &daily("12:00")).await;
    assert_eq!(lists().await, of_then);
}

#[tokio::test]
async fn a_wrong_request_for_lists_is_refused_with_its_place() {
    let fixture = Fixture::new().await;
    let post = async |lists: Value, limit: usize| {
        let request = json!({"feature_type": "posts", "lists": lists,
            "as_of": "2026-12-01T12:00:00Z", "limit": limit});
        fixture.call(Method::POST, "/preferences/groups/member-lists", request.to_string()).await
    };
    let group = |time: String| json!({"frequency": "daily", "time_key": time, "timezone": "-"});
    let nine = group("09:00".into());
    assert_eq!(post(json!([[nine], [nine]]), 9).await.pointers(), ["/lists"]);
    assert_eq!(post(json!([[group("monday:09:00".into())]]), 9).await.pointers(), ["/lists/0/0"]);
    let minutes =
        (0..1_001).map(|minute| json!([group(format!("{:02}:{:02}", minute / 60, minute % 60))]));
    assert_eq!(post(minutes.collect(), 9).await.pointers(), ["/lists"]);
    post(json!([[nine]]), 5_001).await.problem(400);
}

#[tokio::test]
async fn a_wrong_members_request_is_refused_with_its_place() {
    let fixture = Fixture::new().await;
    let post = async |body: Value| {
        fixture.call(Method::POST, "/preferences/groups/members", body.to_string()).await
    };
    let group = json!({"frequency": "daily", "time_key": "monday:09:00", "timezone": "-"});
    let as_of = "2026-12-01T12:00:00Z";
    assert_eq!(
        post(json!({"feature_type": "posts", "groups": [group], "as_of": as_of})).await.pointers(),
        ["/groups/0"]
    );
    assert_eq!(
        post(json!({"feature_type": "posts", "groups": [], "as_of": "yesterday"})).await.pointers(),
        ["/as_of"]
    );
    post(json!({"feature_type": "posts", "groups": [], "as_of": as_of, "limit": 5001}))
        .await
        .problem(400);
    let users = "/features/posts/frequency-groups";
    for wrong in [
        "/daily/25:00/users",
        "/never/-/users",
        "/daily/09:00/users?timezone=Mars",
        "/daily/09:00/users?limit=0",
        "/daily/09:00/users?limit=5001",
        "/daily/09:00/users?as_of=now",
        "/daily/09:00/users?colour=red",
        "/users?frequency=daily",
    ] {
        fixture.get(&format!("{users}{wrong}")).await.problem(400);
    }
}

#[tokio::test]
async fn the_group_may_stand_in_the_query() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &json!({"frequency": "cron", "cron": "0 9 * * 1-5"})).await;
    let path =
        "/features/posts/frequency-groups/users?frequency=cron&time_key=0%209%20*%20*%201,2,3,4,5";
    assert_eq!(ids(&page(&fixture, path).await), ["ann"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_as_of_an_instant_that_does_not_come_is_a_503_with_a_wait() {
    let fixture = Fixture::new().await;
    let answer = fixture.get(&format!("{USERS}&as_of=2026-12-01T12:00:30Z")).await;
    answer.problem(503);
    assert_eq!(answer.header(header::RETRY_AFTER), Some("29"));
}
