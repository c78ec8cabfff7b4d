//! `cohort bench` on a few users: that it runs and what it prints, not how fast.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::program::cohort;

fn figures(arguments: &[&str], backend: &str) -> BTreeMap<String, Value> {
    let ended = cohort(arguments, "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let figures = ended.stdout.lines().map(|line| {
        let figure: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(figure["runs"].as_array().expect("runs").len(), 2, "{figure}");
        assert!(figure["value"].as_f64().is_some_and(|value| value > 0.0), "{figure}");
        assert_eq!((&figure["n"], &figure["backend"]), (&1_500.into(), &backend.into()));
        (figure["metric"].as_str().expect("text").to_owned(), figure)
    });
    figures.collect()
}

#[test]
fn an_import_is_measured_against_the_bare_driver() {
    let figures = figures(&["bench", "import", "--users", "1500", "--runs", "2"], "sqlite");
    for metric in ["rate", "bare_driver_rate", "ratio_to_bare_driver"] {
        assert_eq!(figures[metric]["workload"], "import");
    }
}

#[test]
fn reads_are_measured_against_a_bare_server_and_in_the_clients_cache() {
    let arguments = [
        "bench",
        "read",
        "--users",
        "1500",
        "--requests",
        "500",
        "--connections",
        "4",
        "--runs",
        "2",
    ];
    let figures = figures(&arguments, "sqlite");
    for metric in
        ["service_rate", "bare_server_rate", "ratio_to_bare_server", "client_cached", "client_cold"]
    {
        assert_eq!(figures[metric]["workload"], "read");
    }
}

#[test]
fn both_are_measured_on_postgresql_too() {
    let database = cohort_database::testing::fresh_postgres();
    let postgres = [
        "--runs",
        "2",
        "--users",
        "1500",
        "--backend",
        "postgres",
        "--database-url",
        &database.url,
    ];
    assert!(
        figures(&[&["bench", "import"], &postgres[..]].concat(), "postgres")
            .contains_key("bare_driver_rate")
    );
    let read = ["bench", "read", "--requests", "500", "--connections", "4"];
    assert!(figures(&[&read, &postgres[..]].concat(), "postgres").contains_key("service_rate"));
}
