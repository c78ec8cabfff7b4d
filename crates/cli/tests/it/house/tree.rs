//! The files of the repository.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use walkdir::{DirEntry, WalkDir};

/// What is no part of the sources, wherever it lies.
const SKIPPED: [&str; 5] = ["target", ".git", "cohort-demo", "node_modules", "__pycache__"];

/// The path of each file, with `/` and relative to the root, and its text; empty if it has none.
pub(super) type Tree = BTreeMap<String, String>;

/// The repository, read once.
pub(super) static TREE: LazyLock<Tree> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let is_kept = |entry: &DirEntry| !SKIPPED.iter().any(|name| entry.file_name() == *name);
    WalkDir::new(&root)
        .into_iter()
        .filter_entry(is_kept)
        .map(|entry| entry.expect("the tree can be listed"))
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(&root).expect("below the root");
            // A file that is no text, such as a picture, has a name all the same.
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            (path.to_str().expect("paths are UTF-8").replace('\\', "/"), text)
        })
        .collect()
});

/// A tree of these files, for trying a rule.
pub(super) fn planted(files: &[(&str, &str)]) -> Tree {
    files.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())).collect()
}

/// Whether a file is of this kind, such as `rs`.
pub(super) fn is_kind(path: &str, kind: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == kind)
}

/// The files of a kind.
pub(super) fn files<'a>(tree: &'a Tree, kind: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    tree.iter()
        .filter(move |(path, _)| is_kind(path, kind))
        .map(|(path, text)| (path.as_str(), text.as_str()))
}

/// Fails with a list of what breaks the rule, if anything does.
pub(super) fn assert_none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}; {} do not:\n  {}", broken.len(), broken.join("\n  "));
}
