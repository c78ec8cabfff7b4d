//! What nobody should register: refused with the place named, or harmless (W5).

use cohort_feature_rules::FeatureRules;
use cohort_preferences::{FeatureDefinition, Invalid, Labels, Preference};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn compile(schema: &Value) -> Result<FeatureRules, Invalid> {
    FeatureRules::compile(&FeatureDefinition {
        schema: Some(schema.clone()),
        ..FeatureDefinition::default()
    })
}

/// The pointers of what is refused of a schema.
fn refused(schema: &Value) -> Vec<String> {
    compile(schema)
        .err()
        .into_iter()
        .flat_map(|invalid| invalid.0)
        .map(|field| field.pointer)
        .collect()
}

fn accepts(schema: &Value, overrides: &Value) -> bool {
    let preference = Preference {
        template_overrides: overrides.as_object().expect("an object").clone(),
        ..Preference::default()
    };
    compile(schema).expect("accepted").check(&preference, &Labels::default(), "").is_ok()
}

/// Schemas `d0`, `d1`, … of which each asks the next as `link` says.
fn chain(length: usize, link: impl Fn(Value) -> Value) -> Value {
    let mut defs: Map<String, Value> =
        (0..length).map(|index| (format!("d{index}"), link(reference(index + 1)))).collect();
    defs.insert(format!("d{length}"), json!({"type": "array"}));
    json!({"properties": {"x": reference(0)}, "$defs": defs})
}

fn reference(index: usize) -> Value {
    json!({"$ref": format!("#/$defs/d{index}")})
}

#[test]
fn no_reference_leaves_the_schema() {
    for elsewhere in [
        "https://example.com/s",
        "http://127.0.0.1/s#/x",
        "file:///etc/passwd",
        "other.json",
        "urn:x",
        "//h/s",
        "#anchor",
        "?q",
    ] {
        assert_eq!(
            refused(&json!({"properties": {"a": {"$ref": elsewhere}}})),
            ["/schema/properties/a/$ref"],
            "{elsewhere}"
        );
    }
    assert_eq!(
        refused(&json!({"$ref": "https://json-schema.org/draft/2020-12/schema"})),
        ["/schema/$ref"]
    );
}

#[test]
fn no_identifier_makes_a_reference_mean_another_schema() {
    assert_eq!(
        refused(&json!({"$defs": {"a": {"$id": "http://example.com/"}}})),
        ["/schema/$defs/a/$id"]
    );
    assert_eq!(refused(&json!({"$dynamicRef": "#a"})), ["/schema/$dynamicRef"]);
    assert_eq!(refused(&json!({"items": {"$recursiveRef": "#"}})), ["/schema/items/$recursiveRef"]);
    let named_as_the_meta_schema = json!({
        "$id": "https://json-schema.org/draft/2020-12/schema",
        "properties": {"a": {"$ref": "#/$defs/b"}},
        "$defs": {"b": {"type": "string"}}
    });
    assert!(accepts(&named_as_the_meta_schema, &json!({"a": "x"})));
    assert!(!accepts(&named_as_the_meta_schema, &json!({"a": 1})));
    assert!(
        refused(&json!({"$id": "http://["})).is_empty(),
        "an identifier at the root is never looked at"
    );
}

#[test]
fn a_reference_leads_to_a_schema_and_to_nothing_else() {
    let hidden = json!({"$ref": "#/const", "const": {"$ref": "file:///etc/passwd"}});
    assert_eq!(refused(&hidden), ["/schema/$ref"]);
    for nowhere in [
        "#/$defs/none",
        "#/$defs",
        "#/properties",
        "#/enum/0",
        "#/x-unknown/a",
        "#/allOf/00",
        "#/allOf/-",
    ] {
        let schema = json!({
            "properties": {"a": {"$ref": nowhere}}, "$defs": {}, "enum": [{}],
            "x-unknown": {"a": {}}, "allOf": [{}]
        });
        assert_eq!(refused(&schema), ["/schema/properties/a/$ref"], "{nowhere}");
    }
    let encoded = json!({"properties": {"a": {"$ref": "#/$defs/b%20~1%25"}},
        "$defs": {"b /%": {"type": "string"}}});
    assert!(accepts(&encoded, &json!({"a": "x"})));
    assert!(!accepts(&encoded, &json!({"a": 1})));
}

