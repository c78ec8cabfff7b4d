//! What this agent counts of itself, for Prometheus.
//!
//! Counters and histograms are updated where something happens; gauges are read when somebody
//! looks. No label names a user: there are as many series as jobs and purposes.

use std::time::Duration;

use cohort_database::DiskUsage;
use cohort_preferences::{JobId, PurposeId};
use jiff::{SignedDuration, Timestamp};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
    with_local_recorder,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

use crate::handler::CallEnd;
use cohort_ledger::{ChunkResult, HealthState, OpenWork, Status, UnprocessedReason};

const OUTCOMES: &str = "cohort_outcomes_total";
const RETRIES: &str = "cohort_retries_total";
const RUNS: &str = "cohort_runs_planned_total";
const CLAIMS: &str = "cohort_chunk_claims_total";
const LOST_CLAIMS: &str = "cohort_lost_claims_total";
const RESCUED: &str = "cohort_rescued_chunks_total";
const CALLS: &str = "cohort_handler_calls_total";
const CALL_SECONDS: &str = "cohort_handler_call_seconds";
const FIRE_LAG: &str = "cohort_fire_lag_seconds";
const CALLS_IN_FLIGHT: &str = "cohort_calls_in_flight";
const RUNS_OPEN: &str = "cohort_runs_open";
const CHUNKS_OPEN: &str = "cohort_chunks_open";
const OLDEST_READY: &str = "cohort_oldest_ready_chunk_seconds";
const FEED_LAG: &str = "cohort_feed_lag_seconds";
const GROUPS: &str = "cohort_groups";
const DATABASE_BYTES: &str = "cohort_ledger_database_bytes";
const LOG_BYTES: &str = "cohort_ledger_log_bytes";
const DISK_FREE_BYTES: &str = "cohort_ledger_disk_free_bytes";
const DISK_BYTES: &str = "cohort_ledger_disk_bytes";
const PURPOSE_STATE: &str = "cohort_purpose_state";
const PURPOSE_STATE_SECONDS: &str = "cohort_purpose_state_seconds";
const PURPOSE_WAITING: &str = "cohort_purpose_waiting_seconds";
const UNACCOUNTED: &str = "cohort_occurrences_unaccounted";

/// The limits of the buckets of [`CALL_SECONDS`].
const CALL_BUCKETS: [f64; 10] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The limits of the buckets of [`FIRE_LAG`].
const LAG_BUCKETS: [f64; 8] = [0.01, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0, 3_600.0];

/// Counts of one agent; two in one process count apart.
pub(crate) struct Metrics(PrometheusRecorder);

/// The state of the agent at the moment somebody looks.
pub(crate) struct Gauges {
    pub(crate) now: Timestamp,
    pub(crate) open: OpenWork,
    pub(crate) calls_in_flight: usize,
    pub(crate) feed_lag: SignedDuration,
    /// How much room the ledger takes (F13).
    pub(crate) usage: DiskUsage,
    /// How many groups each job has.
    pub(crate) groups: Vec<(JobId, usize)>,
    pub(crate) purposes: Vec<PurposeGauge>,
}

/// How a purpose does at the moment somebody looks.
pub(crate) struct PurposeGauge {
    pub(crate) purpose: PurposeId,
    pub(crate) state: HealthState,
    /// Since when; `None` if it has always been healthy.
    pub(crate) since: Option<Timestamp>,
    /// Since when its longest waiting work could have been begun; `None` if none waits.
    pub(crate) waiting_since: Option<Timestamp>,
}

/// What is counted of a chunk result.
pub(crate) struct Recorded {
    ended: Vec<Status>,
    retried: usize,
}

impl Recorded {
    pub(crate) fn of(result: &ChunkResult) -> Self {
        Self {
            ended: result.outcomes.iter().map(|outcome| outcome.status).collect(),
            retried: result.retried.len(),
        }
    }
}

