//! Every answer of every test is held against the `OpenAPI` document: status, kind, headers and
//! shape.

use std::sync::LazyLock;

use axum::http::{Method, header};
use serde_json::{Value, json};

use crate::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../openapi.json")).expect("openapi.json is JSON")
});

/// Asserts that the answer is one that the document declares; routes outside the API and methods
/// that a route does not know are no business of it.
#[track_caller]
pub(crate) fn assert_declared(method: &Method, path: &str, answer: &Answer) {
    let Some(declared) = path.strip_prefix("/api/v1").and_then(|path| operation(method, path))
    else {
        return;
    };
    let what = format!("{method} {path} answered {}", answer.status);
    let declared = resolved(&declared["responses"][answer.status.as_str()]);
    assert!(declared.is_object(), "{what}, which is not declared");
    for name in declared["headers"].as_object().into_iter().flatten().map(|(name, _)| name) {
        assert!(
            answer.headers.contains_key(name.as_str()) || name == "Retry-After" || is_trial(path),
            "{what} without {name}"
        );
    }
    let Some(content) = declared["content"].as_object() else {
        assert!(answer.text.is_empty(), "{what} with a body");
        return;
    };
    let kind = answer.header(header::CONTENT_TYPE).expect("a body has a kind");
    let content = content.get(kind).unwrap_or_else(|| panic!("{what} as {kind}"));
    if matches!(kind, "application/json" | "application/problem+json") && method != Method::HEAD {
        assert_shape(&content["schema"], &answer.json(), &what);
    }
}

/// A dry run is not a version of anything.
fn is_trial(path: &str) -> bool {
    path.contains("dry_run=true")
}

fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let path = path.split('?').next()?;
    let paths = DOCUMENT["paths"].as_object()?.iter();
    let matching = paths.filter(|(template, _)| matches(template, path));
    // A route with a name in it is taken where none is spelled out.
    let (_, item) = matching.min_by_key(|(template, _)| template.matches('{').count())?;
    let method = if method == Method::HEAD { &Method::GET } else { method };
    item.get(method.as_str().to_lowercase())
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(path).all(|(part, given)| part.starts_with('{') || *part == given)
}

fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            DOCUMENT.pointer(reference.trim_start_matches('#')).expect("references lead somewhere")
        }
        None => value,
    }
}

#[track_caller]
fn assert_shape(schema: &Value, answer: &Value, what: &str) {
    let mut root = json!({"components": DOCUMENT["components"]});
    root.as_object_mut().expect("an object").extend(schema.as_object().expect("a schema").clone());
    let validator = jsonschema::validator_for(&root).expect("a schema that can be used");
    let errors: Vec<_> = validator
        .iter_errors(answer)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}\n{answer:#}");
}
