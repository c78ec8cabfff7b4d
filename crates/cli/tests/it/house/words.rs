//! One word, one meaning: names that were given up for those of the field stay away.

use proc_macro2::{TokenStream, TokenTree};

use super::tree::{TREE, Tree, assert_none, files, planted};

/// A name that is no longer used, and what to say instead.
const GIVEN_UP: [(&str, &str); 27] = [
    ("Stay", "MembershipInterval"),
    ("Stretch", "Interval"),
    ("stretch", "interval"),
    ("Wish", "StatedPreference"),
    ("wish", "stated preference"),
    ("Parts", "GroupSources"),
    ("Mark", "Watermark"),
    ("Settlement", "ChunkResult"),
    ("settlement", "chunk_result"),
    ("settle", "resolve"),
    ("Ended", "MemberResult"),
    ("Watch", "ChangeFeed"),
    ("Seen", "LogPosition"),
    ("Touched", "ChangedSince"),
    ("Accountant", "CompletenessCheck"),
    ("Account", "CompletenessReport"),
    ("AccountError", "CompletenessError"),
    ("AccountingLedger", "CompletenessLedger"),
    ("accounting", "completeness"),
    ("doubt", "distrust_empty_list"),
    ("Paces", "Throttles"),
    ("Turns", "StrideScheduler"),
    ("adopt", "reload"),
    ("acts", "operations"),
    ("hands", "capacity"),
    ("Leave", "Skip"),
    ("leave", "skip"),
];

/// Names of other people's libraries that are spelled alike.
const FOREIGN: [(&str, &str); 1] = [("Parts", "axum::http::request::Parts")];

fn given_up_names(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in files(tree, "rs") {
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut names = Vec::new();
        collect(tokens, &mut names);
        for (name, instead) in GIVEN_UP {
            let is_foreign =
                FOREIGN.iter().any(|(foreign, path)| *foreign == name && text.contains(path));
            if !is_foreign && names.iter().any(|found| found == name) {
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
        ("a.rs", "// Settlement\nstruct Settlements; fn f() { g(Verdict::Leave) }"),
        ("b.rs", "use axum::http::request::Parts; fn f(_: Parts) { let _ = \"settle\"; }"),
        ("c.rs", "/// Answers nothing.\nfn f() {}"),
    ]);
    assert_eq!(given_up_names(&tree), ["a.rs says Leave: say Skip"]);
    assert_eq!(answering(&tree), ["c.rs:1"]);
}
