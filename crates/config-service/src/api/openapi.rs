//! The `OpenAPI` 3.1 document, made from the routes as they are mounted.
//!
//! What an operation says of itself stands at its handler. What all say alike is added here: the
//! path's parameters by their names, the answers that any request may get, and what W2 makes of an
//! operation: one that may answer 304 or 412 carries versions, so it answers with an `ETag` and
//! reads `If-None-Match`, and with 412 `If-Match` too.

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use super::schema::{Shapes, named};

/// The methods whose operations a path item holds.
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// Parameters by name: their shape, and what they say where the handler says nothing.
const PARAMETERS: [(&str, &str, &str); 18] = [
    ("tenant_id", "TenantId", "The user."),
    ("feature_type", "FeatureType", "Of which feature."),
    ("config_key", "ConfigKey", "Which document."),
    ("frequency", "GroupFrequency", "The group's frequency."),
    ("time_key", "TimeKey", "The group's time key, percent-encoded."),
    ("timezone", "GroupTimezone", "The group's zone."),
    ("id", "KeyId", "Which key."),
    ("as_of", "Instant", "As of which instant."),
    ("cursor", "Cursor", "Where the page before ended."),
    ("since_id", "Since", "Only changes behind this position."),
    ("label", "LabelFilter", "A label."),
    ("If-Match", "EntityTags", "Only if one of these versions is there."),
    ("If-None-Match", "EntityTags", "Only if none of these versions is there; * if nothing is."),
    ("q", "", ""),
    ("wait", "", ""),
    ("limit", "", ""),
    ("repair", "", ""),
    ("dry_run", "", ""),
];

/// Statuses that requests may get whatever they ask for.
const ANY: [(u16, &str); 6] = [
    (400, "A parameter, a header or the syntax of the body cannot be read"),
    (401, "No key, or one that is not known, has expired or was revoked"),
    (403, "Whoever asks may not do this"),
    (429, "Too many requests: Retry-After says when to ask again"),
    (500, "A defect: the log says more"),
    (
        503,
        "Not now: the database is away or busy, the service ends, or the instant asked for is not \
         settled. The detail says why and whether something may have been stored; Retry-After says \
         when to ask again",
    ),
];

/// Statuses that requests with a body may get.
const WITH_BODY: [(u16, &str); 2] = [
    (413, "The body is too large"),
    (422, "The body breaks the rules: each field that does is named"),
];

/// Returns the document of these routes and shapes, pretty, with a line end at the end.
pub(super) fn document(routes: OpenApi, shapes: Shapes) -> String {
    let mut document = serde_json::to_value(routes).expect("a document is always JSON");
    document["info"] = json!({
        "title": "Cohort Config Database",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "What users prefer, in which groups that puts them, and who was in a group \
            at any instant.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    document["servers"] = json!([{"url": super::auth::BASE}]);
    document["security"] = json!([{"key": []}]);
    document["components"] = json!({
        "schemas": schemas(shapes),
        "responses": responses(),
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer",
            "description": "An API key; on some routes a signed link."}},
    });
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item
            .as_object_mut()
            .into_iter()
            .flatten()
            .filter(|(method, _)| METHODS.contains(&method.as_str()))
        {
            complete(path, method, operation);
        }
    }
    format!("{document:#}\n")
}

fn schemas(shapes: Shapes) -> Value {
    shapes.into_iter().map(|(name, shape)| (name.to_owned(), Value::from(shape))).collect()
}

fn responses() -> Value {
    let named =
        ANY.iter().chain(&WITH_BODY).chain(&[(409, CONFLICT)]).map(|(status, description)| {
            let mut problem = problem(description);
            if matches!(status, 429 | 503) {
                problem["headers"] = json!({"Retry-After": {"description": "Seconds.",
                "schema": {"type": "integer", "minimum": 0}}});
            }
            (format!("Problem{status}"), problem)
        });
    Value::Object(named.collect())
}

/// Any write may be refused so.
const CONFLICT: &str = "The database takes no writes, or what is asked contradicts what is there";

fn problem(description: &str) -> Value {
    json!({"description": description,
        "content": {"application/problem+json": {"schema": Value::from(named("Problem"))}}})
}

fn complete(path: &str, method: &str, operation: &mut Value) {
    if let Some(Value::String(description)) = operation.get_mut("description") {
        // Where a line of a comment ends says nothing.
        *description = description.replace('\n', " ");
    }
    let has_body = operation.get("requestBody").is_some();
    loosen_lines(operation);
    let answers =
        operation["responses"].as_object_mut().expect("every handler says what it answers");
    let (is_read, is_written) = (answers.contains_key("304"), answers.contains_key("412"));
    for (status, answer) in answers.iter_mut() {
        if status.as_str() >= "400" {
            *answer = problem(answer["description"].as_str().unwrap_or_default());
        } else if is_read || is_written {
            answer["headers"] = json!({"ETag": {"schema": Value::from(named("EntityTag"))}});
        }
    }
    let mut add = |status: u16| {
        let reference = json!({"$ref": format!("#/components/responses/Problem{status}")});
        answers.entry(status.to_string()).or_insert(reference);
    };
    let with_body = WITH_BODY.iter().filter(|_| has_body);
    for (status, _) in ANY.iter().chain(with_body) {
        add(*status);
    }
    if method != "get" {
        add(409);
    }
    answers.sort_keys();
    let parameters = parameters(path, operation, (is_read, is_written));
    operation["parameters"] = parameters;
}

/// Lets a body of JSON Lines be anything: each line has its own result, so that nothing that is
/// sent is wrong as a whole. No lines are lines, too.
fn loosen_lines(operation: &mut Value) {
    let Some(body) = operation.get_mut("requestBody") else { return };
    if body["content"].get("application/x-ndjson").is_some() {
        body["required"] = false.into();
        body["content"]["application/x-ndjson"]["schema"] = json!({});
    }
}

fn parameters(path: &str, operation: &Value, (is_read, is_written): (bool, bool)) -> Value {
    let of_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let of_path = of_path.map(|name| json!({"name": name, "in": "path", "required": true}));
    let of_query = operation["parameters"].as_array().cloned().unwrap_or_default();
    let header = |name: &str| json!({"name": name, "in": "header", "required": false});
    let if_match = is_written.then(|| header("If-Match"));
    let if_none_match = (is_read || is_written).then(|| header("If-None-Match"));
    of_path.chain(of_query).chain(if_match).chain(if_none_match).map(with_shape).collect()
}

fn with_shape(mut parameter: Value) -> Value {
    let name = parameter["name"].as_str().unwrap_or_default().to_owned();
    let Some((_, shape, says)) = PARAMETERS.iter().find(|(known, ..)| *known == name) else {
        unreachable!("the parameter {name} has no shape: give it one");
    };
    let fields: &mut Map<String, Value> =
        parameter.as_object_mut().expect("a parameter is an object");
    if !shape.is_empty() {
        fields.insert("schema".into(), named(shape).into());
        fields.entry("description").or_insert_with(|| (*says).into());
    } else if let Some(kind) = fields
        .get_mut("schema")
        .and_then(Value::as_object_mut)
        .and_then(|schema| schema.get_mut("type"))
    {
        // A query has no null: what is not said is left out.
        if let Some(first) =
            kind.as_array().and_then(|kinds| kinds.iter().find(|kind| *kind != "null")).cloned()
        {
            *kind = first;
        }
    }
    parameter
}
