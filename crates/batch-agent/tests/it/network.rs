//! What the network does between the agent and its Config Database loses nobody and doubles nobody
//! (D2, F4, F7, F8, M8).
//!
//! Each test is one story, told with another fault each time ([`connected`](crate::connected) puts
//! the parts together):
//!
//! ```text
//! 08:00   the agent knows all users ─► the fault begins
//!         ─► users join, move, leave and switch off, past the fault
//! 09:00   six groups are due
//! 09:00+  some switch off ─► the fault ends
//!         ─► one outcome for each, one call for each key, nobody else
//! ```
//!
//! Connections are reset after so many bytes of answers, few and many, so that heads, lists, member
//! pages and events break off in the middle; pieces wait; connections fall silent or are refused;
//! other answers come in place of the Config Database's; and all of that in turn, as a seed says.
//! While nothing can come through, nobody may be called: whoever is has been invented.
//!
//! These bugs were planted, one after another:
//!
//! - a list shorter than its count is believed (M8): lies of members
//! - members that cannot be read are taken for none (F4): lies of members, one fault after another
//! - members are read before the feed has reached the instant: a feed that fails alone, a lost
//!   cursor, answers of others, resets in the middle
//! - a lost cursor is replaced without reading the groups anew (F7): a lost cursor
//! - the cursor counts as found before the groups are read anew (F7): a lost cursor
//!
//! A client that goes on from the feed's present end after a failure is no bug that can be seen:
//! the agent's own cursor in the feed does not move with it, and it reads what lies between.

use std::collections::BTreeMap;
use std::slice;
use std::time::Duration;

use axum::http::StatusCode;
use cohort_fault_proxy::Fault;
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::connected::{Connected, Expected, Lie};
use crate::stage::{daily, instant};

const START: &str = "2026-12-01T08:00:00Z";
/// A Tuesday and a first.
const DUE: &str = "2026-12-01T09:00:00Z";
/// When a fault ends.
const OVER: &str = "2026-12-01T09:00:01.500Z";

/// How long before the due instant the clock is set to.
const RUN_UP: SignedDuration = SignedDuration::from_millis(300);

/// Longer than any test: the agent rests on the feed alone.
const NEVER: Duration = Duration::from_hours(1);

/// Read anew so often that the fault meets the lists of groups too.
const ALL_THE_TIME: Duration = Duration::from_millis(100);

/// Users who do the same with the fault on.
const A_FEW: usize = 10;

/// How many users each of the six stated groups has.
const USERS: [usize; 6] = [60, 40, 60, 60, 40, 40];

