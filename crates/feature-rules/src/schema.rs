//! The JSON Schema of a feature's `template_overrides`, compiled (W1, W5).
//!
//! JSON Schema 2020-12, without remote or file references (`bounds` refuses them, and the validator
//! is built without what could load them) and without backtracking regular expressions. `format` is
//! an annotation, as the specification has it by default, and refuses nothing.

use cohort_preferences::{FieldError, Invalid, child_pointer};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;

use crate::bounds::{self, Size};

/// The most bytes of a compiled regular expression.
const MOST_PATTERN_BYTES: usize = 64 * 1024;

/// The most errors that are named.
const MOST_ERRORS: usize = 20;

/// The most work of a check, in places of the schema times size of the overrides. Measured with the
/// worst schemas and texts that were found: 0.2 s on one core for regular expressions that no
/// automaton makes faster, 0.01 s without.
const MOST_WORK: u64 = 50_000_000;

/// The most work of a check that goes on to collect all errors, which evaluates parts of the schema
/// again.
const MOST_WORK_FOR_ERRORS: u64 = 5_000_000;

/// The most errors that a check may collect. Each is kept in memory; 200,000 take 60 MB.
const MOST_ERRORS_KEPT: u64 = 200_000;

/// The most bytes of one error's text that repeats what was sent, and the most characters of any.
const LONGEST_DETAIL: usize = 300;

/// A compiled schema.
#[derive(Debug, Clone)]
pub(crate) struct OverridesSchema {
    validator: Validator,
    size: Size,
}

impl OverridesSchema {
    /// Compiles a schema that stands at `pointer` in the request.
    pub(crate) fn compile(schema: &Value, pointer: &str) -> Result<Self, Invalid> {
        let size = bounds::size_of_schema(schema, pointer)?;
        refuse_what_is_no_schema(schema, pointer)?;
        let mut schema = schema.clone();
        if let Some(keywords) = schema.as_object_mut() {
            keywords.shift_remove("$id");
        }
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(false)
            .with_pattern_options(
                PatternOptions::regex()
                    .size_limit(MOST_PATTERN_BYTES)
                    .dfa_size_limit(MOST_PATTERN_BYTES),
            )
            .build(&schema)
            .map_err(|error| {
                Invalid::one(format!("{pointer}{}", error.schema_path()), not_compiled(&error))
            })?;
        Ok(Self { validator, size })
    }

    /// Checks whether the overrides, which stand at `pointer`, fit the schema. Returns at most 20
    /// errors.
    pub(crate) fn check(&self, overrides: &Value, pointer: &str) -> Result<(), Invalid> {
        let (values, bytes) = size_of(overrides);
        let work = self.size.work_per_value() * (values + bytes);
        if work > MOST_WORK {
            return Err(Invalid::one(pointer, "too large to be checked by the feature's schema"));
        }
        if self.validator.is_valid(overrides) {
            return Ok(());
        }
        if work > MOST_WORK_FOR_ERRORS || self.size.places * values > MOST_ERRORS_KEPT {
            return Err(Invalid::one(
                pointer,
                "does not fit the feature's schema, and is too large to say where",
            ));
        }
        let errors = self
            .validator
            .iter_errors(overrides)
            .flat_map(|error| named(&error, pointer))
            .take(MOST_ERRORS);
        Err(Invalid(errors.collect()))
    }
}

fn refuse_what_is_no_schema(schema: &Value, pointer: &str) -> Result<(), Invalid> {
    let validator = jsonschema::draft202012::meta::validator();
    let errors: Vec<_> = validator
        .iter_errors(schema)
        .flat_map(|error| named(&error, pointer))
        .take(MOST_ERRORS)
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(Invalid(errors)) }
}

fn not_compiled(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Format { format } if format == "regex" => {
            "expected a regular expression without look-around and back-references, and not too \
             large"
                .into()
        }
        _ => text_of(error),
    }
}

/// Returns the fields that an error is about. A missing or unexpected field is named itself, rather
/// than the object that it belongs to.
fn named(error: &ValidationError<'_>, pointer: &str) -> Vec<FieldError> {
    let place = format!("{pointer}{}", error.instance_path());
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|name| FieldError {
                pointer: child_pointer(&place, name),
                detail: "not allowed by the feature's schema".into(),
            })
            .collect(),
        ValidationErrorKind::Required { property: Value::String(name) } => {
            vec![FieldError {
                pointer: child_pointer(&place, name),
                detail: "missing: the feature's schema requires it".into(),
            }]
        }
        _ => vec![FieldError { pointer: place, detail: text_of(error) }],
    }
}

/// Puts the error into words. Repeats the value that was sent only where that is short.
fn text_of(error: &ValidationError<'_>) -> String {
    let repeating = error.to_string();
    if repeating.len() <= LONGEST_DETAIL {
        return repeating;
    }
    let masked = error.masked().to_string();
    match masked.char_indices().nth(LONGEST_DETAIL) {
        Some((end, _)) => format!("{}…", &masked[..end]),
        None => masked,
    }
}

/// Counts the values, and the bytes of text.
fn size_of(value: &Value) -> (u64, u64) {
    let sum = |(values, bytes): (u64, u64), (more_values, more_bytes)| {
        (values + more_values, bytes + more_bytes)
    };
    match value {
        Value::String(text) => (1, text.len() as u64),
        Value::Array(items) => items.iter().map(size_of).fold((1, 0), sum),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| sum(size_of(value), (0, name.len() as u64)))
            .fold((1, 0), sum),
        _ => (1, 0),
    }
}
