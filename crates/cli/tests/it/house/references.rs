//! The reference pages name all that there is: tables, metrics, variables; and the batch configs
//! in the documents are ones that Cohort takes.

use cohort_preferences::BatchConfig;
use regex::Regex;

use super::tree::{TREE, Tree, assert_none, files, planted};

/// What a pattern finds in some files, and the page that has to name it.
struct Reference {
    pattern: &'static str,
    among: &'static str,
    page: &'static str,
}

const REFERENCES: [Reference; 4] = [
    Reference {
        pattern: r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)",
        among: "/migrations/",
        page: "docs/reference/tables.md",
    },
    Reference {
        pattern: r#"const \w+: &str = "(cohort_\w+)";"#,
        among: "/src/metrics",
        page: "docs/reference/metrics.md",
    },
    Reference {
        pattern: r#"variable\("(\w+)"\)"#,
        among: "crates/cli/src/config/",
        page: "docs/reference/environment.md",
    },
    Reference {
        pattern: r#""(CONFIG_\w+)""#,
        among: "crates/config-client/src/environment.rs",
        page: "docs/reference/environment.md",
    },
];

fn unnamed(tree: &Tree) -> Vec<String> {
    let mut unnamed = Vec::new();
    for Reference { pattern, among, page } in &REFERENCES {
        let named = tree.get(*page).map_or("", String::as_str);
        let pattern = Regex::new(pattern).expect("a pattern");
        let texts = tree.iter().filter(|(path, _)| path.contains(among)).map(|(_, text)| text);
        for found in texts.flat_map(|text| pattern.captures_iter(text)) {
            let [name] = found.extract().1;
            if !named.contains(&format!("`{name}`")) {
                unnamed.push(format!("{page} lacks {name}"));
            }
        }
    }
    unnamed
}

/// The blocks of the documents that show a whole batch config, `json batch`, and are refused.
fn refused_configs(tree: &Tree) -> Vec<String> {
    let mut refused = Vec::new();
    for (path, text) in files(tree, "md") {
        for block in text.split("```json batch\n").skip(1) {
            let config = block.split("```").next().unwrap_or_default();
            if let Err(error) = BatchConfig::from_json(config) {
                refused.push(format!("{path}: {error}"));
            }
        }
    }
    refused
}

#[test]
fn the_reference_pages_name_every_table_metric_and_variable() {
    assert_none("the reference pages are complete", &unnamed(&TREE));
}

#[test]
fn each_reference_finds_something() {
    for Reference { pattern, among, page } in &REFERENCES {
        let pattern = Regex::new(pattern).expect("a pattern");
        let finds =
            |(path, text): (&String, &String)| path.contains(among) && pattern.is_match(text);
        assert!(TREE.iter().any(finds), "nothing is found in {among} for {page}");
    }
}

#[test]
fn every_batch_config_in_the_documents_is_taken() {
    assert_none("batch configs in documents are good ones", &refused_configs(&TREE));
}

#[test]
fn a_planted_gap_in_a_reference_is_seen() {
    let page = "# Jobs\n```json batch\n{\"job_id\": \"j\"}\n```\n";
    let tree = planted(&[
        ("a/migrations/V1.sql", "CREATE TABLE run (\nCREATE TABLE lost ("),
        ("docs/reference/tables.md", "| `run` | lost |"),
        ("docs/JOBS.md", page),
    ]);
    assert_eq!(unnamed(&tree), ["docs/reference/tables.md lacks lost"]);
    assert_eq!(refused_configs(&tree).len(), 1);
}
