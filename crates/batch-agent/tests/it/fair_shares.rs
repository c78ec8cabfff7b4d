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
    let first_calls =
        stage.handler.calls().into_iter().take(25 + 25 + 10).filter(of_small_or_none).count();
    assert_eq!(first_calls, 35, "a chunk of each value goes first");
}
