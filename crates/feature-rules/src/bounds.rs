//! Limits what a schema may contain and cost, before it is compiled (W5).
//!
//! A schema is foreign code that runs at each write. It is accepted only if an upper bound of its
//! work is known and small. The bound is the size of the tree that the schema is when each
//! reference is replaced by what it leads to:
//!
//! ```text
//! {"properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#/$defs/x"}},
//!                  └─ a ─ x: 3 values         └─ b ─ x: 3 values
//!  "$defs": {"x": {"enum": [1, 2, 3]}}}   counted where a reference leads to it
//! ```
//!
//! A check applies each place of that tree at most once to each value of the overrides, so its
//! work is at most the product of the two sizes. For that the tree must be finite: a reference that
//! leads back to itself is refused. This also refuses schemas of unbounded nesting, which the
//! overrides of a template have no use for.
//!
//! References lead to schemas of the same document, by JSON Pointer. What could make them mean
//! another one is refused: `$dynamicRef`, and an `$id` below the root. (`$id` at the root is
//! dropped; nothing can refer to it.)

use std::collections::HashMap;

use cohort_preferences::{FieldError, Invalid, child_pointer as child};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// The most bytes of a schema's text.
const MOST_BYTES: usize = 64 * 1024;

/// The deepest nesting of a schema, as it stands and with its references replaced.
const DEEPEST: usize = 32;

/// The most places of a schema, with its references replaced.
const MOST_PLACES: u64 = 20_000;

/// The most regular expressions of a schema, with its references replaced.
const MOST_PATTERNS: u64 = 50;

/// The most bytes of a regular expression.
const LONGEST_PATTERN: usize = 500;

/// How many places a regular expression counts for: a byte of text may cost the largest that is
/// accepted 4 µs, which is what it costs other keywords to look at a thousand values.
const PLACES_OF_A_PATTERN: u64 = 1_000;

/// How often a schema with `unevaluatedProperties` or `unevaluatedItems` evaluates its parts, to
/// learn what they looked at. Measured: at most 3.3 times the work per level of nesting.
const TIMES_ASKED_AGAIN: u64 = 4;

/// The one dialect that is spoken.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Keywords that hold one schema.
const SCHEMA_KEYWORDS: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Keywords that hold a list of schemas.
const LIST_KEYWORDS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];

/// Keywords that hold schemas by name, and apply to an instance.
const MAP_KEYWORDS: [&str; 4] =
    ["dependencies", "dependentSchemas", "patternProperties", "properties"];

/// Keywords that hold schemas by name, for references to lead to.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// The size of a schema, with each reference replaced by what it leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Schemas, and the values of their keywords.
    pub(crate) places: u64,
    /// Regular expressions.
    patterns: u64,
    /// Schemas in schemas.
    depth: usize,
}

impl Size {
    /// The most work that a check has with one value, or one byte of text, of the overrides.
    pub(crate) fn work_per_value(self) -> u64 {
        self.places + self.patterns * PLACES_OF_A_PATTERN
    }
}

/// Returns the size of a schema. Each error names what is refused, by its pointer under `root`.
pub(crate) fn size_of_schema(schema: &Value, root: &str) -> Result<Size, Invalid> {
    let length = schema.to_string().len();
    if length > MOST_BYTES {
        return Err(Invalid::one(
            root,
            format!("expected a schema of at most {MOST_BYTES} bytes, got {length}"),
        ));
    }
    if depth_of(schema) > DEEPEST {
        return Err(Invalid::one(root, format!("expected a schema nested at most {DEEPEST} deep")));
    }
    let mut map = SchemaMap { root, ..SchemaMap::default() };
    map.refuse_other_dialects(schema);
    map.add(schema, root.to_owned());
    if !map.errors.is_empty() {
        return Err(Invalid(map.errors));
    }
    map.measure_all().map_err(|error| Invalid(vec![error]))
}

fn depth_of(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth_of).max().unwrap_or_default(),
        _ => 1,
    }
}

