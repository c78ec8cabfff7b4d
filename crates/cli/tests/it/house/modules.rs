//! The modules of a crate, and which file a path leads to.

use std::collections::{BTreeMap, BTreeSet};

use syn::Item;

use super::code::{Code, is_test_only};
use super::tree::Tree;

/// A module: a file, or a part of one in braces.
pub(super) struct Module {
    pub(super) file: String,
    pub(super) code: Code,
    parent: usize,
    children: BTreeMap<String, usize>,
}

/// The modules of one crate without those for tests. The first is its root.
#[derive(Default)]
pub(super) struct Modules(Vec<Module>);

/// One module uses what another defines.
pub(super) struct Use<'a> {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) name: &'a str,
}

/// What a path leads to: a module itself, or an item that is defined in one.
enum Found {
    Module(usize),
    Item(usize),
}

impl Modules {
    /// Reads the crate whose root is this file.
    pub(super) fn read(tree: &Tree, root: &str) -> Self {
        let mut modules = Self::default();
        let folder = root.rsplit_once('/').expect("a crate's root is in `src`").0;
        modules.read_file(tree, root, folder, 0);
        modules
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Module> {
        self.0.iter()
    }

    /// Each use of another file: which module uses, which module defines, by which name.
    pub(super) fn uses(&self) -> Vec<Use<'_>> {
        let mut uses = Vec::new();
        for (from, module) in self.0.iter().enumerate() {
            for path in &module.code.mentions {
                let Some(to) = self.definer(from, path) else { continue };
                if self.0[to].file != module.file {
                    uses.push(Use { from, to, name: path.last().expect("a path has a name") });
                }
            }
        }
        uses
    }

    pub(super) fn file(&self, module: usize) -> &str {
        &self.0[module].file
    }

    /// The modules around this one, from the root of the crate down to itself.
    pub(super) fn line(&self, module: usize) -> Vec<usize> {
        let above = |&module: &usize| (module != 0).then(|| self.0[module].parent);
        let mut line: Vec<usize> = std::iter::successors(Some(module), above).collect();
        line.reverse();
        line
    }

    /// The module that defines what a path means in another one.
    fn definer(&self, from: usize, path: &[String]) -> Option<usize> {
        let mut seen = BTreeSet::new();
        match path.split_last()? {
            (last, before) if last == "*" => match self.resolve(from, before, &mut seen)? {
                // Everything of a table of contents is looked up name by name.
                Found::Module(module) if self.0[module].code.items.is_empty() => None,
                Found::Module(module) | Found::Item(module) => Some(module),
            },
            _ => match self.resolve(from, path, &mut seen)? {
                Found::Item(module) => Some(module),
                Found::Module(_) => None,
            },
        }
    }

    fn resolve(
        &self,
        from: usize,
        path: &[String],
        seen: &mut BTreeSet<(usize, String)>,
    ) -> Option<Found> {
        match path.split_first()? {
            (first, rest) if first == "crate" => self.look_up(0, rest, seen),
            (first, rest) if first == "self" => self.look_up(from, rest, seen),
            (first, _) if first == "super" => self.look_up(from, path, seen),
            _ => self.look_up(from, path, seen),
        }
    }

    /// Goes down from a module, through re-exports, to where the last name is defined.
    fn look_up(
        &self,
        at: usize,
        path: &[String],
        seen: &mut BTreeSet<(usize, String)>,
    ) -> Option<Found> {
        let Some((first, rest)) = path.split_first() else { return Some(Found::Module(at)) };
        let module = &self.0[at];
        if first == "super" {
            return self.look_up(module.parent, rest, seen);
        }
        let child = module.children.get(first);
        if let Some(&child) = child
            && !rest.is_empty()
        {
            // A name that nothing here defines, such as one made by a macro, counts as the child's.
            return self.look_up(child, rest, seen).or(Some(Found::Item(child)));
        }
        if module.code.items.contains(first) {
            return Some(Found::Item(at));
        }
        if let Some(import) = module.code.imports.get(first)
            && seen.insert((at, first.clone()))
            && let Some(found) = self.resolve(at, &[import, rest].concat(), seen)
        {
            return Some(found);
        }
        if let Some(&child) = child {
            return Some(Found::Module(child));
        }
        module.code.globs.iter().find_map(|glob| {
            if !seen.insert((at, format!("{}::* for {first}", glob.join("::")))) {
                return None;
            }
            match self.resolve(at, glob, seen)? {
                Found::Module(module) => self.look_up(module, path, seen),
                Found::Item(_) => None,
            }
        })
    }

    fn read_file(&mut self, tree: &Tree, file: &str, folder: &str, parent: usize) -> usize {
        let text = tree.get(file).unwrap_or_else(|| panic!("{file} is no file"));
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.read_items(tree, parsed.items, file, folder, parent)
    }

    /// Reads a module whose children lie in `folder`.
    fn read_items(
        &mut self,
        tree: &Tree,
        items: Vec<Item>,
        file: &str,
        folder: &str,
        parent: usize,
    ) -> usize {
        let at = self.0.len();
        let (code, children) = (Code::default(), BTreeMap::new());
        self.0.push(Module { file: file.into(), code, parent, children });
        for item in items {
            let Item::Mod(module) = item else {
                self.0[at].code.read(&item);
                continue;
            };
            if is_test_only(&module.attrs) {
                continue;
            }
            let name = module.ident.to_string();
            let below = format!("{folder}/{name}");
            let child = match module.content {
                Some((_, items)) => self.read_items(tree, items, file, &below, at),
                None => {
                    let beside = format!("{below}.rs");
                    let inside = format!("{below}/mod.rs");
                    let child = if tree.contains_key(&beside) { beside } else { inside };
                    self.read_file(tree, &child, &below, at)
                }
            };
            self.0[at].children.insert(name, child);
        }
        at
    }
}

/// The roots of the workspace's crates.
pub(super) fn roots(tree: &Tree) -> impl Iterator<Item = &str> {
    tree.keys().map(String::as_str).filter(|path| {
        let parts: Vec<&str> = path.split('/').collect();
        matches!(parts[..], ["crates", _, "src", "lib.rs" | "main.rs"])
    })
}
