//! What documents and comments name exists: paths, pages and their headings.
//!
//! A path from the root (`crates/…`, `docs/…`) has to exist wherever a text names it. Code in a
//! sentence that ends like a file (`service/rules.rs`) has to be the end of a path. The change log
//! tells history and may name what is gone.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::tree::{TREE, Tree, assert_none, files, is_kind, planted};

/// A path from the root in any text, but not as a part of an address.
static FROM_ROOT: LazyLock<Regex> = LazyLock::new(|| {
    let folders = r"(?:crates|docs|scripts|examples|deploy|sdk|\.github)";
    Regex::new(&format!(r"(?:^|[^\w/.:-])({folders}/[\w./-]*\w)")).expect("a pattern")
});

/// Something that ends like one of our files, with or without folders before it.
static FILE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[^\w/.:*-])((?:[\w.-]+/)*[\w-]+\.(?:rs|sql|md))\b").expect("a pattern")
});

/// Code in a sentence of a document.
static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new("`([^`]+)`").expect("a pattern"));

/// A link of a document, and its address.
static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern"));

/// What the texts of examples are called that a reader of the README makes.
const MADE_BY_THE_READER: [&str; 2] = ["brief.md", "ann.md"];

fn exists(tree: &Tree, path: &str) -> bool {
    let below = format!("{path}/");
    tree.contains_key(path) || tree.keys().any(|file| file.starts_with(&below))
}

/// Whether a path in the tree ends like this.
fn is_an_end(tree: &Tree, path: &str) -> bool {
    let path = path.trim_start_matches("../").trim_start_matches("./");
    let behind = format!("/{path}");
    tree.keys().any(|file| file == path || file.ends_with(&behind))
}

/// Whether a file may name paths of the tree. The change log may name what is gone.
fn names_paths(path: &str) -> bool {
    const KINDS: [&str; 7] = ["rs", "md", "toml", "sql", "yml", "yaml", "py"];
    let is_text = KINDS.iter().any(|kind| is_kind(path, kind)) || path.starts_with("scripts/");
    is_text && path != "CHANGELOG.md"
}

/// The lines of a file that speak to people: comments of code, all of another text.
fn sayings<'a>(path: &str, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let is_code = is_kind(path, "rs");
    let lines = text.lines().zip(1..).map(|(line, at)| (at, line));
    lines.filter(move |(_, line)| !is_code || line.trim_start().starts_with("//"))
}

/// The lines of a page outside its blocks.
fn prose<'a>(
    sayings: impl Iterator<Item = (usize, &'a str)>,
) -> impl Iterator<Item = (usize, &'a str)> {
    let mut is_in_block = false;
    sayings.filter(move |(_, line)| {
        is_in_block ^= line.trim_start().starts_with("```");
        !is_in_block
    })
}

fn found<'a>(pattern: &Regex, text: &'a str) -> Vec<&'a str> {
    pattern.captures_iter(text).map(|found| found.extract::<1>().1[0]).collect()
}

fn missing_paths(tree: &Tree) -> Vec<String> {
    let mut missing = BTreeSet::new();
    for (path, text) in tree.iter().filter(|(path, _)| names_paths(path)) {
        for (at, line) in sayings(path, text) {
            let gone = found(&FROM_ROOT, line).into_iter().filter(|named| !exists(tree, named));
            missing.extend(gone.map(|named| format!("{path}:{at} names {named}")));
        }
        if !(is_kind(path, "md") || is_kind(path, "rs")) {
            continue;
        }
        for (at, line) in prose(sayings(path, text)) {
            let named = named_by_end(is_kind(path, "md"), line).into_iter();
            let gone = named.filter(|named| !is_an_end(tree, named));
            missing.extend(gone.map(|named| format!("{path}:{at} names {named}")));
        }
    }
    missing.into_iter().collect()
}

/// The files that a comment, or the code in a page's sentence, names by the end of a path.
fn named_by_end(is_page: bool, line: &str) -> Vec<&str> {
    let parts = if is_page { found(&CODE, line) } else { vec![line] };
    let named = parts.into_iter().flat_map(|part| found(&FILE, part));
    named.filter(|named| !MADE_BY_THE_READER.iter().any(|made| named.ends_with(made))).collect()
}

/// The name that a code host gives to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|&c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// The path of what a page links to, from the root.
fn target(page: &str, address: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in address.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn broken_links(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (page, text) in files(tree, "md") {
        let inside = |address: &&str| !address.contains(':');
        for address in found(&LINK, text).into_iter().filter(inside) {
            let (path, heading) = address.split_once('#').unwrap_or((address, ""));
            let to = if path.is_empty() { page.to_owned() } else { target(page, path) };
            let is_there =
                exists(tree, &to) && (heading.is_empty() || anchors(&tree[&to]).contains(heading));
            if !is_there {
                broken.push(format!("{page} links to {address}"));
            }
        }
    }
    broken
}

/// The pages that nobody finds who starts at the README.
fn unlinked_pages(tree: &Tree) -> Vec<String> {
    let mut reached = BTreeSet::from(["README.md".to_owned()]);
    let mut open = vec!["README.md".to_owned()];
    while let Some(page) = open.pop() {
        let Some(text) = tree.get(&page) else { continue };
        for link in found(&LINK, text) {
            let to = target(&page, link.split('#').next().unwrap_or_default());
            if is_kind(&to, "md") && reached.insert(to.clone()) {
                open.push(to);
            }
        }
    }
    let pages = tree.keys().filter(|path| path.starts_with("docs/") && is_kind(path, "md"));
    pages.filter(|page| !reached.contains(*page)).cloned().collect()
}

#[test]
fn every_path_that_a_text_names_exists() {
    assert_none("paths that are named exist", &missing_paths(&TREE));
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    assert_none("links lead to a page and a heading", &broken_links(&TREE));
}

#[test]
fn every_page_is_found_from_the_readme() {
    assert_none("each page of docs is linked", &unlinked_pages(&TREE));
}

#[test]
fn a_planted_path_that_is_gone_is_seen() {
    let code = "// See `b/gone.rs`, `src/a.rs` and crates/x/src.\nlet a = \"gone.rs\";";
    let page = "The file `x/src/a.rs`, but not `c.sql`; gone.rs is no code. scripts/gone\n";
    let tree = planted(&[("crates/x/src/a.rs", code), ("docs/A.md", page)]);
    let gone = [
        "crates/x/src/a.rs:1 names b/gone.rs",
        "docs/A.md:1 names c.sql",
        "docs/A.md:1 names scripts/gone",
    ];
    assert_eq!(missing_paths(&tree), gone);
}

#[test]
fn a_planted_link_to_nowhere_is_seen() {
    let readme = "[a](docs/A.md#one-of-all) [b](docs/A.md#two) [c](#top) [d](https://e.org/x)";
    let page = "# One, of `all`\n[up](../README.md) [gone](gone.md)";
    let tree = planted(&[("README.md", readme), ("docs/A.md", page), ("docs/B.md", "")]);
    let broken = [
        "README.md links to docs/A.md#two",
        "README.md links to #top",
        "docs/A.md links to gone.md",
    ];
    assert_eq!(broken_links(&tree), broken);
    assert_eq!(unlinked_pages(&tree), ["docs/B.md"]);
}
