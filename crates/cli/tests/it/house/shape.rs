//! The width of lines and the length of files.

use super::tree::{TREE, Tree, assert_none, files, planted};

/// Characters in a line.
const WIDTH: usize = 100;

/// Lines in the longest file.
const LONGEST: usize = 400;

/// Lines in the file in the middle.
const MEDIAN: usize = 120;

fn is_too_wide(line: &str) -> bool {
    line.chars().count() > WIDTH
}

fn wide_lines(tree: &Tree) -> Vec<String> {
    let code = files(tree, "rs").flat_map(|(path, text)| {
        let lines = text.lines().enumerate().filter(|(_, line)| is_too_wide(line));
        lines.map(move |(at, _)| format!("{path}:{}", at + 1))
    });
    code.chain(files(tree, "md").flat_map(|(path, text)| wide_prose(path, text))).collect()
}

/// Lines of prose that could be broken: not those of a block or a table, nor for a link's address.
fn wide_prose(path: &str, text: &str) -> Vec<String> {
    let mut is_in_block = false;
    let mut wide = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_in_block = !is_in_block;
        }
        let is_prose = !is_in_block && !line.starts_with('|');
        if is_prose && is_too_wide(&without_addresses(line)) {
            wide.push(format!("{path}:{}", at + 1));
        }
    }
    wide
}

/// A line without what stands in the brackets behind a link's text.
fn without_addresses(line: &str) -> String {
    let mut parts = line.split("](");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept += part.split_once(')').map_or("", |(_, behind)| behind);
    }
    kept
}

fn long_files(tree: &Tree) -> Vec<String> {
    let lengths = files(tree, "rs").map(|(path, text)| (text.lines().count(), path));
    let long = lengths.filter(|(length, _)| *length > LONGEST);
    long.map(|(length, path)| format!("{path}: {length} lines")).collect()
}

fn median(tree: &Tree) -> usize {
    let mut lengths: Vec<usize> = files(tree, "rs").map(|(_, text)| text.lines().count()).collect();
    lengths.sort_unstable();
    lengths[lengths.len() / 2]
}

#[test]
fn no_line_is_wider_than_the_page() {
    assert_none("lines have at most 100 characters", &wide_lines(&TREE));
}

#[test]
fn no_file_is_longer_than_one_can_read() {
    assert_none("files of Rust have at most 400 lines", &long_files(&TREE));
}

#[test]
fn most_files_are_short() {
    let median = median(&TREE);
    assert!(median < MEDIAN, "half of the files have {median} lines or more");
}

#[test]
fn a_planted_breach_of_each_measure_is_seen() {
    let wide = "é".repeat(WIDTH + 1);
    let fits = &wide[2..];
    let page = format!(
        "{wide}\n{fits}\n| {wide} |\n```\n{wide}\n```\n[a]({wide}) and [b]({wide})\n{fits} [a](b)"
    );
    let long = "\n".repeat(LONGEST + 1);
    let tree = planted(&[("a.rs", &wide), ("b.rs", &long), ("c.md", &page), ("d.rs", fits)]);
    assert_eq!(wide_lines(&tree), ["a.rs:1", "c.md:1", "c.md:8"]);
    assert_eq!(long_files(&tree), ["b.rs: 401 lines"]);
    assert_eq!(median(&tree), 1);
}
