//! Every command that a document shows is one that the binary takes, with its flags.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;

use super::tree::{TREE, Tree, assert_none, files, planted};

/// `cohort`, its command, the word behind that, and the rest of the line or of the code.
static CALL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)(?:^|[\s`/])cohort ([a-z][a-z-]*)( [a-z]+)?([^`|#\n]*)").expect("a pattern")
});

/// A long option.
static FLAG: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:^|\s)(--[a-z][a-z-]*)").expect("a pattern"));

/// What the binary says of its commands, asked once for each.
#[derive(Default)]
struct Help(BTreeMap<Vec<String>, String>);

impl Help {
    fn of(&mut self, command: &[&str]) -> &str {
        let words = command.iter().map(|&word| word.to_owned()).collect();
        self.0.entry(words).or_insert_with(|| {
            let mut asked = Command::new(env!("CARGO_BIN_EXE_cohort"));
            let said = asked.args(command).arg("--help").output().expect("cohort runs");
            String::from_utf8(said.stdout).expect("help is text")
        })
    }

    /// Whether this command has this one below it.
    fn has(&mut self, command: &[&str], below: &str) -> bool {
        let commands = self.of(command).split_once("\nCommands:\n").map_or("", |(_, list)| list);
        let listed = commands.split("\n\n").next().unwrap_or_default().lines();
        listed.filter_map(|line| line.split_whitespace().next()).any(|name| name == below)
    }

    fn has_flag(&mut self, command: &[&str], flag: &str) -> bool {
        let text = self.of(command);
        text.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| word == flag)
    }
}

/// What the pages show that the binary does not take.
fn unknown_calls(tree: &Tree) -> BTreeSet<String> {
    let mut help = Help::default();
    let mut unknown = BTreeSet::new();
    for (path, text) in files(tree, "md") {
        for call in CALL.captures_iter(text) {
            let (name, rest) = (&call[1], &call[3]);
            let below = call.get(2).map_or("", |word| word.as_str().trim());
            if !help.has(&[], name) {
                unknown.insert(format!("{path}: cohort {name}"));
                continue;
            }
            let command = if help.has(&[name], below) { vec![name, below] } else { vec![name] };
            for [flag] in FLAG.captures_iter(rest).map(|found| found.extract().1) {
                if !help.has_flag(&command, flag) {
                    unknown.insert(format!("{path}: cohort {} {flag}", command.join(" ")));
                }
            }
        }
    }
    unknown
}

#[test]
fn every_command_that_a_page_shows_is_taken() {
    let unknown: Vec<String> = unknown_calls(&TREE).into_iter().collect();
    assert_none("pages show commands and flags that there are", &unknown);
}

#[test]
fn a_planted_command_that_is_not_taken_is_seen() {
    let page = "`cohort fly`, `cohort runs --limit 3 --wings`, \
                `x | cohort keys create --wings a`,\n$ target/cohort runs # --none";
    let unknown = unknown_calls(&planted(&[("docs/A.md", page)]));
    let expected = ["fly", "keys create --wings", "runs --wings"];
    assert_eq!(unknown, expected.map(|call| format!("docs/A.md: cohort {call}")).into());
}
