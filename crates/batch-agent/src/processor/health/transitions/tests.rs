use cohort_ledger::HealthState::{Disabled, Failing, Healthy, Paused, Slowed};
use proptest::prelude::*;

use super::*;
use crate::processor::health::report::EndedCall;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).expect("an instant")
}

fn purpose() -> PurposeHealth {
    PurposeHealth::healthy("posting".parse().expect("a purpose"))
}

/// Calls that ended at one instant.
fn calls(succeeded: usize, faulted: usize, now: Timestamp) -> Report {
    let call = |fault: Option<String>| EndedCall {
        began: now,
        fault,
        is_of_suspects: false,
        slow_until: None,
    };
    let mut report = Report::default();
    for _ in 0..succeeded {
        report.add(&call(None), false, now);
    }
    for _ in 0..faulted {
        report.add(&call(Some("answered 503".into())), false, now);
    }
    report
}

fn probed(end: ProbeEnd, now: Timestamp) -> Report {
    Report { probe: Some((end, now)), ..Report::default() }
}

fn failing_now() -> PurposeHealth {
    reported(&purpose(), &calls(0, 20, at(0)), at(0))
}

#[test]
fn half_of_twenty_calls_within_the_window_make_it_failing_and_fewer_do_not() {
    for (succeeded, faulted, state) in
        [(10, 10, Failing), (11, 10, Healthy), (0, 19, Healthy), (0, 20, Failing)]
    {
        let next = reported(&purpose(), &calls(succeeded, faulted, at(0)), at(0));
        assert_eq!(next.state, state, "{succeeded} and {faulted}");
    }
    let early = reported(&purpose(), &calls(0, 10, at(0)), at(0));
    assert_eq!(reported(&early, &calls(0, 10, at(30)), at(30)).state, Failing);
    assert_eq!(reported(&early, &calls(0, 10, at(31)), at(31)).state, Healthy);
}

#[test]
fn reports_of_two_agents_make_it_failing_together() {
    let one = reported(&purpose(), &calls(5, 8, at(0)), at(0));
    assert_eq!(one.state, Healthy);
    let both = reported(&one, &calls(1, 8, at(2)), at(2));
    assert_eq!((both.state, both.calls_failed), (Failing, 16));
    assert_eq!(both.cause.as_deref(), Some("16 of 22 calls within 30 s failed"));
}

#[test]
fn pauses_between_probes_double_up_to_the_longest() {
    let mut health = failing_now();
    let mut now = at(0);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let until = health.until.expect("a probe is to come");
        pauses.push(until.duration_since(now).as_secs());
        now = until;
        assert!(!is_probe_due(&health, now - SignedDuration::from_micros(1)));
        health = with_probe(&health, "a", now).expect("it is due");
        assert_eq!(with_probe(&health, "b", now), None, "one at a time");
        health = reported(&health, &probed(ProbeEnd::Fault, now), now);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 25, 25]);
}

#[test]
fn a_dead_prober_holds_nobody_up_for_long() {
    let probing = with_probe(&failing_now(), "a", at(1)).expect("it is due");
    assert_eq!(with_probe(&probing, "b", at(30)), None);
    assert!(with_probe(&probing, "b", at(31)).is_some());
}

#[test]
fn a_probe_that_succeeds_begins_the_ramp_and_the_outage_is_kept() {
    let recovering = reported(&failing_now(), &probed(ProbeEnd::Success, at(60)), at(60));
    assert_eq!((recovering.state, recovering.recovering), (Slowed, true));
    assert_eq!(recovering.last_outage, Some(Outage { from: at(0), until: at(60) }));
    assert_eq!(recovering.state_at(at(120)), Healthy, "at the latest");
    let ended = |ramp| Report { ramp: Some(ramp), ..Report::default() };
    let healthy = reported(&recovering, &ended(RampEnd::ReachedLimits), at(61));
    assert_eq!((healthy.state, healthy.calls_failed), (Healthy, 0));
    let broken = reported(&recovering, &ended(RampEnd::Broken), at(61));
    assert_eq!((broken.state, broken.until), (Failing, Some(at(62))));
}

