//! No circle of modules: what a module uses never leads back to it.
//!
//! A use is an import or a path in the code, also in the arguments of a macro or an attribute. It
//! counts for the module that *defines* what is used, so that a `mod.rs` that lists what its
//! children define ties nothing together. `mod x;`, re-exports, visibilities, documentation and
//! test code are no uses.
//!
//! Two rules. Modules beside each other, each with all that is below it, use each other in one
//! direction: this is what lets a folder be read alone. And a module does not use its own children
//! if these use what it defines; the few that do are named in [`TIED_TO_THEIR_CHILDREN`]. Together
//! they leave no circle of files.
//!
//! Not seen: a method called by a dot, wherever its `impl` stands, a name inside the braces of a
//! format text, and a name that only a macro makes, which counts as its module's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::modules::{Modules, roots};
use super::tree::{TREE, Tree, assert_none, planted};

/// Modules that define what their children use, and use these. The list may only get shorter.
const TIED_TO_THEIR_CHILDREN: [&str; 0] = [];

/// Who uses whom, and one name by which it does.
type Graph<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>;

/// The uses between modules beside each other. A use deep in one of what is deep in the other
/// counts for the two that stand beside each other.
fn beside(modules: &Modules) -> Graph<'_> {
    let mut graph = Graph::new();
    for used in modules.uses() {
        let (from, to) = (modules.line(used.from), modules.line(used.to));
        let first_apart = from.iter().zip(&to).find(|(from, to)| from != to);
        // None is apart where one of the two is above the other.
        if let Some((&from, &to)) = first_apart {
            let uses = graph.entry(modules.file(from)).or_default();
            uses.entry(modules.file(to)).or_insert(used.name);
        }
    }
    graph
}

/// The uses between files.
fn between_files(modules: &Modules) -> Graph<'_> {
    let mut graph = Graph::new();
    for used in modules.uses() {
        let uses = graph.entry(modules.file(used.from)).or_default();
        uses.entry(modules.file(used.to)).or_insert(used.name);
    }
    graph
}

/// The shortest circle through each node, unless a node before it has named the same one.
fn circles(graph: &Graph) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for &node in graph.keys() {
        let Some(circle) = shortest_way_back(graph, node) else { continue };
        if seen.insert(circle.iter().copied().collect::<BTreeSet<_>>()) {
            circles.push(told(graph, &circle));
        }
    }
    circles
}

/// What lies on the shortest way from a node to itself, from that node on.
fn shortest_way_back<'a>(graph: &Graph<'a>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut before = BTreeMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(node) = open.pop_front() {
        for &next in graph.get(node).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let way = std::iter::successors(Some(node), |node| before.get(node).copied());
                let mut way: Vec<&str> = way.collect();
                way.reverse();
                return Some(way);
            }
            if !before.contains_key(next) {
                before.insert(next, node);
                open.push_back(next);
            }
        }
    }
    None
}

/// Such as `one -(Name)-> other -(Name)-> one`.
fn told(graph: &Graph, circle: &[&str]) -> String {
    let next = circle.iter().cycle().skip(1);
    let steps =
        circle.iter().zip(next).map(|(node, next)| format!(" -({})-> {next}", graph[node][next]));
    circle[..1].iter().map(|first| (*first).to_owned()).chain(steps).collect()
}

/// The files that use what is below them and is led back to them, with one such circle each.
fn tied(modules: &Modules) -> BTreeMap<&str, String> {
    let graph = between_files(modules);
    let mut tied = BTreeMap::new();
    for used in modules.uses() {
        let file = modules.file(used.from);
        if !modules.line(used.to).contains(&used.from) || tied.contains_key(file) {
            continue;
        }
        let child = modules.file(used.to);
        if let Some(way) = way_to(&graph, child, file) {
            tied.insert(file, told(&graph, &[&[file], way.as_slice()].concat()));
        }
    }
    tied
}

/// The nodes on a way from one to another, without the other.
fn way_to<'a>(graph: &Graph<'a>, from: &'a str, to: &'a str) -> Option<Vec<&'a str>> {
    let mut shortened = graph.clone();
    shortened.insert(to, BTreeMap::from([(from, "")]));
    let mut way = shortest_way_back(&shortened, to)?;
    way.remove(0);
    Some(way)
}

#[test]
fn modules_beside_each_other_use_each_other_in_one_direction() {
    let crates = roots(&TREE).map(|root| Modules::read(&TREE, root));
    let broken: Vec<String> = crates.flat_map(|modules| circles(&beside(&modules))).collect();
    assert_none("modules use each other in one direction", &broken);
}

