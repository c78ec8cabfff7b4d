//! What each crate must not depend on, and what stands in one place only: SQL, the status codes of
//! refusals, the environment.
//!
//! Test code and what a crate uses in its tests only may do more.

use super::modules::{Module, Modules, roots};
use super::tree::{TREE, Tree, assert_none, planted};

/// Crates that must not depend on others, by the folder and the package.
const KEPT_OUT: [(&str, &[&str]); 8] = [
    ("preferences", &["tokio", "rusqlite", "axum", "reqwest"]),
    ("feature-rules", &["tokio", "rusqlite", "axum", "reqwest"]),
    ("database", &["axum", "reqwest"]),
    ("config-service", &["reqwest", "cohort-batch-agent"]),
    ("config-client", &["rusqlite", "axum"]),
    ("ledger", &["axum", "reqwest", "cohort-config-client"]),
    ("batch-agent", &["cohort-config-service"]),
    ("console", &["rusqlite", "tokio-postgres"]),
];

/// Where SQL stands: what opens databases, the two folders of each database, and the bare drivers
/// that `cohort bench` compares with.
const SQL_STANDS_IN: [&str; 7] = [
    "crates/database/src/",
    "crates/config-service/src/store/sqlite",
    "crates/config-service/src/store/postgres",
    "crates/ledger/src/sqlite",
    "crates/ledger/src/postgres",
    // What the statements of both have in common.
    "crates/ledger/src/lanes.rs",
    "crates/cli/src/commands/bench/bare_",
];

/// Who names the status codes of refusals: each API's errors, and what logs who was refused.
const REFUSALS_STAND_IN: [&str; 3] = [
    "crates/batch-agent/src/api/problem/mod.rs",
    "crates/config-service/src/api/error.rs",
    "crates/config-service/src/api/auth.rs",
];

/// Who reads the environment: the binary, in one place, the client that other services build, and
/// the tests that look for a PostgreSQL.
const ENVIRONMENT_IS_READ_IN: [&str; 3] = [
    "crates/cli/src/config/",
    "crates/config-client/src/environment.rs",
    "crates/database/src/testing.rs",
];

/// The dependencies of a manifest that are in the built crate, by the names of their packages.
fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml_edit::DocumentMut = manifest.parse().expect("a manifest is TOML");
    let of = |key: &str| manifest.get(key).and_then(|table| table.as_table_like());
    let tables = [of("dependencies"), of("build-dependencies")];
    tables
        .into_iter()
        .flatten()
        .flat_map(|table| table.iter())
        .map(|(name, _)| name.into())
        .collect()
}

fn forbidden_dependencies(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (folder, kept_out) in KEPT_OUT {
        let path = format!("crates/{folder}/Cargo.toml");
        // A crate that is not built yet depends on nothing.
        let Some(manifest) = tree.get(&path) else { continue };
        for name in dependencies(manifest).iter().filter(|name| kept_out.contains(&name.as_str())) {
            broken.push(format!("{path} depends on {name}"));
        }
    }
    broken
}

/// The modules of all crates that break a rule outside the places where they may.
fn broken_by(tree: &Tree, may: &[&str], breaks: impl Fn(&Module) -> Option<String>) -> Vec<String> {
    let mut broken = Vec::new();
    for root in roots(tree) {
        for module in Modules::read(tree, root).iter() {
            if may.iter().any(|place| module.file.starts_with(place)) {
                continue;
            }
            broken.extend(breaks(module).map(|what| format!("{}: {what}", module.file)));
        }
    }
    broken
}

fn sql(module: &Module) -> Option<String> {
    let is_sql = |text: &&String| {
        let text = text.trim_start();
        let starts = ["SELECT ", "INSERT INTO ", "DELETE FROM ", "WITH ", "CREATE TABLE "];
        let is_update = text.starts_with("UPDATE ") && text.contains(" SET ");
        is_update || starts.iter().any(|start| text.starts_with(start))
    };
    module.code.texts.iter().find(is_sql).map(|text| format!("the SQL {text:?}"))
}

/// The status code of a refusal, in an API.
fn refusal(module: &Module) -> Option<String> {
    const FINE: [&str; 6] =
        ["OK", "CREATED", "ACCEPTED", "NO_CONTENT", "NOT_MODIFIED", "SEE_OTHER"];
    let is_api = module.file.contains("/src/api/");
    let mut codes = module.code.mentions.iter().filter_map(|path| match &path[..] {
        [.., kind, code] if kind == "StatusCode" => Some(code),
        _ => None,
    });
    codes
        .find(|code| is_api && !FINE.contains(&code.as_str()))
        .map(|code| format!("the status code {code}"))
}

fn environment(module: &Module) -> Option<String> {
    const READS: [&str; 4] = ["var", "vars", "var_os", "vars_os"];
    let reads = module.code.mentions.iter().find(|path| match &path[..] {
        [.., env, read] => env == "env" && READS.contains(&read.as_str()),
        _ => false,
    });
    reads.map(|path| path.join("::"))
}

#[test]
fn no_crate_depends_on_what_must_stay_out_of_it() {
    assert_none("a crate names only what it may", &forbidden_dependencies(&TREE));
}

#[test]
fn sql_stands_only_in_the_folders_of_the_databases() {
    let broken = broken_by(&TREE, &SQL_STANDS_IN, sql);
    assert_none("only the databases' folders hold SQL", &broken);
}

#[test]
fn an_api_names_the_status_codes_of_refusals_in_its_error_file_only() {
    let broken = broken_by(&TREE, &REFUSALS_STAND_IN, refusal);
    assert_none("only the error files of the APIs name refusals", &broken);
}

#[test]
fn the_environment_is_read_in_one_place() {
    let broken = broken_by(&TREE, &ENVIRONMENT_IS_READ_IN, environment);
    assert_none("only the configuration reads the environment", &broken);
}

#[test]
fn each_place_that_may_do_more_is_there() {
    let places = SQL_STANDS_IN.iter().chain(&REFUSALS_STAND_IN).chain(&ENVIRONMENT_IS_READ_IN);
    for place in places {
        assert!(TREE.keys().any(|path| path.starts_with(place)), "{place} is gone");
    }
}

#[test]
fn a_planted_breach_of_each_border_is_seen() {
    let root = r#"
        fn f() { run("SELECT 1 FROM run"); StatusCode::CONFLICT; std::env::var("HOME"); }
        #[cfg(test)] mod tests { fn g() { run("UPDATE run SET a = 1"); env::var("HOME"); } }
    "#;
    let manifest = "[dependencies]\ntokio.workspace = true\n[dev-dependencies]\naxum = \"1\"";
    let tree = planted(&[
        ("crates/preferences/Cargo.toml", manifest),
        ("crates/preferences/src/lib.rs", "mod api;"),
        ("crates/preferences/src/api/mod.rs", root),
    ]);
    assert_eq!(forbidden_dependencies(&tree), ["crates/preferences/Cargo.toml depends on tokio"]);
    for breaks in [sql, refusal, environment] {
        assert_eq!(broken_by(&tree, &[], breaks).len(), 1);
        assert_eq!(broken_by(&tree, &["crates/preferences/"], breaks), [""; 0]);
    }
}
