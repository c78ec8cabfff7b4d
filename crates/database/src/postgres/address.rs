//! Where the database is, and the settings of every session on it.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::schema_name::SchemaName;
use crate::error::DatabaseError;

/// What every session is told, so that the server ends what hangs, each before our own limit
/// (`limits`). A wait for a lock outlasts an idle transaction: when a peer hangs while it holds the
/// lock, the peer is ended and not those who wait. A peer that has gone away is noticed also in the
/// middle of a statement; its host may be gone without a word, which the server notices by probes.
/// Statements are short, so that compiling them costs more than it saves.
const SESSION: &str = "-c statement_timeout=60s -c lock_timeout=9s \
    -c idle_in_transaction_session_timeout=7s -c client_connection_check_interval=2s -c jit=off \
    -c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3";

/// How long one host may take to be reached: of several, the next is tried within the limit of all.
const REACHED_WITHIN: Duration = Duration::from_secs(3);

/// How long what was sent may stay unacknowledged by the server's host before the connection counts
/// as broken.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// How long a silent connection is left alone before the server's host is probed.
const PROBED_AFTER: Duration = Duration::from_secs(15);

/// Reads the address. What it says of timeouts and session settings stands; the schema is ours.
pub(super) fn parse(
    url: &str,
    schema: &SchemaName,
    read_only: bool,
) -> Result<Config, DatabaseError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(DatabaseError::Address);
    }
    // The cause may quote a part of the password.
    let mut config: Config = url.parse().map_err(|_cause| DatabaseError::Address)?;
    if !names_hosts(&config) {
        return Err(DatabaseError::Address);
    }
    tell_session(&mut config, schema, read_only);
    notice_broken_connections(&mut config);
    Ok(config)
}

/// Whether there are hosts, and none that holds the rest of a password with an @ in it.
fn names_hosts(config: &Config) -> bool {
    let hosts = config.get_hosts();
    !hosts.is_empty()
        && hosts.iter().all(|host| !matches!(host, Host::Tcp(name) if name.contains('@')))
}

fn tell_session(config: &mut Config, schema: &SchemaName, read_only: bool) {
    let asked_for = config.get_options().unwrap_or_default();
    let access = if read_only { "-c default_transaction_read_only=on" } else { "" };
    config.options(format!("{SESSION} {asked_for} {access} -c search_path={schema}"));
    if config.get_application_name().is_none() {
        config.application_name(format!("cohort {schema}"));
    }
}

fn notice_broken_connections(config: &mut Config) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(REACHED_WITHIN);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(ACKNOWLEDGED_WITHIN);
    }
    if config.get_keepalives_interval().is_none() {
        config
            .keepalives_idle(PROBED_AFTER)
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3);
    }
}

/// The schema and where it is, without user and password.
pub(super) fn describe(config: &Config, schema: &SchemaName) -> String {
    let port = |index: usize| {
        config.get_ports().get(index).or(config.get_ports().first()).copied().unwrap_or(5432)
    };
    let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| match host {
        Host::Tcp(host) => format!("{host}:{}", port(index)),
        Host::Unix(folder) => format!("{}:{}", folder.display(), port(index)),
    });
    let hosts: Vec<String> = hosts.collect();
    format!("{}/{} (schema {schema})", hosts.join(","), config.get_dbname().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cohort() -> SchemaName {
        "cohort".parse().expect("name")
    }

    #[test]
    fn no_error_tells_the_password() {
        for url in [
            "postgres://u:secret@host:port/d",
            "postgres://u:p@secret@host/d",
            "postgres://u:p@h?secret=1@host/d",
            "postgres:///d?secret=1",
            "secret",
        ] {
            let error = parse(url, &cohort(), false).expect_err(url);
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn a_database_is_described_without_user_and_password() {
        let config = parse("postgres://u:secret@a:1,b:2/d", &cohort(), false).expect("parses");
        assert_eq!(describe(&config, &cohort()), "a:1,b:2/d (schema cohort)");
    }

    #[test]
    fn what_the_address_says_of_a_session_stands() {
        let url = "postgres://u@h/d?connect_timeout=3&application_name=x\
            &options=-c%20lock_timeout%3D1s%20-c%20search_path%3Dother";
        let config = parse(url, &cohort(), true).expect("parses");
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(3)));
        assert_eq!(config.get_application_name(), Some("x"));
        let options = config.get_options().expect("options");
        assert!(
            options.find("lock_timeout=9s") < options.find("lock_timeout=1s"),
            "the later one counts: {options}"
        );
        assert!(
            options.ends_with("-c default_transaction_read_only=on -c search_path=cohort"),
            "{options}"
        );
    }
}
