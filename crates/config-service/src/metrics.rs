//! What this process counts of itself, for Prometheus.

use std::time::Duration;

use cohort_database::DiskUsage;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
    with_local_recorder,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

const REQUESTS: &str = "cohort_config_requests_total";
const SECONDS: &str = "cohort_config_request_seconds";
const FEED_LAG: &str = "cohort_config_feed_lag_seconds";
const DATABASE_BYTES: &str = "cohort_config_database_bytes";
const LOG_BYTES: &str = "cohort_config_log_bytes";
const DISK_FREE_BYTES: &str = "cohort_config_disk_free_bytes";
const DISK_BYTES: &str = "cohort_config_disk_bytes";

/// The limits of the buckets of [`SECONDS`].
const BUCKETS: [f64; 8] = [0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];

/// The metrics of one service; two services in one process count apart.
pub(crate) struct Metrics(PrometheusRecorder);

impl Metrics {
    /// Nothing counted yet.
    pub(crate) fn new() -> Self {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(SECONDS.into()), &BUCKETS);
        let recorder = builder.expect("there are buckets").build_recorder();
        with_local_recorder(&recorder, || {
            describe_counter!(REQUESTS, "Requests answered, by method, route and status");
            describe_histogram!(
                SECONDS,
                Unit::Seconds,
                "From the head of a request to the head of its answer, by route"
            );
            describe_gauge!(
                FEED_LAG,
                Unit::Seconds,
                "How long the oldest write that is not committed has been open: so late is the \
                 change feed"
            );
            describe_gauge!(DATABASE_BYTES, Unit::Bytes, "Size of the database");
            describe_gauge!(LOG_BYTES, Unit::Bytes, "Size of SQLite's write-ahead log");
            describe_gauge!(DISK_FREE_BYTES, Unit::Bytes, "What is free of the database's disk");
            describe_gauge!(DISK_BYTES, Unit::Bytes, "Size of the database's disk");
        });
        Self(recorder)
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let (method, route) = (method.to_owned(), route.to_owned());
        with_local_recorder(&self.0, || {
            counter!(REQUESTS, "method" => method, "route" => route.clone(),
                "status" => status.to_string())
            .increment(1);
            histogram!(SECONDS, "route" => route).record(took);
        });
    }

    /// Returns everything in the Prometheus text format, with how late the feed is now and how much
    /// room the database takes (F13).
    pub(crate) fn render(&self, feed_lag: Duration, usage: DiskUsage) -> String {
        with_local_recorder(&self.0, || {
            gauge!(FEED_LAG).set(feed_lag.as_secs_f64());
            gauge!(DATABASE_BYTES).set(usage.database_bytes as f64);
            if let Some(bytes) = usage.log_bytes {
                gauge!(LOG_BYTES).set(bytes as f64);
            }
            if let Some(disk) = usage.disk {
                gauge!(DISK_FREE_BYTES).set(disk.free_bytes as f64);
                gauge!(DISK_BYTES).set(disk.total_bytes as f64);
            }
        });
        let handle = self.0.handle();
        handle.run_upkeep();
        handle.render()
    }
}

#[cfg(test)]
mod tests {
    use cohort_database::DiskSpace;

    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_the_feed_says_how_late_it_is() {
        let (metrics, other) = (Metrics::new(), Metrics::new());
        for _ in 0..2 {
            metrics.answered("GET", "/tenants", 200, Duration::from_millis(2));
        }
        let disk = Some(DiskSpace { free_bytes: 30, total_bytes: 40 });
        let usage = DiskUsage { database_bytes: 20, log_bytes: Some(10), disk };
        let text = metrics.render(Duration::from_millis(1_500), usage);
        assert!(
            text.contains(
                "cohort_config_requests_total{method=\"GET\",route=\"/tenants\",status=\"200\"} 2"
            ),
            "{text}"
        );
        assert!(
            text.contains(
                "cohort_config_request_seconds_bucket{route=\"/tenants\",le=\"0.0025\"} 2"
            ),
            "{text}"
        );
        assert!(text.contains("cohort_config_feed_lag_seconds 1.5"), "{text}");
        for line in [
            "cohort_config_database_bytes 20",
            "cohort_config_log_bytes 10",
            "cohort_config_disk_free_bytes 30",
            "cohort_config_disk_bytes 40",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
        let on_postgres = DiskUsage { log_bytes: None, disk: None, ..usage };
        let text = other.render(Duration::ZERO, on_postgres);
        assert!(!text.contains("requests_total{"), "{text}");
        assert!(!text.contains("cohort_config_disk_free_bytes 0"), "{text}");
    }
}