impl Metrics {
    /// Metrics in which nothing is counted yet.
    pub(crate) fn new() -> Self {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(CALL_SECONDS.into()), &CALL_BUCKETS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Full(FIRE_LAG.into()), &LAG_BUCKETS)
            });
        let recorder = builder.expect("there are buckets").build_recorder();
        with_local_recorder(&recorder, describe);
        Self(recorder)
    }

    /// Counts runs that were planned `now`: when each was due, and why it is not to be processed.
    pub(crate) fn planned(
        &self,
        job: &JobId,
        runs: &[(Timestamp, Option<UnprocessedReason>)],
        now: Timestamp,
    ) {
        with_local_recorder(&self.0, || {
            for (at, unprocessed) in runs {
                let how = unprocessed.map_or("fired", UnprocessedReason::as_str);
                counter!(RUNS, "job" => job.to_string(), "how" => how).increment(1);
                if unprocessed.is_none() {
                    histogram!(FIRE_LAG).record(now.duration_since(*at).as_secs_f64().max(0.0));
                }
            }
        });
    }

    /// Counts chunks that were claimed, ready ones or new ones.
    pub(crate) fn claimed(&self, chunks: usize) {
        with_local_recorder(&self.0, || counter!(CLAIMS).increment(chunks as u64));
    }

    /// Counts a claim that had passed on before its work could be recorded.
    pub(crate) fn lost_claim(&self) {
        with_local_recorder(&self.0, || counter!(LOST_CLAIMS).increment(1));
    }

    /// Counts chunks that were taken over because their holder had gone.
    pub(crate) fn rescued(&self, chunks: usize) {
        with_local_recorder(&self.0, || counter!(RESCUED).increment(chunks as u64));
    }

    /// Counts a call of a handler, whether it has answered or not.
    pub(crate) fn called(&self, purpose: &PurposeId, took: Duration) {
        with_local_recorder(&self.0, || {
            histogram!(CALL_SECONDS, "purpose" => purpose.to_string()).record(took);
        });
    }

    /// Counts how a call of a handler ended.
    pub(crate) fn call_ended(&self, purpose: &PurposeId, end: CallEnd) {
        with_local_recorder(&self.0, || {
            counter!(CALLS, "purpose" => purpose.to_string(), "end" => end.as_str()).increment(1);
        });
    }

    /// Counts a chunk result that was recorded.
    pub(crate) fn recorded(&self, job: &JobId, recorded: &Recorded) {
        with_local_recorder(&self.0, || {
            for status in &recorded.ended {
                let (name, reason) =
                    (status.name().to_string(), status.reason().unwrap_or_default());
                counter!(OUTCOMES, "job" => job.to_string(), "status" => name, "reason" => reason)
                    .increment(1);
            }
            counter!(RETRIES, "job" => job.to_string()).increment(recorded.retried as u64);
        });
    }

    /// Sets how many occurrences are unaccounted for (A1).
    pub(crate) fn unaccounted(&self, occurrences: u64) {
        with_local_recorder(&self.0, || gauge!(UNACCOUNTED).set(occurrences as f64));
    }

    /// Everything in the Prometheus text format.
    pub(crate) fn render(&self, gauges: &Gauges) -> String {
        with_local_recorder(&self.0, || gauges.set());
        let handle = self.0.handle();
        handle.run_upkeep();
        handle.render()
    }
}

impl Gauges {
    fn set(&self) {
        let OpenWork {
            runs_reading,
            runs_processing,
            chunks_ready,
            chunks_claimed,
            oldest_ready_at,
        } = self.open;
        for (name, state, count) in [
            (RUNS_OPEN, "reading", runs_reading),
            (RUNS_OPEN, "processing", runs_processing),
            (CHUNKS_OPEN, "ready", chunks_ready),
            (CHUNKS_OPEN, "claimed", chunks_claimed),
        ] {
            gauge!(name, "state" => state).set(count as f64);
        }
        let oldest =
            oldest_ready_at.map_or(SignedDuration::ZERO, |since| self.now.duration_since(since));
        gauge!(OLDEST_READY).set(oldest.as_secs_f64());
        gauge!(CALLS_IN_FLIGHT).set(self.calls_in_flight as f64);
        gauge!(FEED_LAG).set(self.feed_lag.as_secs_f64());
        self.set_usage();
        for purpose in &self.purposes {
            purpose.set(self.now);
        }
        for (job, groups) in &self.groups {
            gauge!(GROUPS, "job" => job.to_string()).set(*groups as f64);
        }
    }

    fn set_usage(&self) {
        gauge!(DATABASE_BYTES).set(self.usage.database_bytes as f64);
        if let Some(bytes) = self.usage.log_bytes {
            gauge!(LOG_BYTES).set(bytes as f64);
        }
        if let Some(disk) = self.usage.disk {
            gauge!(DISK_FREE_BYTES).set(disk.free_bytes as f64);
            gauge!(DISK_BYTES).set(disk.total_bytes as f64);
        }
    }
}

impl PurposeGauge {
    fn set(&self, now: Timestamp) {
        for state in HealthState::ALL {
            let (purpose, is_in) = (self.purpose.to_string(), state == self.state);
            gauge!(PURPOSE_STATE, "purpose" => purpose, "state" => state.as_str())
                .set(f64::from(u8::from(is_in)));
        }
        let seconds = |since: Option<Timestamp>| {
            since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0))
        };
        gauge!(PURPOSE_STATE_SECONDS, "purpose" => self.purpose.to_string())
            .set(seconds(self.since));
        gauge!(PURPOSE_WAITING, "purpose" => self.purpose.to_string())
            .set(seconds(self.waiting_since));
    }
}

