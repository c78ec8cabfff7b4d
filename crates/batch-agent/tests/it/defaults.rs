//! Defaults that change (T12), tenants who are enrolled (T13), and jobs that follow no preferences.

use serde_json::json;

use crate::handler::Script;
use crate::source::Faults;
use crate::stage::{Stage, daily, instant};

fn overrides_of(stage: &Stage, tenant: &str) -> Vec<serde_json::Value> {
    let calls = stage.handler.calls_of(tenant);
    calls.into_iter().map(|(_, user)| user.template_overrides.into()).collect()
}

fn without_time() -> serde_json::Value {
    json!({"frequency": "daily", "timezone": "UTC"})
}

#[tokio::test]
async fn the_features_defaults_come_before_those_of_the_job() {
    let stage = Stage::at(
        "2026-12-01T03:00:00Z",
        &json!({"default_preferences": {"preferred_time": "11:00",
            "template_overrides": {"tone": "plain", "length": "short"}}}),
    );
    stage.source.register_defaults(
        &json!({"preferred_time": "10:00", "template_overrides": {"tone": "dry"}}),
    );
    stage.source.set("ann", without_time());
    stage.run_until("2026-12-01T12:00:00Z").await;
    assert_eq!(stage.told_of("ann").await, ["2026-12-01T10:00 succeeded"]);
    assert_eq!(overrides_of(&stage, "ann"), [json!({"tone": "dry", "length": "short"})]);
}

#[tokio::test]
async fn changed_defaults_hold_from_the_instant_of_their_change() {
    let stage = Stage::at("2026-11-27T12:00:00Z", &json!({}));
    stage.source.register_defaults(&json!({"preferred_time": "08:00"}));
    stage.source.set("ann", without_time());
    stage.source.set("bob", daily("08:00"));
    let agent = stage.agent().await;
    agent.until("2026-12-01T08:30:00Z").await;
    stage.source.register_defaults(&json!({"preferred_time": "10:00"}));
    agent.until("2026-12-02T12:00:00Z").await;
    // Having run at eight, ann, who has been there for days, is not run again at ten of the same
    // day (M6).
    let since_the_change = async |tenant: &str| stage.told_of(tenant).await.split_off(3);
    assert_eq!(
        since_the_change("ann").await,
        [
            "2026-12-01T08:00 succeeded",
            "2026-12-01T10:00 skipped(already_ran)",
            "2026-12-02T10:00 succeeded"
        ]
    );
    assert_eq!(
        since_the_change("bob").await,
        ["2026-12-01T08:00 succeeded", "2026-12-02T08:00 succeeded"]
    );
}

#[tokio::test]
async fn what_fell_due_before_a_change_of_defaults_is_planned_by_those_of_before() {
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({"misfire": "all"}));
    stage.source.register_defaults(&json!({"preferred_time": "08:00"}));
    stage.source.set("ann", without_time());
    stage.run_until("2026-12-01T07:00:00Z").await;
    // While the agent is down, eight o'clock passes, and then the default becomes half past eight.
    stage.clock.advance_to(instant("2026-12-01T08:10:00Z"));
    stage.source.register_defaults(&json!({"preferred_time": "09:30"}));
    stage.clock.advance_to(instant("2026-12-01T09:00:00Z"));
    stage.run_until("2026-12-02T12:00:00Z").await;
    assert_eq!(
        stage.told_of("ann").await,
        [
            "2026-12-01T08:00 succeeded",
            "2026-12-01T09:30 skipped(already_ran)",
            "2026-12-02T09:30 succeeded"
        ]
    );
}

