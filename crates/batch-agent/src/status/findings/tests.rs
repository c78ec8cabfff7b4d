use cohort_database::{DiskSpace, DiskUsage};
use cohort_preferences::JobId;

use super::*;
use crate::condition::{Checked, Fault};
use crate::status::AgentSeen;

fn now() -> Timestamp {
    "2026-12-07T11:04:00Z".parse().expect("an instant")
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn posts() -> JobFacts {
    JobFacts {
        job_id: "posts".parse::<JobId>().expect("a name"),
        purpose_id: Some("write".parse().expect("a name")),
        paused_since: None,
        is_served: Some(true),
        runs_open: 0,
        users_waiting: 0,
        due_since: None,
        users_per_minute: 0,
        ends_at: None,
        failed_lately: 0,
        missed_lately: 0,
        next_run: None,
    }
}

fn waiting(users: u64, late_by: i64) -> JobFacts {
    JobFacts { runs_open: 1, users_waiting: users, due_since: Some(ago(late_by)), ..posts() }
}

fn write(state: HealthState, users_waiting: u64) -> PurposeFacts {
    PurposeFacts {
        purpose_id: "write".parse().expect("a name"),
        state,
        since: Some(ago(120)),
        until: Some(now() + SignedDuration::from_mins(1)),
        cause: None,
        last_error: Some("503".into()),
        calls_failed: 20,
        users_waiting,
    }
}

fn seen(agent: &str, silent_for: i64) -> AgentSeen {
    AgentSeen {
        agent: agent.into(),
        version: "0.1.0".into(),
        time_zone_database: "2026a".into(),
        seen_at: ago(silent_for),
        is_silent: silent_for > 60,
    }
}

fn here() -> AgentHere {
    let completeness = Some(Checked { at: ago(20), unaccounted: 0 });
    AgentHere { faults: vec![], feed_lag_seconds: 0.1, calls_in_flight: 0, completeness }
}

fn well() -> Facts {
    Facts {
        at: now(),
        version: "0.1.0".into(),
        time_zone_database: "2026a".into(),
        jobs: vec![posts()],
        purposes: vec![],
        agents: vec![seen("embedded", 3)],
        agent: Some(here()),
        storage: Some(DiskUsage { database_bytes: 1 << 20, log_bytes: Some(0), disk: None }),
    }
}

fn with_job(job: JobFacts) -> Facts {
    Facts { jobs: vec![job], ..well() }
}

fn with_agent(agent: AgentHere) -> Facts {
    Facts { agent: Some(agent), ..well() }
}

fn told(facts: &Facts) -> Vec<(Severity, &'static str, String, Option<String>)> {
    let told =
        |finding: Finding| (finding.severity, finding.kind, finding.sentence, finding.command);
    of(facts).into_iter().map(told).collect()
}

#[track_caller]
fn assert_one(facts: &Facts, severity: Severity, kind: &str, sentence: &str, command: &str) {
    let told = told(facts);
    assert_eq!(told.len(), 1, "{told:?}");
    let expected = (severity, kind, sentence, Some(command));
    let (found, its_kind, its_sentence, its_command) = &told[0];
    assert_eq!((*found, *its_kind, its_sentence.as_str(), its_command.as_deref()), expected);
}

#[test]
fn where_all_is_well_nothing_is_found() {
    assert_eq!(told(&well()), []);
    assert_eq!(told(&with_job(waiting(500, 59))), [], "work of the last minute is not late");
    let healthy = Facts { purposes: vec![write(HealthState::Healthy, 3)], ..well() };
    assert_eq!(told(&healthy), []);
}

#[test]
fn late_work_says_how_many_wait_since_when_and_when_it_will_be_done() {
    let ends_at = Some(now() + SignedDuration::from_mins(27));
    let job = JobFacts { users_per_minute: 812, ends_at, ..waiting(5_312, 7_440) };
    assert_one(
        &with_job(job),
        Severity::Warning,
        "late",
        "Job posts is 2 h 4 min late: 5,312 users wait, the first since 09:00 UTC; at 812 a minute \
         the last is done about 11:31 UTC.",
        "cohort runs --job posts",
    );
}

#[test]
fn late_work_that_does_not_move_is_critical() {
    assert_one(
        &with_job(waiting(1, 300)),
        Severity::Critical,
        "late",
        "Job posts is 5 min late: 1 user waits, the first since 10:59 UTC; nothing has ended in \
         the last two minutes.",
        "cohort runs --job posts",
    );
    assert_one(
        &with_job(waiting(0, 300)),
        Severity::Critical,
        "late",
        "Job posts is 5 min late: its members are not read yet, the first since 10:59 UTC; nothing \
         has ended in the last two minutes.",
        "cohort runs --job posts",
    );
}

#[test]
fn work_that_a_purpose_holds_names_the_purpose() {
    let facts =
        Facts { purposes: vec![write(HealthState::Failing, 7)], ..with_job(waiting(7, 300)) };
    let told = told(&facts);
    assert_eq!(
        (told[0].0, told[0].2.as_str(), told[0].3.as_deref()),
        (
            Severity::Critical,
            "Purpose write fails since 11:02 UTC (503): 20 calls have failed, 7 users wait for it, \
             and the next probe goes at 11:05 UTC.",
            Some("cohort purpose show write")
        )
    );
    assert!(told[1].2.ends_with("; purpose write is failing."), "{told:?}");
    assert_eq!(told[1].3.as_deref(), Some("cohort purpose show write"));
}

#[test]
fn each_state_of_a_purpose_is_found_while_work_waits_for_it() {
    for (state, users, severity, kind) in [
        (HealthState::Failing, 0, Severity::Critical, "purpose_failing"),
        (HealthState::Paused, 0, Severity::Note, "purpose_paused"),
        (HealthState::Paused, 1, Severity::Warning, "purpose_paused"),
        (HealthState::Slowed, 0, Severity::Note, "purpose_slowed"),
        (HealthState::Slowed, 2, Severity::Warning, "purpose_slowed"),
        (HealthState::Disabled, 0, Severity::Warning, "purpose_disabled"),
    ] {
        let told = told(&Facts { purposes: vec![write(state, users)], ..well() });
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].0, told[0].1), (severity, kind));
    }
}

