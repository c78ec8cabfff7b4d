//! Users of each value of a label are served in turn (D7).
//!
//! | planted bug | red |
//! | --- | --- |
//! | chunks are claimed in the order in which they were read | both |
//! | work begins before the members are read ahead | both |
//!
//! The turns themselves are the ledger's, and stand in its suite.

use serde_json::json;

use crate::handler::{Call, Script};
use crate::source::Faults;
use crate::stage::{Backend, Stage, daily};

#[tokio::test]
async fn a_few_users_of_one_value_do_not_wait_for_the_many_of_another() {
    few_do_not_wait_for_many(Backend::Sqlite).await;
}

#[tokio::test]
async fn a_few_users_of_one_value_do_not_wait_for_the_many_of_another_on_postgres() {
    few_do_not_wait_for_many(Backend::Postgres).await;
}

async fn few_do_not_wait_for_many(backend: Backend) {
    let stage =
        Stage::at("2026-12-01T03:00:00Z", &json!({"fair_share_by": "org"})).on(backend).await;
    for user in 0..500 {
        stage.source.set(&format!("u{user}"), daily("09:00"));
        if user < 490 {
            stage.source.label(&format!("u{user}"), if user < 465 { "big" } else { "small" });
        }
    }
    stage.source.faults(Faults { page_limit: Some(100), ..Faults::default() });
    stage.handler.script("u470", Script::Retry { times: 2, after_s: None });
    stage.run_until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(500, &["2026-12-01T09:00"]).await;
    let of_small_or_none = |call: &Call| {
        call.users[0].tenant_id.as_str()[1..].parse::<u32>().expect("a number") >= 465
    };
    // Chunks of one claim ask the databases side by side, so that their calls may overtake each
    // other by a few chunks; in the order of reading, the few would come behind all 465.
    let calls = stage.handler.calls();
    let last_of_the_few = calls.iter().take(500).rposition(of_small_or_none).expect("called");
    assert!(last_of_the_few < 250, "the last of the few was call {last_of_the_few}");
}
