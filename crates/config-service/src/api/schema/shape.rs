//! Puts shapes together.

use serde_json::{Value, json};

/// What a value looks like.
#[derive(Debug, Clone)]
pub(in crate::api) struct Shape(Value);

/// Shapes by name.
pub(in crate::api) type Shapes = Vec<(&'static str, Shape)>;

/// Returns the shape of this name.
pub(in crate::api) fn named(name: &str) -> Shape {
    Shape(json!({"$ref": format!("#/components/schemas/{name}")}))
}

/// Returns text.
pub(in crate::api) fn text() -> Shape {
    Shape(json!({"type": "string"}))
}

/// Returns text that is one of these words.
pub(in crate::api) fn one_of(words: &[&str]) -> Shape {
    text().with("enum", words)
}

/// Returns one word.
pub(in crate::api) fn fixed(word: &str) -> Shape {
    Shape(json!({"const": word}))
}

/// Returns a whole number.
pub(in crate::api) fn integer() -> Shape {
    Shape(json!({"type": "integer"}))
}

/// Returns a whole number that is not negative.
pub(in crate::api) fn count() -> Shape {
    integer().at_least(0)
}

/// Returns `true` or `false`.
pub(in crate::api) fn flag() -> Shape {
    Shape(json!({"type": "boolean"}))
}

/// Returns `null`.
pub(in crate::api) fn null() -> Shape {
    Shape(json!({"type": "null"}))
}

/// Returns a list.
pub(in crate::api) fn list_of(item: Shape) -> Shape {
    Shape(json!({"type": "array", "items": item.0}))
}

/// Returns an object of any names, each with a value of this shape.
pub(in crate::api) fn map_of(value: Shape) -> Shape {
    Shape(json!({"type": "object", "additionalProperties": value.0}))
}

/// Returns what has one of these shapes.
pub(in crate::api) fn any_of<const N: usize>(shapes: [Shape; N]) -> Shape {
    Shape(json!({"anyOf": Vec::from(shapes.map(Value::from))}))
}

/// Returns an object that has the fields that are added to it and no other.
pub(in crate::api) fn object() -> Shape {
    Shape(
        json!({"type": "object", "required": [], "properties": {}, "additionalProperties": false}),
    )
}

impl Shape {
    /// Returns an object of which nothing more is said.
    pub(in crate::api) fn any_object() -> Self {
        Self(json!({"type": "object"}))
    }

    /// Adds a field that is always there.
    pub(in crate::api) fn field(mut self, name: &str, shape: Shape) -> Self {
        self.0["required"].as_array_mut().expect("an object has required fields").push(name.into());
        self.optional(name, shape)
    }

    /// Adds a field that may be left out.
    pub(in crate::api) fn optional(mut self, name: &str, shape: Shape) -> Self {
        self.0["properties"][name] = shape.0;
        self
    }

    /// Adds another keyword of JSON Schema.
    pub(in crate::api) fn with(mut self, keyword: &str, value: impl Into<Value>) -> Self {
        self.0[keyword] = value.into();
        self
    }

    /// Says what it means.
    pub(in crate::api) fn described(self, description: &str) -> Self {
        self.with("description", description)
    }

    /// Text: of this regular expression.
    pub(in crate::api) fn pattern(self, pattern: &str) -> Self {
        self.with("pattern", pattern)
    }

    /// Text: of this form.
    pub(in crate::api) fn format(self, format: &str) -> Self {
        self.with("format", format)
    }

    /// Text: at least and at most of so many characters.
    pub(in crate::api) fn length(self, least: u32, most: u32) -> Self {
        self.with("minLength", least).with("maxLength", most)
    }

    /// A number: not less than this.
    pub(in crate::api) fn at_least(self, least: u32) -> Self {
        self.with("minimum", least)
    }

    /// A number: not more than this.
    pub(in crate::api) fn at_most(self, most: u32) -> Self {
        self.with("maximum", most)
    }

    /// A list: of at least so many items.
    pub(in crate::api) fn least_items(self, least: u32) -> Self {
        self.with("minItems", least)
    }

    /// A list: of at most so many items.
    pub(in crate::api) fn most_items(self, most: u32) -> Self {
        self.with("maxItems", most)
    }

    /// Allows `null` too.
    pub(in crate::api) fn or_null(self) -> Self {
        any_of([self, null()])
    }
}

impl From<Shape> for Value {
    fn from(shape: Shape) -> Self {
        shape.0
    }
}