#[test]
fn a_paused_job_is_a_note_and_with_open_work_a_warning() {
    let paused = |job: JobFacts| with_job(JobFacts { paused_since: Some(ago(240)), ..job });
    assert_one(
        &paused(posts()),
        Severity::Note,
        "job_paused",
        "Job posts is paused since 11:00 UTC: what falls due is skipped.",
        "cohort resume posts",
    );
    assert_one(
        &paused(waiting(3, 10)),
        Severity::Warning,
        "job_paused",
        "Job posts is paused since 11:00 UTC: 1 of its runs are still open.",
        "cohort resume posts",
    );
}

#[test]
fn who_was_missed_or_failed_lately_is_found() {
    let facts = with_job(JobFacts { missed_lately: 2, failed_lately: 1, ..posts() });
    let told = told(&facts);
    assert_eq!(
        told.iter().map(|(severity, kind, ..)| (*severity, *kind)).collect::<Vec<_>>(),
        [(Severity::Warning, "missed"), (Severity::Warning, "failed")]
    );
    assert_eq!(told[1].3.as_deref(), Some("cohort outcomes --job posts --status failed"));
}

#[test]
fn an_agent_that_cannot_work_is_critical_with_its_cause() {
    let fault = Fault { part: Part::Ledger, cause: "the database's disk is full".into() };
    let facts = with_agent(AgentHere { faults: vec![fault], ..here() });
    assert_one(
        &Facts { jobs: vec![], ..facts },
        Severity::Critical,
        "not_ready",
        "The ledger: the database's disk is full.",
        "cohort doctor",
    );
    let checked = Some(Checked { at: ago(20), unaccounted: 2 });
    let unaccounted = told(&with_agent(AgentHere { completeness: checked, ..here() }));
    assert_eq!((unaccounted[0].0, unaccounted[0].1), (Severity::Critical, "unaccounted"));
    let late = told(&with_agent(AgentHere { feed_lag_seconds: 6.0, ..here() }));
    assert_eq!((late[0].0, late[0].1), (Severity::Warning, "feed_late"));
}

#[test]
fn a_disk_that_is_filling_is_found_before_it_is_full() {
    let with_free = |free_bytes| {
        let disk = Some(DiskSpace { free_bytes, total_bytes: 20 << 30 });
        Facts { storage: Some(DiskUsage { database_bytes: 1, log_bytes: None, disk }), ..well() }
    };
    assert_eq!(told(&with_free(15 << 30)), []);
    assert_one(
        &with_free(412 << 20),
        Severity::Warning,
        "disk_low",
        "Only 412.0 MiB of 20.0 GiB are free on the ledger's disk: make room before nothing can be \
         written any more.",
        "cohort doctor",
    );
}

#[test]
fn agents_that_are_gone_silent_or_of_another_release_are_found() {
    let none = Facts { agent: None, agents: vec![seen("embedded", 300)], ..well() };
    assert_one(
        &none,
        Severity::Critical,
        "no_agent",
        "No agent runs here: nothing is planned and nobody is called.",
        "cohort up",
    );
    let of = |agents| told(&Facts { agents, ..well() });
    let silent = of(vec![seen("a", 3), seen("b", 300)]);
    assert_eq!((silent[0].0, silent[0].1), (Severity::Warning, "agent_silent"));
    assert_eq!(of(vec![seen("a", 3), seen("b", 7_200)]), [], "that was long ago");
    let older = AgentSeen { time_zone_database: "2025b".into(), ..seen("b", 3) };
    assert_eq!(of(vec![seen("a", 3), older])[0].1, "time_zone_databases");
}

#[test]
fn a_job_that_is_not_served_and_a_ledger_without_jobs_are_found() {
    let unserved = told(&with_job(JobFacts { is_served: Some(false), ..posts() }));
    assert_eq!((unserved[0].0, unserved[0].1), (Severity::Critical, "job_not_served"));
    let none = told(&Facts { jobs: vec![], ..well() });
    assert_eq!((none[0].0, none[0].1), (Severity::Note, "no_job"));
}

#[test]
fn the_worst_comes_first_and_stands_in_the_sentence() {
    use crate::status::StatusReport;
    let job = JobFacts { missed_lately: 2, ..waiting(1, 300) };
    let report = StatusReport::of(with_job(job));
    assert!(!report.well);
    assert_eq!(report.sentence, "Not well: job posts is 5 min late; 2 users of posts were missed.");
    let paused = StatusReport::of(with_job(JobFacts { paused_since: Some(ago(9)), ..posts() }));
    assert!(paused.well && paused.sentence == "All is well.", "{}", paused.sentence);
}
