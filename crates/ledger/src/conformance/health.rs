//! How purposes do, shared by all agents (D12).

use cohort_preferences::PurposeId;

use super::fixtures::{Handles, Promise, nine, seconds_past_nine};
use crate::health::{EndedCalls, HealthState, Outage, ProbeLease, PurposeHealth};

pub(super) const ALL: [Promise; 3] = [
    |ledger| Box::pin(what_one_agent_stores_the_other_reads(ledger)),
    |ledger| Box::pin(of_two_changes_at_once_one_is_stored(ledger)),
    |ledger| Box::pin(purposes_are_stored_apart(ledger)),
];

fn purpose(name: &str) -> PurposeId {
    name.parse().expect("a purpose")
}

fn failing(name: &str) -> PurposeHealth {
    PurposeHealth {
        state: HealthState::Failing,
        since: nine(),
        until: Some(seconds_past_nine(2)),
        cause: Some("12 of 20 calls failed".into()),
        last_error: Some("answered 503".into()),
        calls_failed: 12,
        first_failure: Some(nine()),
        last_success: Some(seconds_past_nine(-1)),
        last_outage: Some(Outage { from: seconds_past_nine(-60), until: seconds_past_nine(-30) }),
        probes_failed: 2,
        probe: Some(ProbeLease { holder: "a".into(), until: seconds_past_nine(30) }),
        recent: vec![EndedCalls { second: nine().as_second(), ended: 20, faulted: 12 }],
        set_by: Some("ops".into()),
        ..PurposeHealth::healthy(purpose(name))
    }
}

async fn what_one_agent_stores_the_other_reads(Handles { one, other }: Handles) {
    assert_eq!(one.purpose_health().await.expect("reads"), []);
    let health = failing("posting");
    assert!(one.store_health(&health).await.expect("stores"));
    let read = other.purpose_health().await.expect("reads");
    assert_eq!(read, [PurposeHealth { revision: 1, ..health }]);
}

async fn of_two_changes_at_once_one_is_stored(Handles { one, other }: Handles) {
    let health = failing("posting");
    assert!(one.store_health(&health).await.expect("stores"));
    assert!(!other.store_health(&health).await.expect("is too late"), "it is no longer new");
    let read = one.purpose_health().await.expect("reads").remove(0);
    let mine = PurposeHealth { probes_failed: 3, ..read.clone() };
    let theirs = PurposeHealth { probe: None, ..read };
    assert!(one.store_health(&mine).await.expect("stores"));
    assert!(!other.store_health(&theirs).await.expect("is too late"));
    let stored = other.purpose_health().await.expect("reads").remove(0);
    assert_eq!(stored, PurposeHealth { revision: 2, ..mine });
    let gone = PurposeHealth { revision: 7, ..failing("unknown") };
    assert!(!one.store_health(&gone).await.expect("reads"), "what was removed stays so");
}

async fn purposes_are_stored_apart(Handles { one, other }: Handles) {
    for name in ["writing", "posting"] {
        assert!(one.store_health(&failing(name)).await.expect("stores"));
    }
    let read = other.purpose_health().await.expect("reads");
    let names: Vec<_> = read.iter().map(|health| health.purpose.as_str()).collect();
    assert_eq!(names, ["posting", "writing"]);
}
