//! Small runs of one instant are read together, and each is on its own all the same (M1, M8, F4).

use std::sync::Arc;

use cohort_batch_agent::{Claim, MembersRead, RunQuery, RunState};
use serde_json::{Value, json};

use crate::source::Faults;
use crate::stage::{Stage, instant};

const NINE: &str = "2026-12-01T09:00:00Z";

/// Zones whose clocks show the same: groups of their own that are due at one instant.
const ZONES: [&str; 4] = ["UTC", "Africa/Abidjan", "Africa/Accra", "Atlantic/Reykjavik"];

fn at_nine(zone: &str) -> Value {
    json!({"frequency": "daily", "preferred_time": "09:00", "timezone": zone})
}

/// Users `u0`, `u1` …, as many as in all of these groups.
fn stage_of_groups(sizes: [usize; 4]) -> Stage {
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({}));
    let zones =
        ZONES.into_iter().zip(sizes).flat_map(|(zone, size)| std::iter::repeat_n(zone, size));
    for (user, zone) in zones.enumerate() {
        stage.source.set(&format!("u{user}"), at_nine(zone));
    }
    stage
}

#[tokio::test]
async fn small_groups_of_one_instant_are_read_in_one_request() {
    let stage = stage_of_groups([30, 1, 40, 2]);
    stage.run_until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(73, &["2026-12-01T09:00"]).await;
    assert_eq!(stage.source.pages(), [73]);
    let mut sizes: Vec<_> = stage.runs().await.iter().map(|run| run.counts.succeeded).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2, 30, 40]);
}

#[tokio::test]
async fn no_more_users_are_read_together_than_fit_into_a_claim() {
    let stage = stage_of_groups([1_750, 748, 2, 1_000]);
    stage.run_until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(3_500, &["2026-12-01T09:00"]).await;
    let pages = stage.source.pages();
    assert_eq!(pages.iter().sum::<usize>(), 3_500, "{pages:?}");
    assert!(pages.len() == 2 && pages.iter().all(|users| *users <= 2_500), "{pages:?}");
}

#[tokio::test]
async fn a_list_that_finds_no_room_is_read_in_pages() {
    let stage = stage_of_groups([30, 30, 30, 30]);
    stage.source.faults(Faults { page_limit: Some(20), ..Faults::default() });
    stage.run_until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(120, &["2026-12-01T09:00"]).await;
}

#[tokio::test]
async fn runs_that_cannot_be_read_together_are_read_alone() {
    let stage = stage_of_groups([30, 1, 40, 2]);
    stage.source.faults(Faults { no_joint_lists: true, ..Faults::default() });
    stage.run_until("2026-12-01T09:00:01Z").await;

    stage.assert_each_succeeded_once(73, &["2026-12-01T09:00"]).await;
    let mut pages = stage.source.pages();
    pages.sort_unstable();
    assert_eq!(pages, [1, 2, 30, 40]);
}

#[tokio::test]
async fn a_short_list_holds_up_its_own_run_and_no_other() {
    let stage = stage_of_groups([30, 1, 40, 2]);
    let agent = stage.agent().await;
    stage.source.faults(Faults { short_list_of: Some("Africa/Accra"), ..Faults::default() });
    agent.until("2026-12-01T09:10:00Z").await;

    let open: Vec<_> =
        stage.runs().await.into_iter().filter(|run| run.state != RunState::Closed).collect();
    assert_eq!(
        open.iter()
            .map(|run| (run.group.timezone().name(), run.counts.members))
            .collect::<Vec<_>>(),
        [("Africa/Accra", 0)]
    );
    assert_eq!(stage.outcomes().await.len(), 33);
    stage.now_well();
    agent.until("2026-12-01T10:00:00Z").await;
    stage.assert_each_succeeded_once(73, &["2026-12-01T09:00"]).await;
}

#[tokio::test]
async fn a_user_who_moves_while_groups_are_read_together_is_in_the_run_of_the_instant_only() {
    let stage = stage_of_groups([3, 3, 3, 3]);
    let agent = stage.agent().await;
    let (source, clock) = (stage.source.clone(), stage.clock.clone());
    agent.until("2026-12-01T08:59:59Z").await;
    stage.source.after_next_page(move || {
        assert_eq!(cohort_preferences::Clock::now(&clock), instant(NINE));
        source.set("u0", at_nine(ZONES[3]));
    });
    agent.until("2026-12-02T12:00:00Z").await;

    assert_eq!(
        stage.told_of("u0").await,
        ["2026-12-01T09:00 succeeded", "2026-12-02T09:00 succeeded"]
    );
    assert_eq!(stage.outcomes().await.len(), 2 * 12);
    let runs = stage.runs().await;
    let sizes = |day: &str, zone: &str| {
        let is_it = |run: &&cohort_batch_agent::Run| {
            run.occurrence.at == instant(day) && run.group.timezone().name() == zone
        };
        runs.iter().find(is_it).expect("a run").counts.members
    };
    assert_eq!(ZONES.map(|zone| sizes(NINE, zone)), [3, 3, 3, 3], "M1");
    assert_eq!(ZONES.map(|zone| sizes("2026-12-02T09:00:00Z", zone)), [2, 3, 3, 4]);
}

#[tokio::test]
async fn a_run_that_another_agent_has_read_meanwhile_is_that_agents() {
    let stage = stage_of_groups([3, 3, 3, 3]);
    let agent = stage.agent().await;
    agent.until("2026-12-01T08:59:59Z").await;
    let (ledger, clock) = (stage.ledger(), stage.clock.clone());
    let (send, read_by_other) = std::sync::mpsc::channel();
    stage.source.after_next_page(move || {
        // The ledger answers from threads of its own, so another runtime may wait for it.
        let read = move || {
            tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(
                async {
                    let runs = ledger.runs(RunQuery::default()).await.expect("runs");
                    let run = runs
                        .into_iter()
                        .find(|run| run.group.timezone().name() == ZONES[1])
                        .expect("opened");
                    let now = cohort_preferences::Clock::now(&clock);
                    let claim = Claim {
                        holder: "other".into(),
                        at: now,
                        lease_until: instant("2026-12-01T09:01:00Z"),
                    };
                    let members = [4, 5, 6]
                        .map(|number: u64| {
                            (number, format!("u{}", number - 1).parse().expect("a tenant"))
                        })
                        .into();
                    let page = MembersRead {
                        run: &run,
                        stated: run.stated.clone(),
                        members,
                        next_cursor: None,
                        chunk_size: 25,
                        claim,
                    };
                    ledger
                        .add_members(vec![page])
                        .await
                        .expect("added")
                        .remove(0)
                        .expect("nobody has read it")
                },
            )
        };
        let chunks = std::thread::spawn(read).join().expect("read");
        send.send(chunks).expect("the test waits");
    });
    agent.until("2026-12-01T09:00:30Z").await;

    assert_eq!(read_by_other.try_recv().expect("the other agent has read").len(), 1);
    assert_eq!(stage.outcomes().await.len(), 9, "the others are done");
    let handler = Arc::clone(&stage.handler);
    assert_eq!(handler.calls().len(), 9);
    agent.processor.run_until_idle().await.expect("idle");
    assert_eq!(handler.calls().len(), 9, "nobody takes what the other holds");
}
