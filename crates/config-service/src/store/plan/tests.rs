//! Plans of edits and erasures, as the rows that they write.

use cohort_preferences::{FeatureType, TenantId, Zone};
use jiff::Timestamp;
use serde_json::json;

use super::{Head, Plan, Rows, Tenants};
use crate::error::Result;
use crate::store::edit::{Admitted, Edit, Profile, Stated, Tenant, Wanted};

fn feature() -> FeatureType {
    "posts".parse().expect("a feature type")
}

fn ann() -> TenantId {
    "ann".parse().expect("a tenant id")
}

fn stated(json: serde_json::Value) -> Admitted {
    Stated::read(&json, "").expect("a preference").admitted(0)
}

fn edit(decide: impl FnOnce(&Tenant) -> Result<Wanted> + Send + 'static) -> Edit {
    Edit { tenant: ann(), feature: None, actor: "test".into(), decide: Box::new(decide) }
}

fn wants(json: serde_json::Value) -> Edit {
    edit(move |_| Ok(Wanted::preference(feature(), Some(stated(json)))))
}

fn plan(work: impl FnOnce(&mut Plan<'_>)) -> Rows {
    let mut micros = 0;
    let mut take = || {
        micros += 1;
        Timestamp::from_microsecond(micros).expect("in range")
    };
    let mut plan = Plan::new(Head { change: 10, tenant: 5 }, &mut take);
    work(&mut plan);
    plan.finish().0
}

fn moves(rows: &Rows) -> Vec<(i64, String, i64)> {
    let mut moves: Vec<_> = rows
        .moves
        .iter()
        .map(|moved| (moved.at.as_microsecond(), moved.group.to_string(), moved.by))
        .collect();
    moves.sort();
    moves
}

#[test]
fn a_preference_that_changes_twice_has_two_stamps_and_a_chain() {
    let mut tenants = Tenants::new();
    let rows = plan(|plan| {
        for hour in ["09:00", "10:00"] {
            plan.edit(&mut tenants, wants(json!({"frequency": "daily", "preferred_time": hour})))
                .expect("edits");
        }
    });
    let chain: Vec<_> = rows
        .changes
        .iter()
        .map(|row| (row.id, row.previous, row.version, row.at.as_microsecond()))
        .collect();
    assert_eq!(chain, [(11, None, 1, 1), (12, Some(11), 2, 2)]);
    assert!(rows.has_repeats);
    let expected = [(1, "daily:09:00 -", 1), (2, "daily:09:00 -", -1), (2, "daily:10:00 -", 1)];
    assert_eq!(moves(&rows), expected.map(|(at, group, by)| (at, group.to_owned(), by)));
}

#[test]
fn another_timezone_moves_only_preferences_that_state_none() {
    let mut tenants = Tenants::new();
    let other: FeatureType = "mail".parse().expect("a feature type");
    let rows = plan(|plan| {
        plan.edit(&mut tenants, wants(json!({"frequency": "daily"}))).expect("edits");
        let stays = stated(json!({"frequency": "daily", "timezone": "UTC"}));
        plan.edit(&mut tenants, edit(move |_| Ok(Wanted::preference(other, Some(stays)))))
            .expect("edits");
        let profile = Profile {
            timezone: Some("Asia/Tokyo".parse::<Zone>().expect("a zone")),
            ..Profile::default()
        };
        let wanted = Wanted { profile: Some(profile), ..Wanted::default() };
        plan.edit(&mut tenants, edit(move |_| Ok(wanted))).expect("edits");
    });
    let moved: Vec<_> = rows.changes.iter().filter(|row| row.left.is_some()).collect();
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].joined.as_ref().expect("a group").to_string(), "daily:- Asia/Tokyo");
    assert_eq!((moved[0].version, moved[0].json.as_deref()), (2, Some(r#"{"frequency":"daily"}"#)));
}

#[test]
fn a_refused_edit_plans_nothing() {
    let mut tenants = Tenants::new();
    let rows = plan(|plan| {
        let refuses = edit(|_| Err(crate::ConfigServiceError::PreconditionFailed("no".into())));
        plan.edit(&mut tenants, refuses).expect_err("refused");
    });
    assert!(rows.tenants.is_empty() && rows.changes.is_empty() && tenants.is_empty());
}

#[test]
fn an_erasure_deletes_every_preference_and_the_profile() {
    let mut tenants = Tenants::new();
    let rows = plan(|plan| {
        plan.edit(&mut tenants, wants(json!({"frequency": "daily"}))).expect("edits");
        plan.erase(tenants.get_mut(&ann()).expect("there"), "admin");
    });
    let last = rows.changes.last().expect("changes");
    assert_eq!((last.feature.clone(), last.json.clone(), last.version), (Some(feature()), None, 2));
    assert!(tenants[&ann()].live().next().is_none());
}