#[test]
fn properties_that_are_named_like_keywords_are_properties() {
    let schema = json!({"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"},
        "pattern": {"type": "integer"}}});
    assert!(accepts(&schema, &json!({"$ref": "https://example.com", "$id": "x", "pattern": 1})));
    assert!(!accepts(&schema, &json!({"pattern": "("})));
}

#[test]
fn references_in_a_circle_are_refused_wherever_they_stand() {
    assert_eq!(refused(&json!({"$ref": "#"})), ["/schema"]);
    assert_eq!(refused(&json!({"properties": {"a": {"$ref": "#"}}})), ["/schema"]);
    assert_eq!(
        refused(
            &json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"items": {"$ref": "#/$defs/a"}}}})
        ),
        ["/schema/$defs/a"]
    );
    for keyword in [
        "additionalProperties",
        "not",
        "if",
        "items",
        "contains",
        "propertyNames",
        "unevaluatedItems",
        "contentSchema",
    ] {
        assert_eq!(refused(&json!({keyword: {"$ref": "#"}})), ["/schema"], "{keyword}");
    }
    for keyword in ["allOf", "anyOf", "oneOf", "prefixItems"] {
        assert_eq!(refused(&json!({keyword: [true, {"$ref": "#"}]})), ["/schema"], "{keyword}");
    }
    for keyword in ["properties", "patternProperties", "dependentSchemas", "dependencies"] {
        assert_eq!(refused(&json!({keyword: {"a": {"$ref": "#"}}})), ["/schema"], "{keyword}");
    }
}

#[test]
fn a_definition_that_nothing_leads_to_may_lead_to_the_root() {
    assert!(accepts(&json!({"type": "object", "$defs": {"a": {"$ref": "#"}}}), &json!({"x": 1})));
}

#[test]
fn references_that_multiply_are_refused_before_they_are_followed() {
    assert_eq!(
        refused(&chain(14, |next| json!({"allOf": [next.clone(), next.clone(), next]}))).len(),
        1
    );
    assert_eq!(refused(&chain(1_000, |next| next)).len(), 1);
    assert!(!accepts(&chain(9, |next| json!({"allOf": [next.clone(), next]})), &json!({"x": 1})));
}

#[test]
fn only_the_dialect_of_2020_12_is_spoken() {
    for foreign in [
        json!("http://json-schema.org/draft-07/schema#"),
        json!("https://example.com/dialect"),
        json!(1),
    ] {
        assert_eq!(refused(&json!({"$schema": foreign})), ["/schema/$schema"]);
    }
    assert_eq!(
        refused(&json!({"items": {"$schema": "http://json-schema.org/draft-04/schema#"}})),
        ["/schema/items/$schema"]
    );
}

#[test]
fn what_is_no_schema_is_named_place_by_place() {
    assert_eq!(
        refused(&json!({"type": "strin", "properties": {"a": {"minimum": "x"}}})),
        ["/schema/properties/a/minimum", "/schema/type"]
    );
    assert_eq!(refused(&json!({"required": "a"})), ["/schema/required"]);
}

#[test]
fn regular_expressions_are_linear_and_small() {
    for hostile in
        ["(?=x)a", "(?!x)a", "(?<=x)a", "(a)\\1", "(", "(a{1000}){1000}", "(((a{30}){30}){30})"]
    {
        assert_eq!(
            refused(&json!({"properties": {"a": {"pattern": hostile}}})),
            ["/schema/properties/a/pattern"],
            "{hostile}"
        );
        assert_eq!(refused(&json!({"patternProperties": {hostile: true}})).len(), 1, "{hostile}");
    }
    assert_eq!(refused(&json!({"pattern": "a".repeat(501)})), ["/schema/pattern"]);
    assert_eq!(refused(&json!({"allOf": vec![json!({"pattern": "a+b"}); 51]})), ["/schema"]);
    for usual in [
        "^[\\w-]{1,64}$",
        "^#[0-9a-fA-F]{6}$",
        "^\\p{L}+$",
        "^[^@ ]+@[^@ ]+\\.[a-z]{2,}$",
        "^\\d{4}-\\d{2}$",
    ] {
        assert_eq!(refused(&json!({"pattern": usual})), Vec::<String>::new(), "{usual}");
    }
    // Backtracking would not end before the stars go out.
    assert!(!accepts(
        &json!({"properties": {"a": {"pattern": "^(a|a)*$"}}}),
        &json!({"a": format!("{}b", "a".repeat(5_000))})
    ));
}

