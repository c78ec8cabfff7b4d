//! The reference page at `/docs`: the `OpenAPI` document as a person reads it, rendered here. It
//! asks nothing of the network, runs no script, and the browser is told to allow neither.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;
use serde_json::Value;

use super::access::Access;
use super::routes::DOCUMENT;
use crate::key::Scope;

/// What the browser may load: the page's own style.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

static PAGE: LazyLock<String> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(&DOCUMENT).expect("the document is JSON");
    render(&document)
});

/// Operations that belong together.
#[derive(Serialize)]
struct Section {
    name: String,
    operations: Vec<Operation>,
}

#[derive(Serialize)]
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    scopes: Vec<&'static str>,
    is_open_to_links: bool,
    parameters: Vec<Parameter>,
    body: Option<String>,
    answers: Vec<Answer>,
}

#[derive(Serialize)]
struct Parameter {
    name: String,
    place: String,
    is_required: bool,
    shape: String,
    description: String,
}

#[derive(Serialize)]
struct Answer {
    status: String,
    description: String,
    shape: Option<String>,
}

/// A shape by name, as JSON Schema.
#[derive(Serialize)]
struct Shape {
    name: String,
    schema: String,
}

/// Returns the reference page.
pub(super) async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, PAGE.as_str()).into_response()
}

/// Its style.
pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("docs.css")).into_response()
}

fn render(document: &Value) -> String {
    let mut pages = Environment::new();
    // The name's ending makes it escape what it is given.
    pages
        .add_template("docs.html", include_str!("docs.html"))
        .expect("the template is part of the program");
    let page = pages.get_template("docs.html").expect("added just above");
    let values = context! {
        info => Serde(&document["info"]),
        base => super::auth::BASE,
        sections => Serde(sections(document)),
        shapes => Serde(shapes(document)),
    };
    page.render(values).expect("the template fits what it is given: a test renders it")
}

fn sections(document: &Value) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let name = text(&operation["tags"][0]);
            let operation = self::operation(document, path, method, operation);
            match sections.iter_mut().find(|section| section.name == name) {
                Some(section) => section.operations.push(operation),
                None => sections.push(Section { name, operations: vec![operation] }),
            }
        }
    }
    sections
}

fn operation(document: &Value, path: &str, method: &str, operation: &Value) -> Operation {
    let method = method.to_uppercase();
    let access = Access::to(&method, path);
    Operation {
        id: text(&operation["operationId"]),
        summary: text(&operation["summary"]),
        description: text(&operation["description"]),
        scopes: access
            .into_iter()
            .flat_map(|access| access.scopes)
            .copied()
            .map(Scope::as_str)
            .collect(),
        is_open_to_links: access.is_some_and(|access| access.is_open_to_links),
        parameters: operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(parameter)
            .collect(),
        body: shape_of_content(&operation["requestBody"]),
        answers: operation["responses"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(status, answer)| self::answer(document, status, answer))
            .collect(),
        method,
        path: path.to_owned(),
    }
}

fn parameter(parameter: &Value) -> Parameter {
    Parameter {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        is_required: parameter["required"] == true,
        shape: name_of_shape(&parameter["schema"]),
        description: text(&parameter["description"]),
    }
}

fn answer(document: &Value, status: &str, answer: &Value) -> Answer {
    let answer = answer["$ref"]
        .as_str()
        .and_then(|reference| document.pointer(reference.trim_start_matches('#')))
        .unwrap_or(answer);
    Answer {
        status: status.to_owned(),
        description: text(&answer["description"]),
        shape: shape_of_content(answer),
    }
}

/// Returns what the first kind of a body or answer looks like.
fn shape_of_content(holder: &Value) -> Option<String> {
    let (_, content) = holder["content"].as_object()?.iter().next()?;
    Some(name_of_shape(&content["schema"]))
}

/// Returns the name of a shape that is referred to, or the type of one that is not.
fn name_of_shape(schema: &Value) -> String {
    match schema["$ref"].as_str() {
        Some(reference) => reference.rsplit('/').next().unwrap_or_default().to_owned(),
        None => text(&schema["type"]),
    }
}

fn shapes(document: &Value) -> Vec<Shape> {
    let shapes = document["components"]["schemas"].as_object().into_iter().flatten();
    shapes
        .map(|(name, schema)| Shape { name: name.clone(), schema: format!("{schema:#}") })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_operation_and_loads_nothing_foreign() {
        for (method, path) in Access::routes() {
            let shown = path.replace('/', "&#x2f;");
            assert!(
                PAGE.contains(&format!(
                    "<span class=\"method\">{method}</span> <code>{shown}</code>"
                )),
                "{method} {path}"
            );
        }
        assert!(
            !PAGE.contains("http://") && !PAGE.contains("https://") && !PAGE.contains("<script"),
            "nothing foreign, no script"
        );
    }

    #[test]
    fn every_shape_that_is_named_stands_on_the_page() {
        let targets = PAGE.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next());
        let missing: Vec<_> =
            targets.filter(|target| !PAGE.contains(&format!("id=\"{target}\""))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