/// The preferences of the six stated groups, all due at one instant, and the zone on whose clock;
/// the
/// first two are one preference group, since who states no zone means UTC.
fn stated_preferences() -> [(Value, &'static str); 6] {
    let clock = |time: &str, zone: &str| -> Value {
        json!({"frequency": "daily", "preferred_time": time, "timezone": zone})
    };
    [
        (clock("09:00", "UTC"), "UTC"),
        (json!({"frequency": "daily", "preferred_time": "09:00"}), "UTC"),
        (clock("14:30", "Asia/Kolkata"), "Asia/Kolkata"),
        (
            json!({"frequency": "weekly", "preferred_day": "tuesday", "preferred_time": "10:00",
                "timezone": "Europe/Berlin"}),
            "Europe/Berlin",
        ),
        (
            json!({"frequency": "monthly", "preferred_day": 1, "preferred_time": "04:00",
                "timezone": "America/New_York"}),
            "America/New_York",
        ),
        (
            json!({"frequency": "cron", "cron": "0 18 * * *", "timezone": "Asia/Tokyo"}),
            "Asia/Tokyo",
        ),
    ]
}

/// What the network is like while the fault lasts.
#[derive(Debug, Clone)]
enum Weather {
    /// Something may come through.
    Bad(Fault),
    /// Nothing can.
    Cut(Fault),
    /// These are told in place of what matters for members: no user can be known.
    Lies(&'static [Lie]),
    /// These are told of groups, and the rest comes through.
    LiesOfGroups(&'static [Lie]),
    /// One fault after another, as the seed says.
    Changing { seed: u64 },
}

/// Tells the story once.
async fn endure(weather: Weather, refresh_every: Duration, users: [usize; 6]) {
    let connected = Connected::at(START).await;
    let agent = connected.agent(refresh_every).await;
    let mut expected = Expected::default();
    users_subscribe(&connected, users, &mut expected).await;
    agent.knows_of(users.iter().sum::<usize>() as u64).await;
    tokio::join!(last_until_over(&connected, &weather), async {
        users_change(&connected, &mut expected).await;
        connected.clock.set_to(instant(DUE) - RUN_UP);
        connected.clock_shows(DUE).await;
        users_switch_off_late(&connected, &mut expected).await;
    });
    connected.has_recorded(expected.called.len()).await;
    agent.stop().await;
    connected.check(&expected).await;
}

/// The weather holds until the clock shows that it is over.
async fn last_until_over(connected: &Connected, weather: &Weather) {
    match weather {
        Weather::Bad(fault) | Weather::Cut(fault) => {
            connected.proxy.set(fault.clone()).await;
            connected.clock_shows(OVER).await;
        }
        Weather::Lies(lies) | Weather::LiesOfGroups(lies) => {
            connected.front.tell(lies);
            connected.proxy.reset_open_connections();
            connected.clock_shows(OVER).await;
        }
        Weather::Changing { seed } => tokio::select! {
            () = change_forever(connected, *seed) => {}
            () = connected.clock_shows(OVER) => {}
        },
    }
    if matches!(weather, Weather::Cut(_) | Weather::Lies(_)) {
        assert_eq!(connected.calls(), 0, "calls for users whom nobody has named");
    }
    connected.front.tell(&[]);
    connected.proxy.set(Fault::None).await;
}

async fn change_forever(connected: &Connected, seed: u64) {
    let mut chance = fastrand::Rng::with_seed(seed);
    loop {
        connected.proxy.set(any_fault(&mut chance)).await;
        tokio::time::sleep(Duration::from_millis(chance.u64(5..150))).await;
    }
}

fn any_fault(chance: &mut fastrand::Rng) -> Fault {
    match chance.u8(0..9) {
        0 => Fault::Refuse,
        1 => Fault::Silence,
        2 => Fault::Latency(Duration::from_millis(chance.u64(1..100))),
        3..=5 => Fault::ResetAfter(chance.usize(0..20_000)),
        6 => chance.choice(answers_of_others()).expect("there are some"),
        _ => Fault::None,
    }
}

fn tenant(group: usize, number: usize) -> String {
    format!("g{group}-{number}")
}

async fn users_subscribe(connected: &Connected, users: [usize; 6], expected: &mut Expected) {
    let mut preferences = Vec::new();
    for (group, (preference, zone)) in stated_preferences().into_iter().enumerate() {
        let tenants = (0..users[group]).map(|number| tenant(group, number));
        preferences.extend(tenants.clone().map(|tenant| (tenant, preference.clone())));
        expected.called.extend(tenants.map(|tenant| (tenant, zone)));
    }
    connected.store(preferences).await;
}

/// Some join a group that is known, some make one that is not, or one that is part of a schedule
/// that is known; some move from one to another, some leave and some switch off.
async fn users_change(connected: &Connected, expected: &mut Expected) {
    let [(in_utc, utc), _, (in_kolkata, kolkata), ..] = stated_preferences();
    let tenants = |group: usize, part: usize| {
        (part * A_FEW..(part + 1) * A_FEW).map(move |number| tenant(group, number))
    };
    let new = |what: &'static str| (0..A_FEW).map(move |number| format!("{what}-{number}"));
    let (joining, alone, open) = (new("joins"), new("makes-a-group"), new("leaves-the-time-open"));
    let in_sao_paulo =
        json!({"frequency": "daily", "preferred_time": "06:00", "timezone": "America/Sao_Paulo"});
    let mut changes = BTreeMap::new();
    changes.extend(joining.clone().map(|tenant| (tenant, in_utc.clone())));
    changes.extend(alone.clone().map(|tenant| (tenant, in_sao_paulo.clone())));
    changes.extend(
        open.clone().map(|tenant| (tenant, json!({"frequency": "daily", "timezone": "UTC"}))),
    );
    changes.extend(tenants(0, 0).map(|tenant| (tenant, in_kolkata.clone())));
    changes.extend(tenants(3, 0).map(|tenant| (tenant, daily("21:00"))));
    changes.extend(tenants(0, 1).map(|tenant| (tenant, json!({"enabled": false}))));
    connected.store(changes).await;
    expected.called.extend(joining.chain(open).map(|tenant| (tenant, utc)));
    expected.called.extend(alone.map(|tenant| (tenant, "America/Sao_Paulo")));
    expected.called.extend(tenants(0, 0).map(|tenant| (tenant, kolkata)));
    expected
        .called
        .retain(|tenant, _| !tenants(3, 0).chain(tenants(0, 1)).any(|gone| gone == *tenant));
}

/// Some switch off when the run has begun: they are skipped if it is noticed in time (M2, M3).
async fn users_switch_off_late(connected: &Connected, expected: &mut Expected) {
    let late: Vec<_> = (0..A_FEW).map(|number| tenant(2, number)).collect();
    connected.store(late.iter().map(|tenant| (tenant.clone(), json!({"enabled": false})))).await;
    expected.may_be_skipped.extend(late);
}

/// Bodies that are not the Config Database's own, or lie.
fn answers_of_others() -> Vec<Fault> {
    let page = "text/html";
    let json = "application/json";
    let empty_page = r#"{"members":[],"count_as_of":60,"position":"0","next_cursor":null}"#;
    vec![
        answer("200 OK", page, "<html>Please log in</html>"),
        answer("200 OK", json, r#"{"feature_type":"posts","groups":[{"frequency":"daily","#),
        answer("200 OK", json, "{}"),
        answer("200 OK", json, "[]"),
        answer("200 OK", json, "null"),
        answer("200 OK", json, ""),
        answer("200 OK", json, empty_page),
        answer("200 OK", "text/event-stream", "event: change\ndata: {\"id\":"),
        answer("204 No Content", json, ""),
        answer("404 Not Found", page, "<html>No such page</html>"),
        answer("410 Gone", "application/problem+json", "{}"),
        answer("502 Bad Gateway", page, "<html>Bad gateway</html>"),
        Fault::Garbage(b"\x16\x03\x01\x02\x00\x01".to_vec()),
    ]
}

fn answer(status: &str, kind: &str, body: &str) -> Fault {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: \
         close\r\n\r\n",
        body.len()
    );
    Fault::Garbage(format!("{head}{body}").into_bytes())
}

const HTML: &str = "<html>Please log in</html>";

/// Of the members, as a page and as lists in one answer: a sudden nothing, beside the right count
/// or a wrong one, and what is no list.
const LIES_OF_MEMBERS: &[Lie] = &[
    of_members(
        r#"{"position":"0","members":[],"count_as_of":60,"next_cursor":null,"lists":[
            {"members":[],"count_as_of":110},{"members":[],"count_as_of":70},
            {"members":[],"count_as_of":50},{"members":[],"count_as_of":40},
            {"members":[],"count_as_of":40},{"members":[],"count_as_of":10}]}"#,
    ),
    of_members(
        r#"{"position":"0","members":[],"count_as_of":1,"next_cursor":null,"lists":[
            {"members":[],"count_as_of":1},{"members":[],"count_as_of":1},
            {"members":[],"count_as_of":1},{"members":[],"count_as_of":1},
            {"members":[],"count_as_of":1},{"members":[],"count_as_of":1}]}"#,
    ),
    of_members(r#"{"position":"0","members":[],"next_cursor":null,"lists":[]}"#),
    of_members(HTML),
];

