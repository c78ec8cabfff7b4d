//! One word, one meaning: names that were given up for those of the field stay away.

use proc_macro2::{TokenStream, TokenTree};

use super::tree::{TREE, Tree, assert_none, files, planted};

/// Words of a dialect of our own, and what to say instead, everywhere.
const DIALECT: [(&str, &str); 15] = [
    ("Stay", "MembershipInterval"),
    ("Stretch", "Interval"),
    ("stretch", "interval"),
    ("Wish", "StatedPreference"),
    ("wish", "stated preference"),
    ("Settlement", "ChunkResult"),
    ("settlement", "chunk_result"),
    ("Accountant", "CompletenessCheck"),
    ("accounting", "completeness"),
    ("doubt", "distrust_empty_list"),
    ("Paces", "Throttles"),
    ("Turns", "StrideScheduler"),
    ("adopt", "reload"),
    ("acts", "operations"),
    ("hands", "capacity"),
];

/// Where these words meant something that another name says better. They are good words elsewhere.
const IN_THE_AGENT: [(&str, &str); 11] = [
    ("Parts", "GroupSources"),
    ("Mark", "Watermark"),
    ("settle", "resolve"),
    ("Ended", "MemberResult"),
    ("Watch", "ChangeFeed"),
    ("Seen", "LogPosition"),
    ("Touched", "ChangedSince"),
    ("Account", "CompletenessReport"),
    ("AccountError", "CompletenessError"),
    ("AccountingLedger", "CompletenessLedger"),
    ("Leave", "Skip"),
];

/// Where fields are named as the columns of tables are, which keep their names.
const COLUMNS: &str = "crates/ledger/src/rows.rs";

/// The folders of the agent and of its ledger.
const AGENT: [&str; 2] = ["crates/batch-agent/src/", "crates/ledger/src/"];

fn given_up_names(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in files(tree, "rs") {
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut names = Vec::new();
        collect(tokens, &mut names);
        let is_of_the_agent = AGENT.iter().any(|folder| path.starts_with(folder));
        let of_the_agent = IN_THE_AGENT.iter().filter(|_| is_of_the_agent);
        for (name, instead) in DIALECT.iter().chain(of_the_agent) {
            let is_column = path == COLUMNS && *name == "settlement";
            if !is_column && names.iter().any(|found| found == name) {
                broken.push(format!("{path} says {name}: say {instead}"));
            }
        }
    }
    broken
}

fn collect(tokens: TokenStream, names: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => names.push(ident.to_string()),
            TokenTree::Group(group) => collect(group.stream(), names),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Documentation that says of a function that it answers: it returns.
fn answering(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in files(tree, "rs") {
        for (at, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("/// Answers ") {
                broken.push(format!("{path}:{}", at + 1));
            }
        }
    }
    broken
}

#[test]
fn no_name_is_used_that_was_given_up() {
    assert_none("names are those of the field", &given_up_names(&TREE));
}

#[test]
fn functions_are_said_to_return() {
    assert_none("documentation says what a function returns", &answering(&TREE));
}

#[test]
fn a_planted_name_that_was_given_up_is_seen() {
    let tree = planted(&[
        ("a.rs", "struct Settlements; fn f() { g(Wish, Verdict::Leave, \"Stay\") } // Stretch"),
        ("crates/ledger/src/b.rs", "fn f() -> Verdict { Verdict::Leave }"),
        ("c.rs", "/// Answers nothing.\nfn f() {}"),
    ]);
    let given_up =
        ["a.rs says Wish: say StatedPreference", "crates/ledger/src/b.rs says Leave: say Skip"];
    assert_eq!(given_up_names(&tree), given_up);
    assert_eq!(answering(&tree), ["c.rs:1"]);
}