#[test]
fn only_the_modules_that_are_named_are_tied_to_their_children() {
    let mut named = BTreeSet::from(TIED_TO_THEIR_CHILDREN);
    let mut broken = Vec::new();
    for root in roots(&TREE) {
        for (file, circle) in tied(&Modules::read(&TREE, root)) {
            if !named.remove(file) {
                broken.push(circle);
            }
        }
    }
    broken.extend(named.iter().map(|file| format!("{file} is tied no more: take it off the list")));
    assert_none("a module does not use children that use what it defines", &broken);
}

/// The circles of a crate with this root and these children: of those beside each other, and of
/// those above each other.
fn found(root: &str, files: &[(&str, &str)]) -> [Vec<String>; 2] {
    let mut tree: Tree = planted(files);
    tree.insert("src/lib.rs".into(), root.into());
    let modules = Modules::read(&tree, "src/lib.rs");
    [circles(&beside(&modules)), tied(&modules).into_values().collect()]
}

const NONE: [&str; 0] = [];

#[test]
fn two_files_that_import_each_other_are_a_circle() {
    let [beside, tied] = found(
        "mod a; mod b;",
        &[
            ("src/a.rs", "use crate::b::B; pub struct A(B);"),
            ("src/b.rs", "use super::a::A; pub struct B(A);"),
        ],
    );
    assert_eq!(beside, ["src/a.rs -(B)-> src/b.rs -(A)-> src/a.rs"]);
    assert_eq!(tied, NONE);
}

#[test]
fn a_circle_by_paths_in_the_code_or_in_a_macro_or_an_attribute_is_seen() {
    let uses_of_a = [
        "fn f() -> crate::a::A { todo!() }",
        "fn f() { g!(1, [crate::a::A]) }",
        "#[derive(Serialize)] struct S(#[serde(with = \"crate::a::A\")] u8);",
        "fn f() { use super::a; a::A::new() }",
    ];
    for use_of_a in uses_of_a {
        let b = format!("pub struct B; {use_of_a}");
        let files = [("src/a.rs", "pub struct A; fn f() { super::b::B; }"), ("src/b.rs", &b)];
        assert_eq!(found("mod a; mod b;", &files)[0].len(), 1, "{use_of_a}");
    }
}

#[test]
fn a_circle_over_three_folders_and_a_re_export_is_seen() {
    let [beside, _] = found(
        "mod a; mod b; mod c;",
        &[
            ("src/a/mod.rs", "mod one; mod two; pub use self::one::One;"),
            ("src/a/one.rs", "pub struct One;"),
            ("src/a/two.rs", "use crate::b::b;"),
            ("src/b.rs", "use crate::c; pub fn b() { c::c() }"),
            ("src/c.rs", "use crate::a::*; pub fn c(_: One) {}"),
        ],
    );
    let circle = "src/a/mod.rs -(b)-> src/b.rs -(c)-> src/c.rs -(One)-> src/a/mod.rs";
    assert_eq!(beside, [circle]);
}

#[test]
fn a_table_of_contents_makes_no_circle() {
    let circles = found(
        "mod a;",
        &[
            ("src/a/mod.rs", "mod x; mod y; pub use self::x::X; pub use self::y::Y;"),
            ("src/a/x.rs", "use super::Y; pub struct X(Y);"),
            ("src/a/y.rs", "pub struct Y;"),
        ],
    );
    assert_eq!(circles, [NONE; 2]);
}

#[test]
fn a_parent_that_uses_a_child_which_uses_what_the_parent_defines_is_tied() {
    let [beside, tied] = found(
        "mod a;",
        &[
            ("src/a/mod.rs", "mod x; mod y; use self::x::X; pub struct A(X);"),
            ("src/a/x.rs", "use super::y::Y; pub struct X(Y);"),
            ("src/a/y.rs", "use super::*; pub struct Y(Option<A>);"),
        ],
    );
    assert_eq!(beside, NONE);
    let way = "src/a/mod.rs -(X)-> src/a/x.rs -(Y)-> src/a/y.rs -(A)-> src/a/mod.rs";
    assert_eq!(tied, [way]);
}

#[test]
fn test_code_makes_no_circle() {
    let circles = found(
        "mod a; mod b;",
        &[
            ("src/a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }"),
            ("src/b.rs", "use crate::a::A; pub struct B(A); #[cfg(test)] use crate::a as _;"),
        ],
    );
    assert_eq!(circles, [NONE; 2]);
}