fn values_in(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(values_in).sum::<u64>(),
        Value::Object(fields) => 1 + fields.values().map(values_in).sum::<u64>(),
        _ => 1,
    }
}

/// Every schema of a document by its pointer, and where each leads.
#[derive(Default)]
struct SchemaMap<'a> {
    root: &'a str,
    schemas: Vec<Schema>,
    by_pointer: HashMap<String, usize>,
    errors: Vec<FieldError>,
}

struct Schema {
    pointer: String,
    /// Its own keywords, without the schemas in them.
    places: u64,
    /// Its own regular expressions.
    patterns: u64,
    /// Whether it evaluates its parts again, for what they have not looked at
    /// (`unevaluatedProperties`, `unevaluatedItems`).
    asks_again: bool,
    /// Schemas that are evaluated along with it.
    parts: Vec<usize>,
    /// The pointer of the schema that its `$ref` leads to.
    reference: Option<String>,
    state: State,
}

/// How far a schema is measured.
#[derive(Clone, Copy)]
enum State {
    New,
    /// Being measured: a reference that leads here again closes a circle.
    Open,
    Measured(Size),
}

impl SchemaMap<'_> {
    fn refuse_other_dialects(&mut self, schema: &Value) {
        if let Some(dialect) = schema.get("$schema").filter(|dialect| {
            dialect.as_str().map(|uri| uri.trim_end_matches('#')) != Some(DIALECT)
        }) {
            self.refuse(
                format!("{}/$schema", self.root),
                format!("expected {DIALECT:?}, got {dialect}"),
            );
        }
    }

    /// Adds a schema and all in it.
    fn add(&mut self, schema: &Value, pointer: String) -> usize {
        let index = self.schemas.len();
        self.by_pointer.insert(pointer.clone(), index);
        self.schemas.push(Schema {
            pointer: pointer.clone(),
            places: 1,
            patterns: 0,
            asks_again: false,
            parts: Vec::new(),
            reference: None,
            state: State::New,
        });
        let Value::Object(keywords) = schema else { return index };
        for (keyword, value) in keywords {
            self.add_keyword(index, keyword, value, &child(&pointer, keyword));
        }
        index
    }

    fn add_keyword(&mut self, index: usize, keyword: &str, value: &Value, pointer: &str) {
        match (keyword, value) {
            ("$ref", Value::String(reference)) => self.add_reference(index, reference, pointer),
            ("$dynamicRef" | "$recursiveRef", _) => {
                self.refuse(pointer.into(), "not allowed here; use $ref");
            }
            ("$id" | "$schema", _) if index > 0 => {
                self.refuse(pointer.into(), "allowed at the root of the schema only");
            }
            ("pattern", Value::String(pattern)) => self.add_pattern(index, pattern, pointer),
            (_, Value::Array(schemas))
                if LIST_KEYWORDS.contains(&keyword) || keyword == "items" =>
            {
                for (position, schema) in schemas.iter().enumerate() {
                    self.add_part(index, schema, child(pointer, &position.to_string()));
                }
            }
            (_, schema) if SCHEMA_KEYWORDS.contains(&keyword) => {
                self.schemas[index].asks_again |= keyword.starts_with("unevaluated");
                self.add_part(index, schema, pointer.into());
            }
            (_, Value::Object(schemas)) if MAP_KEYWORDS.contains(&keyword) => {
                self.add_named_parts(index, keyword, schemas, pointer);
            }
            (_, Value::Object(schemas)) if DEFINITIONS.contains(&keyword) => {
                for (name, schema) in schemas {
                    self.add(schema, child(pointer, name));
                }
            }
            _ => self.schemas[index].places += values_in(value),
        }
    }

    fn add_part(&mut self, index: usize, schema: &Value, pointer: String) {
        let part = self.add(schema, pointer);
        self.schemas[index].parts.push(part);
    }

    fn add_named_parts(
        &mut self,
        index: usize,
        keyword: &str,
        schemas: &Map<String, Value>,
        pointer: &str,
    ) {
        for (name, schema) in schemas {
            let pointer = child(pointer, name);
            if keyword == "patternProperties" {
                self.add_pattern(index, name, &pointer);
            }
            // `dependencies` may hold names of properties instead.
            match schema {
                Value::Array(names) => self.schemas[index].places += names.len() as u64,
                schema => self.add_part(index, schema, pointer),
            }
        }
    }

    fn add_pattern(&mut self, index: usize, pattern: &str, pointer: &str) {
        self.schemas[index].patterns += 1;
        if pattern.len() > LONGEST_PATTERN {
            self.refuse(
                pointer.into(),
                format!(
                    "expected a regular expression of at most {LONGEST_PATTERN} bytes, got {}",
                    pattern.len()
                ),
            );
        }
    }

    fn add_reference(&mut self, index: usize, reference: &str, pointer: &str) {
        let target = reference
            .strip_prefix('#')
            .and_then(|fragment| percent_decode_str(fragment).decode_utf8().ok());
        match target.filter(|target| target.is_empty() || target.starts_with('/')) {
            Some(target) => self.schemas[index].reference = Some(format!("{}{target}", self.root)),
            None => self.refuse(
                pointer.into(),
                format!(
                    "expected a reference into this schema, as \"#/$defs/name\", got {reference:?}"
                ),
            ),
        }
    }

    fn refuse(&mut self, pointer: String, detail: impl Into<String>) {
        self.errors.push(FieldError { pointer, detail: detail.into() });
    }

    /// Measures all schemas, also those that nothing leads to, and returns the size of the root.
    fn measure_all(&mut self) -> Result<Size, FieldError> {
        for index in 0..self.schemas.len() {
            self.measure(index, 0)?;
        }
        self.measure(0, 0)
    }

    fn measure(&mut self, index: usize, above: usize) -> Result<Size, FieldError> {
        let size = match self.schemas[index].state {
            State::Measured(size) => size,
            State::Open => return Err(self.broken(index, "leads back to itself")),
            State::New => {
                if above >= DEEPEST {
                    return Err(self.broken(
                        index,
                        &format!("nested more than {DEEPEST} deep, with its references replaced"),
                    ));
                }
                self.schemas[index].state = State::Open;
                let size = self.measure_parts(index, above)?;
                self.schemas[index].state = State::Measured(size);
                size
            }
        };
        if above + size.depth > DEEPEST {
            return Err(self.broken(
                index,
                &format!("nested more than {DEEPEST} deep, with its references replaced"),
            ));
        }
        if size.places > MOST_PLACES || size.patterns > MOST_PATTERNS {
            let detail = format!(
                "expected at most {MOST_PLACES} places and {MOST_PATTERNS} regular expressions, \
                 with references replaced"
            );
            return Err(self.broken(index, &detail));
        }
        Ok(size)
    }

    fn measure_parts(&mut self, index: usize, above: usize) -> Result<Size, FieldError> {
        let mut parts = self.schemas[index].parts.clone();
        if let Some(target) = self.schemas[index].reference.clone() {
            let Some(target) = self.by_pointer.get(&target) else {
                return Err(FieldError {
                    pointer: child(&self.schemas[index].pointer, "$ref"),
                    detail: "leads to no schema".into(),
                });
            };
            parts.push(*target);
        }
        let mut below = Size { places: 0, patterns: 0, depth: 0 };
        for part in parts {
            let size = self.measure(part, above + 1)?;
            below.places += size.places;
            below.patterns += size.patterns;
            below.depth = below.depth.max(size.depth);
        }
        let Schema { places, patterns, asks_again, .. } = self.schemas[index];
        let times = if asks_again { TIMES_ASKED_AGAIN } else { 1 };
        Ok(Size {
            places: places + times * below.places,
            patterns: patterns + times * below.patterns,
            depth: below.depth + 1,
        })
    }

    fn broken(&self, index: usize, detail: &str) -> FieldError {
        FieldError { pointer: self.schemas[index].pointer.clone(), detail: detail.into() }
    }
}