fn describe() {
    describe_gauge!(DATABASE_BYTES, Unit::Bytes, "Size of the ledger");
    describe_gauge!(LOG_BYTES, Unit::Bytes, "Size of the write-ahead log of a ledger on SQLite");
    describe_gauge!(DISK_FREE_BYTES, Unit::Bytes, "What is free of the ledger's disk");
    describe_gauge!(DISK_BYTES, Unit::Bytes, "Size of the ledger's disk");
    describe_gauge!(
        PURPOSE_STATE,
        "1 for the state that a purpose is in: healthy, slowed, failing, paused or disabled"
    );
    describe_gauge!(
        PURPOSE_STATE_SECONDS,
        Unit::Seconds,
        "How long a purpose has been in its state; 0 if it was never in another"
    );
    describe_gauge!(
        PURPOSE_WAITING,
        Unit::Seconds,
        "How long the work of a purpose has waited that waits longest, also while the purpose \
         holds it"
    );
    describe_counter!(
        OUTCOMES,
        "Users whose work has ended, by job, status and reason; each end of one who is requeued \
         counts"
    );
    describe_counter!(RETRIES, "Attempts that failed and are followed by another, by job");
    describe_counter!(
        RUNS,
        "Occurrences that this agent has planned, by job and how: fired, or why not; another may \
         have been faster"
    );
    describe_counter!(CLAIMS, "Chunks that this agent has claimed");
    describe_counter!(LOST_CLAIMS, "Claims that had passed on before the work could be recorded");
    describe_counter!(RESCUED, "Chunks that were made ready because their holder had gone");
    describe_counter!(
        CALLS,
        "Calls of a handler that ended, by purpose and end: success, fault, own_fault, rejected, \
         bad_answer"
    );
    describe_histogram!(
        CALL_SECONDS,
        Unit::Seconds,
        "How long calls of a handler took, by purpose"
    );
    describe_histogram!(
        FIRE_LAG,
        Unit::Seconds,
        "From the instant of an occurrence to its planning"
    );
    describe_gauge!(CALLS_IN_FLIGHT, "Users called and not yet answered");
    describe_gauge!(RUNS_OPEN, "Runs that are not closed, by state");
    describe_gauge!(CHUNKS_OPEN, "Chunks with open users, by state");
    describe_gauge!(
        OLDEST_READY,
        Unit::Seconds,
        "How long the chunk has been ready that waits longest"
    );
    describe_gauge!(
        FEED_LAG,
        Unit::Seconds,
        "How late the latest change was heard of, or for how long none can be"
    );
    describe_gauge!(GROUPS, "Preference groups with a schedule, by job");
    describe_gauge!(
        UNACCOUNTED,
        "Occurrences of the last 48 hours that are nowhere on record, or open for too long (A1): \
         0, or something is wrong"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told_with_what_is_true_now_and_without_a_word_of_users() {
        let (metrics, other) = (Metrics::new(), Metrics::new());
        metrics.called(&"write".parse().expect("a purpose"), Duration::from_millis(200));
        metrics.claimed(3);
        metrics.unaccounted(0);
        let now: Timestamp = "2026-12-01T09:00:10Z".parse().expect("an instant");
        let open = OpenWork {
            chunks_ready: 2,
            oldest_ready_at: Some(now - SignedDuration::from_secs(10)),
            ..OpenWork::default()
        };
        let groups = vec![("j".parse().expect("a job"), 7)];
        let gauges = Gauges {
            now,
            open,
            calls_in_flight: 4,
            feed_lag: SignedDuration::from_millis(1_500),
            usage: DiskUsage { database_bytes: 20, log_bytes: Some(10), disk: None },
            groups,
            purposes: vec![PurposeGauge {
                purpose: "write".parse().expect("a purpose"),
                state: HealthState::Failing,
                since: Some(now - SignedDuration::from_secs(5)),
                waiting_since: Some(now - SignedDuration::from_secs(9)),
            }],
        };
        let text = metrics.render(&gauges);
        for line in [
            "cohort_handler_call_seconds_bucket{purpose=\"write\",le=\"0.25\"} 1",
            "cohort_chunk_claims_total 3",
            "cohort_occurrences_unaccounted 0",
            "cohort_chunks_open{state=\"ready\"} 2",
            "cohort_oldest_ready_chunk_seconds 10",
            "cohort_calls_in_flight 4",
            "cohort_feed_lag_seconds 1.5",
            "cohort_ledger_database_bytes 20",
            "cohort_ledger_log_bytes 10",
            "cohort_groups{job=\"j\"} 7",
            "cohort_purpose_state{purpose=\"write\",state=\"failing\"} 1",
            "cohort_purpose_state{purpose=\"write\",state=\"healthy\"} 0",
            "cohort_purpose_state_seconds{purpose=\"write\"} 5",
            "cohort_purpose_waiting_seconds{purpose=\"write\"} 9",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
        assert!(!other.render(&gauges).contains("cohort_chunk_claims_total 3"));
    }
}