#[test]
fn what_a_handler_asks_for_is_kept_to_until_the_latest_instant() {
    let asks = |second| Report {
        slow_until: Some((at(second), "answered 503".into())),
        ..Report::default()
    };
    let slowed = reported(&purpose(), &asks(60), at(0));
    assert_eq!((slowed.state, slowed.until), (Slowed, Some(at(60))));
    assert_eq!(reported(&slowed, &asks(30), at(1)).until, Some(at(60)));
    assert_eq!(reported(&slowed, &asks(90), at(1)).until, Some(at(90)));
    assert_eq!(reported(&slowed, &Report::default(), at(60)).state, Healthy);
    let failing = reported(&slowed, &calls(0, 20, at(2)), at(2));
    assert_eq!((failing.state, failing.until), (Failing, Some(at(60))));
}

#[test]
fn an_operators_state_ends_by_an_operator_only() {
    for state in [Paused, Disabled] {
        let set = set_by_operator(&failing_now(), state, "ops", at(5));
        assert_eq!((set.state, set.set_by.as_deref()), (state, Some("ops")));
        for report in [calls(0, 100, at(6)), probed(ProbeEnd::Success, at(6))] {
            assert_eq!(reported(&set, &report, at(6)).state, state);
        }
        assert_eq!(corrected(&set, at(7)), None);
        assert_eq!(set_by_operator(&set, Healthy, "ops", at(8)).state, Healthy);
    }
}

#[test]
fn an_operator_and_a_corrected_definition_lift_what_came_about_by_itself() {
    let failing = failing_now();
    for lifted in [
        set_by_operator(&failing, Healthy, "ops", at(9)),
        corrected(&failing, at(9)).expect("it is failing"),
    ] {
        assert_eq!((lifted.state, lifted.until, lifted.first_failure), (Healthy, None, None));
        assert_eq!(reported(&lifted, &Report::default(), at(9)).state, Healthy);
        assert_eq!(lifted.last_outage, Some(Outage { from: at(0), until: at(9) }));
    }
    assert_eq!(corrected(&purpose(), at(9)), None);
}

#[derive(Debug, Clone)]
enum Step {
    Calls(usize, usize),
    Probe(bool),
    Slow(i64),
    Ramp(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..30usize, 0..30usize).prop_map(|(succeeded, faulted)| Step::Calls(succeeded, faulted)),
        any::<bool>().prop_map(Step::Probe),
        (1..900i64).prop_map(Step::Slow),
        any::<bool>().prop_map(Step::Ramp),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_a_purpose_is_called_again_within_the_longest_pause(
        steps in prop::collection::vec((step(), 0..40i64), 1..60),
    ) {
        let (mut health, mut now, mut slowed_until) = (purpose(), at(0), at(0));
        for (step, pause) in steps {
            now = saturating_add(now, SignedDuration::from_secs(pause));
            let report = match step {
                Step::Calls(succeeded, faulted) => calls(succeeded, faulted, now),
                Step::Probe(ok) => {
                    let Some(probing) = with_probe(&health, "a", now) else { continue };
                    health = probing;
                    probed(if ok { ProbeEnd::Success } else { ProbeEnd::Fault }, now)
                }
                Step::Slow(seconds) => {
                    let until = saturating_add(now, SignedDuration::from_secs(seconds));
                    slowed_until = slowed_until.max(until);
                    Report { slow_until: Some((until, "asked".into())), ..Report::default() }
                }
                Step::Ramp(ok) => {
                    let end = if ok { RampEnd::ReachedLimits } else { RampEnd::Broken };
                    Report { ramp: Some(end), ..Report::default() }
                }
            };
            health = reported(&health, &report, now);
            let next = next_call_at(&health, now).expect("no operator holds it");
            let latest = saturating_add(now, LONGEST_PAUSE).max(slowed_until);
            prop_assert!(next <= latest, "{health:?} at {now}");
            prop_assert!(health.recent.len() <= 31);
        }
    }
}
