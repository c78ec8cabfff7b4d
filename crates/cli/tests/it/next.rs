//! `cohort next` and what all commands share.

use crate::program::cohort;

#[test]
fn next_answers_the_example_of_its_help() {
    let help = cohort(&["next", "--help"], "");
    let line =
        help.stdout.split('\'').find(|part| part.starts_with("{\"id\"")).expect("an example");
    let ended = cohort(&["next", "--count", "2"], line);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(help.stdout.contains(ended.stdout.trim()), "{}", ended.stdout);
    assert_eq!(ended.stderr, "");
}

#[test]
fn next_names_line_and_pointer_of_what_is_wrong_and_answers_the_rest() {
    let good = r#"{"id":1,"pref":{"frequency":"daily"},"after":"2026-12-01T00:00:00Z"}"#;
    let bad = r#"{"id":2,"pref":{"frequency":"daily","timezone":"Europe/Atlantis"}}"#;
    let ended = cohort(&["next", "--count", "1"], &format!("{good}\n{bad}\n{good}\n"));
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("line 2: /pref/timezone: expected an IANA time zone"),
        "{}",
        ended.stderr
    );
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], r#"{"id":1,"got":["2026-12-01T09:00:00Z"]}"#);
    assert!(lines[1].starts_with(r#"{"id":2,"error":"#), "{}", lines[1]);
    assert_eq!(lines[2], lines[0]);
}

/// Returns the commands that a help text lists.
fn commands(help: &str) -> Vec<&str> {
    help.lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A description that is wrapped goes on further to the right.
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect()
}

/// Checks the help of a command, and of those below it.
fn check_help(path: &[&str]) {
    for flag in ["-h", "--help"] {
        let ended = cohort(&[path, &[flag]].concat(), "");
        assert_eq!(ended.code, 0, "{path:?}");
        assert!(ended.stdout.contains("Example:"), "{path:?}");
        for line in ended.stdout.lines() {
            assert!(line.chars().count() <= 100, "{path:?} {flag}: {line}");
        }
    }
    let help = cohort(&[path, &["--help"]].concat(), "").stdout;
    for command in commands(&help) {
        check_help(&[path, &[command]].concat());
    }
}

#[test]
fn every_command_shows_an_example_in_its_help() {
    let help = cohort(&["--help"], "").stdout;
    let commands = commands(&help);
    assert!(commands.contains(&"next"), "{help}");
    for command in commands {
        check_help(&[command]);
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in
        [&["nothing"][..], &["next", "--count", "0"], &["next", "--after", "yesterday"]]
    {
        let ended = cohort(arguments, "");
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    }
}

#[test]
fn a_duration_that_is_none_is_named_with_an_example() {
    let create = ["keys", "create", "ci", "--scope", "read", "--expires-in", "2 months"];
    for (arguments, part) in [
        (&["doctor", "--since", "soon"][..], "such as 25s, 12h or 400d, got \"soon\""),
        (&["doctor", "--since=-1h"], "not negative, such as 12h"),
        (&["doctor", "--since", "1y"], "expected days, such as 400d"),
        (&create, "expected days, such as 400d"),
        (&["tenants", "link", "ann", "--expires-in", "48"], "such as 25s"),
        (&["up", "--data", "/nowhere", "--shutdown-grace=-1s"], "--shutdown-grace"),
    ] {
        let ended = cohort(arguments, "");
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{arguments:?}: {}", ended.stderr);
    }
}
