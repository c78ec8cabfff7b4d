//! A status on one screen.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde_json::Value;

use crate::output::{items, shown};
use crate::table::bytes;

/// The width where the output is no terminal.
const WIDTH: u16 = 80;

/// Lines that are longer than this are hard to read, however wide the terminal is.
const WIDEST: u16 = 110;

/// Draws a status; `flags` are what each command that it names needs to reach the same place.
pub(super) fn draw(status: &Value, flags: &str) -> String {
    let parts = [
        sentence(status),
        findings(items(status, "findings"), flags),
        jobs(items(status, "jobs"), status),
        purposes(items(status, "purposes"), status),
        agents(items(status, "agents"), status),
        here(status) + &storage(&status["storage"]),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n\n")
}

fn sentence(status: &Value) -> String {
    let (mark, color) = match status["well"].as_bool() {
        Some(true) => ("✓", Color::Green),
        _ => ("✗", Color::Red),
    };
    let told = Cell::new(shown(&status["sentence"])).add_attribute(Attribute::Bold);
    let mut table = plain();
    table.add_row([Cell::new(mark).fg(color), told]);
    told_by(&mut table, &[])
}

/// Each finding: how bad it is by sign, word and colour, what was found, and what to do.
fn findings(findings: &[Value], flags: &str) -> String {
    findings.iter().map(|found| finding(found, flags)).collect::<Vec<_>>().join("\n")
}

/// A command stands on one line, however long: it is there to be copied.
fn finding(finding: &Value, flags: &str) -> String {
    let (mark, color) = match finding["severity"].as_str() {
        Some("critical") => ("✗ CRITICAL", Color::Red),
        Some("warning") => ("! warning", Color::Yellow),
        _ => ("· note", Color::Cyan),
    };
    let mut table = plain();
    table.add_row([Cell::new(mark).fg(color), Cell::new(shown(&finding["sentence"]))]);
    let told = told_by(&mut table, &[]);
    match finding["command"].as_str() {
        Some(command) => format!("{told}\n  → {command}{flags}"),
        None => told,
    }
}

fn jobs(jobs: &[Value], status: &Value) -> String {
    let mut table = plain();
    table.set_header(["JOB", "WAITING", "LATE", "A MINUTE", "DONE ABOUT", "FAILED", "MISSED"]);
    for job in jobs {
        let late = lateness(job, status);
        let is_late = late != "-";
        let number = |field: &str| job[field].as_u64().unwrap_or_default();
        let counted = |field: &str| match number(field) {
            0 => Cell::new("-"),
            count => Cell::new(count).fg(Color::Yellow),
        };
        let late = if is_late { Cell::new(late).fg(Color::Yellow) } else { Cell::new(late) };
        let name = match job["paused_since"] {
            Value::Null => shown(&job["job_id"]),
            _ => format!("{} (paused)", shown(&job["job_id"])),
        };
        table.add_row([
            Cell::new(name),
            Cell::new(number("users_waiting")),
            late,
            Cell::new(number("users_per_minute")),
            Cell::new(clock(&job["ends_at"])),
            counted("failed_lately"),
            counted("missed_lately"),
        ]);
    }
    if jobs.is_empty() { String::new() } else { told_by(&mut table, &[1, 2, 3, 5, 6]) }
}

/// For how long the longest waiting users of a job have been due.
fn lateness(job: &Value, status: &Value) -> String {
    let seconds = seconds_between(&job["due_since"], &status["at"]);
    match seconds {
        None | Some(..60) => "-".to_owned(),
        Some(seconds) => span(seconds),
    }
}

fn purposes(purposes: &[Value], status: &Value) -> String {
    let mut table = plain();
    table.set_header(["PURPOSE", "STATE", "SINCE", "WAITING", "CALLS FAILED", "LAST ERROR"]);
    for purpose in purposes {
        let color = match purpose["state"].as_str() {
            Some("healthy") => Color::Green,
            Some("failing") => Color::Red,
            _ => Color::Yellow,
        };
        table.add_row([
            Cell::new(shown(&purpose["purpose_id"])),
            Cell::new(shown(&purpose["state"])).fg(color),
            Cell::new(ago(&purpose["since"], status)),
            Cell::new(shown(&purpose["users_waiting"])),
            Cell::new(shown(&purpose["calls_failed"])),
            Cell::new(shown(&purpose["last_error"])),
        ]);
    }
    if purposes.is_empty() { String::new() } else { told_by(&mut table, &[3, 4]) }
}

fn agents(agents: &[Value], status: &Value) -> String {
    let mut table = plain();
    table.set_header(["AGENT", "VERSION", "TIME ZONES", "LAST SEEN", ""]);
    for agent in agents {
        let state = match agent["is_silent"].as_bool() {
            Some(true) => Cell::new("silent").fg(Color::Yellow),
            _ => Cell::new("alive").fg(Color::Green),
        };
        table.add_row([
            Cell::new(shown(&agent["agent"])),
            Cell::new(shown(&agent["version"])),
            Cell::new(shown(&agent["time_zone_database"])),
            Cell::new(ago(&agent["seen_at"], status)),
            state,
        ]);
    }
    if agents.is_empty() { String::new() } else { told_by(&mut table, &[]) }
}

/// What the agent that answers says of itself.
fn here(status: &Value) -> String {
    let agent = &status["agent"];
    let seen = clock(&status["at"]);
    let version = shown(&status["version"]);
    if agent.is_null() {
        return wrapped(format!("Cohort {version}, as of {seen}: no agent tells more."));
    }
    let checked = match &agent["completeness"] {
        Value::Null => "not checked yet".to_owned(),
        checked => format!("{} ({})", shown(&checked["unaccounted"]), ago(&checked["at"], status)),
    };
    let lag = agent["feed_lag_seconds"].as_f64().unwrap_or_default();
    wrapped(format!(
        "Cohort {version}, as of {seen}. Changes are heard after {lag:.1} s; {} calls are open; \
         unaccounted: {checked}.",
        shown(&agent["calls_in_flight"])
    ))
}

/// How much room the ledger takes, and how much is left.
fn storage(storage: &Value) -> String {
    let size = |value: &Value| value.as_u64().map(bytes);
    let Some(database) = size(&storage["database_bytes"]) else { return String::new() };
    let log = size(&storage["log_bytes"]).map(|log| format!(", its log {log}"));
    let free = size(&storage["disk"]["free_bytes"]).map(|free| format!("; {free} are free"));
    let told = [log, free].map(Option::unwrap_or_default).concat();
    format!("\n{}", wrapped(format!("The ledger takes {database}{told}.")))
}

fn wrapped(text: String) -> String {
    let mut table = plain();
    table.add_row([text]);
    told_by(&mut table, &[])
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let width = table.width().map_or(WIDTH, |width| usize::from(width).min(WIDEST.into()) as u16);
    table.set_width(width);
    table
}

/// The table as text; the columns in `numbers` are aligned to the right.
fn told_by(table: &mut Table, numbers: &[usize]) -> String {
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if numbers.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn seconds_between(from: &Value, until: &Value) -> Option<i64> {
    let instant = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
    Some(instant(until)?.duration_since(instant(from)?).as_secs())
}

fn ago(instant: &Value, status: &Value) -> String {
    seconds_between(instant, &status["at"])
        .map_or_else(|| "-".to_owned(), |seconds| format!("{} ago", span(seconds.max(0))))
}

fn span(seconds: i64) -> String {
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// An instant to the minute, in UTC.
fn clock(instant: &Value) -> String {
    let instant = instant.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    instant.map_or_else(|| "-".to_owned(), |at| at.strftime("%H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status() -> Value {
        json!({
            "well": false,
            "sentence": "Not well: job instagram_post_preference_based is 2 h 4 min late.",
            "at": "2026-12-07T11:04:00Z", "version": "0.1.0",
            "findings": [{"severity": "warning", "kind": "late", "subject": "late",
                "sentence": "Job instagram_post_preference_based is 2 h 4 min late: 5,312 users \
                    wait, the first since 09:00 UTC; at 812 a minute the last is done about 11:11 \
                    UTC.",
                "command": "cohort runs --job instagram_post_preference_based"}],
            "jobs": [{"job_id": "instagram_post_preference_based", "paused_since": null,
                "users_waiting": 5312, "due_since": "2026-12-07T09:00:00Z",
                "users_per_minute": 812, "ends_at": "2026-12-07T11:11:00Z", "failed_lately": 3,
                "missed_lately": 0}],
            "purposes": [{"purpose_id": "write", "state": "failing",
                "since": "2026-12-07T11:02:00Z", "users_waiting": 5312, "calls_failed": 20,
                "last_error": "the handler answered 503 Service Unavailable"}],
            "agents": [{"agent": "embedded", "version": "0.1.0", "time_zone_database": "2026a",
                "seen_at": "2026-12-07T11:03:57Z", "is_silent": false}],
            "agent": {"feed_lag_seconds": 0.04, "calls_in_flight": 25,
                "completeness": {"at": "2026-12-07T11:03:30Z", "unaccounted": 0}},
            "storage": {"database_bytes": 314_572_800, "log_bytes": 4_194_304,
                "disk": {"free_bytes": 16_106_127_360_u64, "total_bytes": 21_474_836_480_u64}},
        })
    }

    #[test]
    fn everything_stands_on_one_screen_of_eighty_columns() {
        let drawn = draw(&status(), " --data ./data");
        for line in drawn.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(drawn.lines().count() <= 24, "{drawn}");
        assert!(!drawn.contains('\x1b'), "no colour where the output is no terminal");
    }

    #[test]
    fn each_finding_stands_with_its_severity_in_words_and_a_command_to_press() {
        let drawn = draw(&status(), " --data ./data");
        assert!(drawn.starts_with("✗  Not well: "), "{drawn}");
        assert!(drawn.contains("! warning"), "{drawn}");
        let unwrapped = drawn.split_whitespace().collect::<Vec<_>>().join(" ");
        let command = "→ cohort runs --job instagram_post_preference_based --data ./data";
        assert!(unwrapped.contains(command), "{drawn}");
        for told in
            ["2 h 4 min", "5312", "812", "11:11 UTC", "failing", "2 min ago", "alive", "15.0 GiB"]
        {
            assert!(drawn.contains(told), "{told}: {drawn}");
        }
    }
}
