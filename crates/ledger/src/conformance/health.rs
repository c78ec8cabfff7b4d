//! How purposes do, shared by all agents (D12).

use cohort_preferences::PurposeId;

use super::fixtures::{Handles, Promise, nine, seconds_past_nine};
use crate::health::{EndedCalls, HealthLedger, HealthState, Outage, ProbeLease, PurposeHealth};

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

/// Rows that no agent writes: instants beyond the end of time, no state, no JSON, no name.
pub(crate) const PLANTED: &str = "INSERT INTO purpose_health (
        purpose_id, state, since, until, recovering, calls_failed, probes_failed, recent, revision
    ) VALUES
        ('posting', 'slowed', 9223372036854775807, 9223372036854775807, FALSE, -1, -1, '[', 7),
        ('reading', 'unheard of', 0, NULL, FALSE, 0, 0, '[]', 0),
        ('', 'failing', 0, NULL, FALSE, 0, 0, '[]', 1),
        ('writing', 'paused', 0, NULL, FALSE, 0, 0, '[]', 1)";

/// What is promised of them (D4).
pub(crate) async fn is_read_and_stored_over(ledger: &dyn HealthLedger) {
    let read = ledger.purpose_health().await.expect("reads");
    let states: Vec<_> =
        read.iter().map(|health| (health.purpose.as_str(), health.state_at(nine()))).collect();
    assert_eq!(
        states,
        [
            ("posting", HealthState::Healthy),
            ("reading", HealthState::Healthy),
            ("writing", HealthState::Paused),
        ]
    );
    assert!(read[0].unreadable.is_some() && read[1].unreadable.is_some());
    for planted in &read[..2] {
        let mended = PurposeHealth { unreadable: None, ..planted.clone() };
        assert!(ledger.store_health(&mended).await.expect("stores"));
    }
    let read = ledger.purpose_health().await.expect("reads");
    assert!(read.iter().all(|health| health.unreadable.is_none()));
}
