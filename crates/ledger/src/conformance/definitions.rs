//! Jobs, purposes, agents and the time zone database (T11).

use std::sync::Arc;

use serde_json::json;

use super::fixtures::{Handles, Promise, job, new_run, nine, open, plan, seconds_past_nine};
use crate::{
    AgentSign, Alteration, Definition, DefinitionEdit, DefinitionKind, LedgerError, Plan,
    StartedWith, TzdbRelease, TzdbStanding,
};

pub(super) const ALL: [Promise; 4] = [
    |ledger| Box::pin(of_edits_decided_on_one_revision_one_is_stored(ledger)),
    |ledger| Box::pin(a_pause_is_stored_once_and_raises_the_revision(ledger)),
    |ledger| Box::pin(a_newer_release_waits_for_older_agents_and_is_then_in_force(ledger)),
    |ledger| Box::pin(an_agent_is_listed_until_it_leaves(ledger)),
];

fn version(number: u32, document: Option<serde_json::Value>) -> Definition {
    let (applied_at, applied_by) = (seconds_past_nine(i64::from(number)), "test".into());
    Definition {
        kind: DefinitionKind::Job,
        name: job().to_string(),
        version: number,
        document,
        applied_at,
        applied_by,
    }
}

fn edit(based_on: u64, alteration: Alteration, definition: Definition) -> DefinitionEdit {
    DefinitionEdit { based_on, versions: vec![(alteration, definition)], start: None }
}

async fn of_edits_decided_on_one_revision_one_is_stored(Handles { one, other }: Handles) {
    assert_eq!(one.definitions().await.expect("reads").latest, []);
    let editors = (0..6).map(|editor| {
        let ledger = Arc::clone(if editor % 2 == 0 { &one } else { &other });
        tokio::spawn(async move {
            ledger
                .store_definitions(edit(
                    0,
                    Alteration::Created,
                    version(1, Some(json!({"by": editor}))),
                ))
                .await
        })
    });
    let mut stored = 0;
    for editor in editors.collect::<Vec<_>>() {
        match editor.await.expect("no panic") {
            Ok(()) => stored += 1,
            Err(LedgerError::RevisionMoved) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((stored, other.definition_revision().await.expect("reads")), (1, 1));
    let start = Some(StartedWith { agent: "a".into(), documents: json!([1]) });
    let removed = DefinitionEdit { start, ..edit(1, Alteration::Removed, version(2, None)) };
    one.store_definitions(removed).await.expect("stored");
    let versions =
        other.definition_versions(DefinitionKind::Job, job().as_str()).await.expect("lists");
    assert_eq!(
        versions
            .iter()
            .map(|version| (version.version, version.document.is_some()))
            .collect::<Vec<_>>(),
        [(1, true), (2, false)]
    );
    assert_eq!(other.definitions().await.expect("reads").latest, [versions[1].clone()]);
    assert_eq!(other.started_with("a").await.expect("reads"), Some(json!([1])));
    assert_eq!(other.started_with("b").await.expect("reads"), None);
    let watermark = one.ensure_job(&job(), seconds_past_nine(60)).await.expect("a job");
    assert_eq!(
        watermark.planned_until,
        seconds_past_nine(1),
        "a job that is created starts with its version"
    );
}

async fn a_pause_is_stored_once_and_raises_the_revision(Handles { one, other }: Handles) {
    one.ensure_job(&job(), nine()).await.expect("a job");
    let job = job();
    let pauses = tokio::join!(
        one.pause_job(&job, seconds_past_nine(1)),
        other.pause_job(&job, seconds_past_nine(1))
    );
    let paused = [pauses.0.expect("replies"), pauses.1.expect("replies")];
    assert_eq!(paused.iter().filter(|paused| **paused).count(), 1);
    let standing = one.job_standing(&job).await.expect("reads").expect("it is there");
    assert!(
        standing.pause.is_some_and(|pause| pause.lasts() && pause.from == seconds_past_nine(1))
    );
    assert!(other.resume_job(&job, seconds_past_nine(2)).await.expect("replies"));
    assert!(!one.resume_job(&job, seconds_past_nine(3)).await.expect("replies"));
    let stored = one.definitions().await.expect("reads");
    assert_eq!((stored.revision, stored.pauses[&job].until), (2, Some(seconds_past_nine(2))));
}

fn sign(agent: &str, tzdb: &str, seconds: i64) -> AgentSign {
    AgentSign {
        agent: agent.into(),
        tzdb: TzdbRelease::from(tzdb),
        version: "0.1.0".into(),
        renewed_at: seconds_past_nine(seconds),
    }
}

async fn a_newer_release_waits_for_older_agents_and_is_then_in_force(
    Handles { one, other }: Handles,
) {
    open(&*one, new_run("09:00")).await.expect("opened");
    let (a, b) = tokio::join!(
        one.renew_agent(sign("a", "2026a", 0)),
        other.renew_agent(sign("b", "2026a", 0))
    );
    assert_eq!(
        (a.expect("renewed"), b.expect("renewed")),
        (TzdbStanding::InForce, TzdbStanding::InForce)
    );
    let in_force = TzdbRelease::from("2026a");
    assert_eq!(
        other.renew_agent(sign("new", "2026b", 30)).await.expect("renewed"),
        TzdbStanding::Waiting { in_force }
    );
    assert_eq!(
        other.renew_agent(sign("new", "2026b", 61)).await.expect("renewed"),
        TzdbStanding::InForce,
        "the older ones are gone"
    );
    assert!(matches!(
        one.renew_agent(sign("a", "2026a", 62)).await.expect("renewed"),
        TzdbStanding::Outdated { .. }
    ));
    let by =
        |tzdb: &str| Plan { tzdb: Some(TzdbRelease::from(tzdb)), ..plan(vec![new_run("10:00")]) };
    let refused = one.open_runs(&job(), by("2026a"), nine()).await;
    assert!(matches!(refused, Err(LedgerError::OtherTzdb { .. })), "{refused:?}");
    assert_eq!(one.open_runs(&job(), by("2026b"), nine()).await.expect("opens").len(), 1);
    let watermark = one.ensure_job(&job(), nine()).await.expect("a job");
    assert_eq!(
        watermark.replan_from,
        Some(nine()),
        "nothing from before the job began is planned anew"
    );
}

async fn an_agent_is_listed_until_it_leaves(Handles { one, other }: Handles) {
    for (agent, seconds) in [("b", 0), ("a", 1), ("b", 2)] {
        one.renew_agent(sign(agent, "2026a", seconds)).await.expect("renewed");
    }
    assert_eq!(
        other.agents().await.expect("lists"),
        [sign("a", "2026a", 1), sign("b", "2026a", 2)]
    );
    other.forget_agent("a").await.expect("forgotten");
    assert_eq!(one.agents().await.expect("lists"), [sign("b", "2026a", 2)]);
    one.renew_agent(sign("c", "2026a", 8 * 24 * 60 * 60)).await.expect("renewed");
    assert_eq!(
        one.agents().await.expect("lists").len(),
        1,
        "who was silent for a week is not listed"
    );
}