const fn of_members(body: &'static str) -> Lie {
    let is_told_to = |asked: &str| {
        ["/groups/members", "/groups/member-lists"].iter().any(|route| asked.ends_with(route))
    };
    Lie { is_told_to, status: StatusCode::OK, kind: "application/json", body }
}

/// Of the feed, while members could be read: who joined is not known of.
const LIES_OF_THE_FEED: &[Lie] = &[
    of_the_feed(StatusCode::OK),
    of_the_feed(StatusCode::GONE),
    of_the_feed(StatusCode::BAD_GATEWAY),
];

const fn of_the_feed(status: StatusCode) -> Lie {
    Lie {
        is_told_to: |asked| asked.contains("/preferences/changes"),
        status,
        kind: "text/html",
        body: HTML,
    }
}

/// The feed knows the cursor no longer, and the groups cannot be read anew for a while.
const LOST_AND_NOT_FOUND: [Lie; 2] = [
    Lie {
        is_told_to: |asked| {
            asked.contains("/preferences/changes") && !asked.contains("since_id=now")
        },
        status: StatusCode::GONE,
        kind: "application/problem+json",
        body: "{}",
    },
    Lie {
        is_told_to: |asked| asked.contains("/frequency-groups"),
        status: StatusCode::OK,
        kind: "text/html",
        body: HTML,
    },
];