#[test]
fn size_and_depth_are_bounded() {
    assert_eq!(refused(&json!({"description": "x".repeat(64 * 1024)})), ["/schema"]);
    let nested = |depth: usize| (0..depth).fold(json!(true), |schema, _| json!({"not": schema}));
    assert_eq!(refused(&nested(32)), ["/schema"]);
    assert!(refused(&nested(31)).is_empty());
}

#[test]
fn overrides_that_would_cost_too_much_are_refused_unchecked() {
    let schema = json!({"properties": {"t": {"items": {"enum": (0..9_000).collect::<Vec<_>>()}}}});
    assert!(accepts(&schema, &json!({"t": vec![1; 4_000]})));
    assert!(!accepts(&schema, &json!({"t": vec![1; 6_000]})));
    assert!(
        !accepts(&schema, &json!({"t": vec![-1; 4_000]})),
        "and no error is looked for in 36 million places"
    );
}

#[test]
fn errors_are_not_looked_for_where_that_would_cost_too_much() {
    let schema = json!({"properties": {"t": {"pattern": "^(a|b)*c$"}}});
    let detail = |length: usize| {
        let overrides = Map::from_iter([("t".into(), Value::from("a".repeat(length)))]);
        let preference = Preference { template_overrides: overrides, ..Preference::default() };
        let Invalid(fields) = compile(&schema)
            .expect("accepted")
            .check(&preference, &Labels::default(), "")
            .expect_err("refused");
        (fields[0].pointer.clone(), fields[0].detail.clone())
    };
    assert_eq!(detail(4_000).0, "/template_overrides/t");
    let too_large = "does not fit the feature's schema, and is too large to say where";
    assert_eq!(detail(6_000), ("/template_overrides".into(), too_large.into()));
}

proptest! {
    /// Whatever a schema is made of, it is compiled or refused under `/schema`, and asked without
    /// harm.
    #[test]
    fn any_json_is_a_schema_or_is_refused(schema in any_schema(), overrides in any_schema()) {
        match compile(&schema) {
            Err(Invalid(fields)) => {
                prop_assert!(!fields.is_empty());
                prop_assert!(fields.iter().all(|field| field.pointer.starts_with("/schema")));
            }
            Ok(rules) => {
                let preference = Preference { template_overrides: Map::from_iter([("a".into(),
                    overrides)]), ..Preference::default() };
                if let Err(Invalid(fields)) = rules.check(&preference, &Labels::default(), "/p") {
                    let root = "/p/template_overrides";
                    prop_assert!(fields.iter().all(|field| field.pointer.starts_with(root)));
                }
            }
        }
    }
}

/// Nested objects and lists over the keywords that matter, with references to likely places.
fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (0..3).prop_map(Value::from),
        prop::sample::select(vec![
            "#",
            "#/a",
            "#/$defs/a",
            "#/allOf/0",
            "#/properties/a",
            "string",
            "a+",
            "(",
            "http://x/"
        ])
        .prop_map(Value::from),
    ];
    let keyword = prop::sample::select(vec![
        "$ref",
        "$ref",
        "$id",
        "$defs",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "properties",
        "patternProperties",
        "items",
        "prefixItems",
        "type",
        "enum",
        "const",
        "pattern",
        "a",
        "unevaluatedProperties",
        "dependentSchemas",
        "dependencies",
        "contains",
    ]);
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec((keyword.clone(), inner), 0..4).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            )),
        ]
    })
}