#[tokio::test]
async fn everyone_who_stated_nothing_is_served_in_their_own_zone_by_a_job_that_enrols_them() {
    let stage = Stage::at(
        "2026-11-30T20:00:00Z",
        &json!({"enroll": "everyone",
            "default_preferences": {"frequency": "daily", "preferred_time": "09:00"}}),
    );
    stage.source.introduce("tokyo", Some("Asia/Tokyo"));
    stage.source.introduce("nowhere", None);
    stage.source.set("refuses", json!({"enabled": false}));
    stage.source.set("deleted", daily("09:00"));
    stage.source.delete("deleted");
    stage.source.set("states", daily("09:00"));
    let agent = stage.agent().await;
    agent.until("2026-12-01T08:00:00Z").await;
    stage.source.set("nowhere", json!({"enabled": false}));
    stage.source.introduce("new", None);
    agent.until("2026-12-01T12:00:00Z").await;
    assert_eq!(stage.told_of("tokyo").await, ["2026-12-01T09:00 succeeded"]);
    assert_eq!(
        stage.told_of("nowhere").await,
        Vec::<String>::new(),
        "who has refused since is no member"
    );
    assert_eq!(stage.told_of("new").await, ["2026-12-01T09:00 succeeded"]);
    assert_eq!(stage.told_of("states").await, ["2026-12-01T09:00 succeeded"]);
    assert_eq!(stage.told_of("refuses").await.len() + stage.told_of("deleted").await.len(), 0);
    assert!(
        stage
            .outcomes()
            .await
            .iter()
            .filter(|outcome| outcome.tenant_id.as_str() != "states")
            .all(|outcome| outcome.preference_version.is_none())
    );
}

#[tokio::test]
async fn a_static_job_serves_all_tenants_of_its_filters_at_its_own_time() {
    let schedule = json!({
        "preference_based": false,
        "schedule": {"frequency": "weekly", "day": "friday", "time": "17:00",
            "timezone": "Europe/Berlin"},
        "filters": {"tenant_ids": ["u0", "u3", "u59", "nobody"]},
        "default_preferences": {"template_overrides": {"tone": "plain"}},
    });
    let stage = Stage::at("2026-12-01T00:00:00Z", &schedule);
    for user in 0..60 {
        stage.source.introduce(&format!("u{user}"), None);
    }
    stage.source.set("u3", json!({"enabled": false}));
    stage.run_until("2026-12-12T00:00:00Z").await;
    assert_eq!(
        stage.told_runs().await,
        [
            "2026-12-04T17:00 closed succeeded=3 missed=0 -",
            "2026-12-11T17:00 closed succeeded=3 missed=0 -"
        ]
    );
    assert_eq!(overrides_of(&stage, "u0"), [json!({"tone": "plain"}), json!({"tone": "plain"})]);
}

#[tokio::test]
async fn a_static_job_over_all_tenants_goes_through_every_page_and_survives_its_death() {
    let stage = Stage::at(
        "2026-12-01T00:00:00Z",
        &json!({"preference_based": false, "schedule": {"frequency": "daily"}}),
    );
    for user in 0..2_345 {
        stage.source.introduce(&format!("u{user}"), None);
    }
    stage.handler.script("u1100", Script::Hang);
    stage.run_until_killed().await;
    stage.handler.forget_scripts();
    stage.run_until("2026-12-01T12:00:00Z").await;
    stage.assert_each_succeeded_once(2_345, &["2026-12-01T09:00"]).await;
}

#[tokio::test]
async fn a_list_of_tenants_that_is_suddenly_empty_is_not_believed() {
    let stage = Stage::at(
        "2026-12-01T00:00:00Z",
        &json!({"preference_based": false, "schedule": {"frequency": "daily"}}),
    );
    stage.source.introduce("u0", None);
    stage.source.faults(Faults { lists_nothing: true, ..Faults::default() });
    let agent = stage.agent().await;
    agent.until("2026-12-01T10:00:00Z").await;
    assert_eq!(stage.outcomes().await.len(), 0);
    stage.now_well();
    agent.until("2026-12-01T11:00:00Z").await;
    stage.assert_each_succeeded_once(1, &["2026-12-01T09:00"]).await;
}

#[tokio::test]
async fn a_run_whose_defaults_changed_in_an_outage_is_read_after_it_though_its_window_ended() {
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({"catchup_window": "45m"}));
    stage.source.register_defaults(&json!({"preferred_time": "09:00"}));
    stage.source.set("ann", without_time());
    let agent = stage.agent().await;
    agent.until("2026-12-01T08:59:00Z").await;
    stage.now_away();
    agent.until("2026-12-01T09:30:30Z").await;
    stage.source.register_defaults(&json!({"preferred_time": "10:00"}));
    // Nobody asks between the end of the window and the return of the service.
    stage.clock.set_to(instant("2026-12-01T09:50:00Z"));
    stage.now_well();
    agent.until("2026-12-01T10:30:00Z").await;
    assert_eq!(
        stage.told_of("ann").await,
        ["2026-12-01T09:00 succeeded", "2026-12-01T10:00 skipped(already_ran)"]
    );
}
