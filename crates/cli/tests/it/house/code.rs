//! What a source file says, read by `syn`: declared names, imports, paths and texts. Test code is
//! left out.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemUse, LitStr, Macro, UseTree, Visibility};

/// The segments of a path, such as `["crate", "ledger", "Run"]`.
pub(super) type Segments = Vec<String>;

/// What one module says outside its child modules.
#[derive(Default)]
pub(super) struct Code {
    /// The names of the items that are defined here.
    pub(super) items: BTreeSet<String>,
    /// The names that `use` brings in, and what they stand for.
    pub(super) imports: BTreeMap<String, Segments>,
    /// The modules of which `use` brings in everything.
    pub(super) globs: Vec<Segments>,
    /// Every path by which the code uses something. A re-export is no use: a `mod.rs` that only
    /// lists what its children define is a table of contents.
    pub(super) mentions: BTreeSet<Segments>,
    /// Every text in the code.
    pub(super) texts: Vec<String>,
}

/// Whether an item is compiled for tests only, by its attributes.
pub(super) fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = match &attribute.meta {
            syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string(),
            _ => String::new(),
        };
        let words: Vec<&str> = condition.split(|c: char| !c.is_alphanumeric()).collect();
        words.contains(&"test") && !words.contains(&"not")
    })
}

impl Code {
    /// Reads an item that is not a module.
    pub(super) fn read(&mut self, item: &Item) {
        self.items.extend(defined_name(item));
        self.visit_item(item);
    }

    fn read_use(&mut self, tree: &UseTree, before: &Segments, is_reexport: bool) {
        let with = |name: String| [before.as_slice(), &[name]].concat();
        match tree {
            UseTree::Path(path) => {
                self.read_use(&path.tree, &with(path.ident.to_string()), is_reexport);
            }
            UseTree::Name(name) => {
                self.import(name.ident.to_string(), with(name.ident.to_string()), is_reexport);
            }
            UseTree::Rename(rename) => {
                let path = with(rename.ident.to_string());
                self.import(rename.rename.to_string(), path, is_reexport);
            }
            UseTree::Glob(_) => {
                self.globs.push(before.clone());
                if !is_reexport {
                    self.mentions.insert(with("*".into()));
                }
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.read_use(tree, before, is_reexport);
                }
            }
        }
    }

    fn import(&mut self, mut name: String, mut path: Segments, is_reexport: bool) {
        if path.last().is_some_and(|last| last == "self") {
            path.pop();
            if name == "self" {
                name.clone_from(path.last().expect("`self` stands behind a module"));
            }
        }
        if !is_reexport {
            self.mentions.insert(path.clone());
        }
        self.imports.insert(name, path);
    }

    /// Reads what no parser sees: the tokens handed to a macro or an attribute.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path = Segments::new();
        let mut colons = 0;
        let mut is_after_dot = false;
        let mut key = String::new();
        for token in tokens {
            if let TokenTree::Ident(ident) = &token {
                let ident = ident.to_string();
                if colons != 2 {
                    self.end_path(&mut path);
                }
                if !is_after_dot {
                    path.push(ident.clone());
                }
                key = ident;
                (colons, is_after_dot) = (0, false);
                continue;
            }
            match &token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => self.read_tokens(group.stream()),
                TokenTree::Literal(literal) => self.read_literal(&literal.to_string(), &key),
                _ => {}
            }
            is_after_dot = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
            colons = 0;
            self.end_path(&mut path);
        }
        self.end_path(&mut path);
    }

    /// A text among tokens; serde names functions and types in texts behind these keys.
    fn read_literal(&mut self, literal: &str, key: &str) {
        let Ok(text) = syn::parse_str::<LitStr>(literal) else { return };
        if ["with", "default", "serialize_with", "deserialize_with"].contains(&key)
            && let Ok(path) = text.parse::<syn::Path>()
        {
            self.visit_path(&path);
        }
        self.texts.push(text.value());
    }

    fn end_path(&mut self, path: &mut Segments) {
        if !path.is_empty() {
            self.mentions.insert(std::mem::take(path));
        }
    }
}

impl<'ast> Visit<'ast> for Code {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test_only(attributes_of(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Fn(function) => &function.attrs,
            ImplItem::Const(constant) => &constant.attrs,
            _ => &Vec::new(),
        };
        if !is_test_only(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        self.read_use(&item.tree, &Segments::new(), is_reexport);
    }

    /// `pub(in crate::scheduler)` says who may use, and uses nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.mentions.insert(path.segments.iter().map(|part| part.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.visit_path(&called.path);
        self.read_tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.read_tokens(list.tokens.clone());
        }
    }

    fn visit_lit_str(&mut self, text: &'ast LitStr) {
        self.texts.push(text.value());
    }
}

fn defined_name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