/// Tells the story with each of these, all at once.
async fn endure_each(weathers: impl IntoIterator<Item = Weather>, refresh_every: Duration) {
    let stories =
        weathers.into_iter().map(|weather| tokio::spawn(endure(weather, refresh_every, USERS)));
    for told in join_all(stories).await {
        told.expect("no panic");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_reset_before_anything_has_come_lose_and_double_nobody() {
    endure_each([0, 1, 100].map(|bytes| Weather::Cut(Fault::ResetAfter(bytes))), NEVER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_reset_in_the_middle_of_events_and_pages_lose_and_double_nobody() {
    let bytes = [300, 700, 1_500, 4_000, 8_000, 20_000];
    endure_each(bytes.map(|bytes| Weather::Bad(Fault::ResetAfter(bytes))), NEVER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_groups_that_break_off_lose_and_double_nobody() {
    endure_each(
        [300, 700, 1_500].map(|bytes| Weather::Bad(Fault::ResetAfter(bytes))),
        ALL_THE_TIME,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_several_pages_that_breaks_off_between_them_loses_and_doubles_nobody() {
    for bytes in [250_000, 330_000] {
        endure(Weather::Bad(Fault::ResetAfter(bytes)), NEVER, [2_300, 40, 60, 60, 40, 40]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_network_loses_and_doubles_nobody() {
    endure_each(
        [30, 300, 700].map(|millis| Weather::Bad(Fault::Latency(Duration::from_millis(millis)))),
        NEVER,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_refused_or_fall_silent_lose_and_double_nobody() {
    endure_each([Fault::Refuse, Fault::Silence].map(Weather::Cut), NEVER).await;
    endure_each([Fault::Refuse, Fault::Silence].map(Weather::Cut), ALL_THE_TIME).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_others_are_not_believed_and_lose_and_double_nobody() {
    for refresh_every in [NEVER, ALL_THE_TIME] {
        endure_each(answers_of_others().into_iter().map(Weather::Cut), refresh_every).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_for_a_while_loses_and_doubles_nobody() {
    let refusals = ["401 Unauthorized", "403 Forbidden"]
        .map(|status| answer(status, "application/problem+json", "{}"));
    endure_each(refusals.map(Weather::Cut), ALL_THE_TIME).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_of_members_alone_are_not_believed_and_lose_and_double_nobody() {
    endure_each(LIES_OF_MEMBERS.iter().map(|lie| Weather::Lies(slice::from_ref(lie))), NEVER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_fails_alone_loses_and_doubles_nobody() {
    endure_each(LIES_OF_THE_FEED.iter().map(|lie| Weather::Lies(slice::from_ref(lie))), NEVER)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_cursor_and_groups_that_cannot_be_read_at_once_lose_and_double_nobody() {
    endure_each([Weather::LiesOfGroups(&LOST_AND_NOT_FOUND)], NEVER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_fault_after_another_loses_and_doubles_nobody() {
    endure_each((0..8).map(|seed| Weather::Changing { seed }), NEVER).await;
    endure_each((8..12).map(|seed| Weather::Changing { seed }), ALL_THE_TIME).await;
}
