//! What rules say of preferences and of their own defaults (W1, W7, T12).

use cohort_feature_rules::FeatureRules;
use cohort_preferences::{FeatureDefinition, Invalid, Labels, Preference};
use serde_json::{Value, json};

fn compile(definition: &Value) -> Result<FeatureRules, Invalid> {
    FeatureRules::compile(&FeatureDefinition::from_json(definition).expect("well formed"))
}

fn pointers<T>(outcome: Result<T, Invalid>) -> Vec<String> {
    outcome.err().into_iter().flat_map(|invalid| invalid.0).map(|field| field.pointer).collect()
}

/// The pointers of what is wrong with a preference of a tenant without labels.
fn broken(definition: &Value, preference: &Value) -> Vec<String> {
    let preference = Preference::from_json(preference, "").expect("well formed");
    pointers(compile(definition).expect("accepted").check(&preference, &Labels::default(), "/p"))
}

fn posts() -> Value {
    json!({
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "https://example.com/posts",
            "type": "object",
            "properties": {
                "tone": {"$ref": "#/$defs/tone"},
                "focus": {"type": "array", "items": {"type": "string", "maxLength": 5}},
                "a/b": {"type": "integer"}
            },
            "required": ["tone"],
            "additionalProperties": false,
            "$defs": {"tone": {"enum": ["dry", "warm"]}}
        },
        "policy": {"frequencies": ["daily", "weekly"]}
    })
}

#[test]
fn each_override_that_does_not_fit_is_named_by_its_pointer() {
    let broken = |overrides: Value| broken(&posts(), &json!({"template_overrides": overrides}));
    assert!(broken(json!({"tone": "dry", "focus": ["price"], "a/b": 1})).is_empty());
    assert_eq!(broken(json!({"tone": "rude"})), ["/p/template_overrides/tone"]);
    assert_eq!(
        broken(json!({"tone": "dry", "focus": ["price", "quality"]})),
        ["/p/template_overrides/focus/1"]
    );
    assert_eq!(broken(json!({"tone": "dry", "a/b": "x"})), ["/p/template_overrides/a~1b"]);
    assert_eq!(
        broken(json!({"tone": "dry", "x": 1, "y~": 2})),
        ["/p/template_overrides/x", "/p/template_overrides/y~0"]
    );
    assert_eq!(broken(json!({})), ["/p/template_overrides/tone"]);
}

#[test]
fn schema_and_policy_are_both_asked() {
    let preference = json!({"frequency": "hourly", "template_overrides": {"tone": 1}});
    assert_eq!(broken(&posts(), &preference), ["/p/frequency", "/p/template_overrides/tone"]);
}

#[test]
fn a_feature_without_schema_and_policy_takes_any_preference() {
    assert!(
        broken(&json!({}), &json!({"frequency": "hourly", "template_overrides": {"x": [1]}}))
            .is_empty()
    );
}

#[test]
fn overrides_are_judged_over_those_of_the_defaults_key_by_key() {
    let mut definition = posts();
    definition["default_preferences"] =
        json!({"frequency": "weekly", "template_overrides": {"tone": "dry", "focus": ["price"]}});
    assert!(broken(&definition, &json!({})).is_empty());
    assert!(broken(&definition, &json!({"template_overrides": {"focus": []}})).is_empty());
    assert_eq!(
        broken(&definition, &json!({"template_overrides": {"tone": "rude"}})),
        ["/p/template_overrides/tone"]
    );
}

#[test]
fn defaults_that_break_the_features_own_rules_are_refused() {
    let refused = |defaults: Value| {
        let mut definition = posts();
        definition["default_preferences"] = defaults;
        pointers(compile(&definition))
    };
    assert!(
        refused(
            json!({"enabled": false, "frequency": "daily", "template_overrides": {"tone": "warm"}})
        )
        .is_empty()
    );
    assert_eq!(refused(json!({"frequency": "hourly"})), ["/default_preferences/frequency"]);
    assert_eq!(
        refused(json!({"template_overrides": {"tone": "x"}})),
        ["/default_preferences/template_overrides/tone"]
    );
    assert_eq!(
        refused(json!({"template_overrides": {"focus": []}})),
        ["/default_preferences/template_overrides/tone"]
    );
}

#[test]
fn defaults_without_overrides_leave_what_the_schema_requires_to_the_users() {
    let mut definition = posts();
    definition["default_preferences"] = json!({"frequency": "weekly"});
    assert_eq!(broken(&definition, &json!({})), ["/p/template_overrides/tone"]);
}

#[test]
fn at_most_twenty_errors_are_named_and_none_repeats_a_long_text() {
    let definition = json!({"schema": {"additionalProperties": {"type": "integer"}}});
    let overrides: serde_json::Map<_, _> =
        (0..50).map(|index| (format!("k{index}"), "x".repeat(10_000).into())).collect();
    let preference = Preference { template_overrides: overrides, ..Preference::default() };
    let Invalid(fields) = compile(&definition)
        .expect("accepted")
        .check(&preference, &Labels::default(), "")
        .expect_err("refused");
    assert_eq!(fields.len(), 20);
    assert!(fields.iter().all(|field| field.detail.len() < 1_300));
}

#[test]
fn format_is_an_annotation() {
    let definition = json!({"schema": {"properties": {"mail": {"format": "email"}}}});
    assert!(broken(&definition, &json!({"template_overrides": {"mail": "no address"}})).is_empty());
}
