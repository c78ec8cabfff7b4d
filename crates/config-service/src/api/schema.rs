//! The shapes of requests and answers, as JSON Schema 2020-12 for the `OpenAPI` document.
//!
//! They are written out here, and not derived, so that the vocabulary's crate knows nothing of HTTP
//! and each shape says all that it promises. That answers keep them is checked in the tests: every
//! answer of every test is held against its shape.

use serde_json::{Map, Value, json};

/// All shapes by name.
pub(super) fn schemas() -> Value {
    let mut all = Map::new();
    for group in
        [names(), preferences(), receipts(), tenants(), groups(), changes(), features(), keys()]
    {
        if let Value::Object(shapes) = group {
            all.extend(shapes);
        }
    }
    all.into()
}

/// A reference to a shape.
pub(super) fn shape(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn or_null(name: &str) -> Value {
    json!({"anyOf": [shape(name), {"type": "null"}]})
}

/// An object that has these fields and no other; those behind `optional` may be left out.
fn object(fields: Value, optional: &[&str]) -> Value {
    let names = fields.as_object().into_iter().flatten().map(|(name, _)| name);
    let required: Vec<_> = names.filter(|name| !optional.contains(&name.as_str())).collect();
    json!({"type": "object", "required": required, "properties": fields,
        "additionalProperties": false})
}

fn list_of(item: Value) -> Value {
    json!({"type": "array", "items": item})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn names() -> Value {
    json!({
        "TenantId": {"type": "string", "minLength": 1, "maxLength": 200,
            "not": {"enum": [".", ".."]},
            "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
            "description": "The user: at most 200 bytes of UTF-8 without control characters."},
        "AnyTenantId": {"type": "string", "minLength": 1, "maxLength": 200,
            "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
            "description": "The user, also one whose name cannot stand in a path: at most 200 \
                bytes of UTF-8 without control characters."},
        "FeatureType": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,100}$",
            "description": "What a user opts into."},
        "ConfigKey": {"type": "string", "enum": ["feature_preferences"],
            "description": "Which document; there is one."},
        "Frequency": {"type": "string",
            "enum": ["hourly", "daily", "weekly", "biweekly", "monthly", "cron"]},
        "GroupFrequency": {"type": "string",
            "enum": ["hourly", "daily", "weekly", "biweekly", "monthly", "cron", "-"],
            "description": "How often; - where it is not stated."},
        "TimeKey": {"type": "string", "format": "time-key",
            "description": "When inside a frequency: 09:00, monday:10:00, 1:10:00, :30; - where it \
                is not stated."},
        "Timezone": {"type": "string", "format": "iana-timezone",
            "description": "An IANA time zone name."},
        "GroupTimezone": {"type": "string", "format": "iana-timezone",
            "description": "An IANA time zone name; - where none is stated."},
        "Instant": {"type": "string", "format": "date-time", "description": "RFC 3339."},
        "Nominal": {"type": "string", "format": "nominal-time",
            "description": "The local date-time that was asked for: 2026-12-07T10:00, of a \
                preference that follows the clock with its offset."},
        "Position": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9]{1,18}$",
            "description": "A place in the change feed: opaque."},
        "Since": {"type": "string", "pattern": "^(now|[0-9a-f]{8}-[0-9]{1,18})$",
            "description": "A place in the change feed, or now."},
        "Cursor": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9A-Za-z_-]+$",
            "description": "Where a page ended: opaque."},
        "LabelFilter": {"type": "string",
            "pattern": "^[a-z0-9_.-]{1,63}:[^\\u0000-\\u001f\\u007f-\\u009f]{0,50}$",
            "description": "A label as name:value."},
        "Labels": {"type": "object", "maxProperties": 32,
            "propertyNames": {"pattern": "^[a-z0-9_.-]{1,63}$"},
            "additionalProperties": {"type": "string", "maxLength": 200,
                "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"}},
        "KeyId": {"type": "integer", "minimum": 1, "maximum": u32::MAX},
        "EntityTag": {"type": "string", "pattern": "^\"[0-9]+\"$",
            "description": "The version of what is answered."},
        "EntityTags": {"type": "string", "pattern": "^(\\*|\"[0-9]{1,9}\"(, \"[0-9]{1,9}\"){0,3})$",
            "description": "* or a list of entity tags such as \"3\"."},
        "Problem": object(json!({
            "type": text(), "title": text(), "status": {"type": "integer"}, "detail": text(),
            "errors": list_of(shape("FieldError")),
        }), &["errors"]),
        "FieldError": object(json!({"pointer": {"type": "string",
            "description": "JSON Pointer (RFC 6901)."}, "detail": text()}), &[]),
    })
}

fn preferences() -> Value {
    let weekday = json!({"type": "string",
        "enum": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]});
    let weekdays = json!({"anyOf": [weekday, {"type": "array", "items": weekday, "minItems": 1}]});
    let month_day =
        json!({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 31}, {"const": "last"}]});
    let date = json!({"type": "string", "format": "date"});
    let cron = json!({"type": "string", "format": "cron", "description": "Five fields."});
    let variants = json!([
        preference(None, json!({"preferred_time": shape("TimeOfDay")})),
        preference(Some("hourly"), json!({"preferred_time": shape("TimeOfDay")})),
        preference(Some("daily"), json!({"preferred_time": shape("TimeOfDay")})),
        preference(
            Some("weekly"),
            json!({"preferred_time": shape("TimeOfDay"), "preferred_day": weekdays})
        ),
        preference(
            Some("biweekly"),
            json!({"preferred_time": shape("TimeOfDay"), "preferred_day": weekdays,
                "anchor_date": date})
        ),
        preference(
            Some("monthly"),
            json!({"preferred_time": shape("TimeOfDay"), "preferred_day": month_day})
        ),
        preference(Some("cron"), json!({"cron": cron})),
    ]);
    let features = json!({"type": "object", "maxProperties": 1000,
        "propertyNames": shape("FeatureType"), "additionalProperties": shape("Preference")});
    let document = json!({"tenant_id": shape("TenantId"), "config_key": shape("ConfigKey"),
        "config_value": features});
    json!({
        "TimeOfDay": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
        "Preference": {"anyOf": variants,
            "description": "One user's settings for one feature: what is left out is left to the \
                defaults."},
        "PreferencePatch": {"type": "object",
            "description": "JSON Merge Patch (RFC 7396): null removes a field."},
        "Document": object(document.clone(), &[]),
        "DocumentBody": object(document, &["tenant_id", "config_key"]),
        "BatchGet": object(json!({
            "feature_type": shape("FeatureType"),
            "tenant_ids": {"type": "array", "items": shape("AnyTenantId"), "maxItems": 1000},
        }), &[]),
        "BatchGetAnswer": object(json!({
            "preferences": list_of(object(json!({
                "tenant_id": shape("AnyTenantId"), "number": {"type": ["integer", "null"]},
                "version": count(), "preference": or_null("Preference"),
            }), &[])),
            "position": shape("Position"),
        }), &[]),
        "PreviewRequest": object(json!({
            "preference": shape("Preference"), "feature_type": shape("FeatureType"),
            "timezone": shape("Timezone"),
            "after": shape("Instant"), "count": {"type": "integer", "minimum": 1, "maximum": 100},
        }), &["feature_type", "timezone", "after", "count"]),
    })
}

fn preference(frequency: Option<&str>, when: Value) -> Value {
    let mut fields = json!({
        "enabled": {"type": "boolean"},
        "timezone": shape("Timezone"),
        "template_overrides": {"type": "object"},
        "snoozed_until": shape("Instant"),
        "skip_next": shape("Nominal"),
    });
    let map = fields.as_object_mut().expect("written as an object just above");
    map.extend(when.as_object().cloned().unwrap_or_default());
    map.extend(frequency.map(|frequency| ("frequency".to_owned(), json!({"const": frequency}))));
    let optional: Vec<_> = map.keys().filter(|name| *name != "frequency").cloned().collect();
    let optional: Vec<_> = optional.iter().map(String::as_str).collect();
    object(fields, &optional)
}

fn receipts() -> Value {
    let named = object(
        json!({"nominal": shape("Nominal"), "timezone": shape("Timezone"), "at": shape("Instant")}),
        &[],
    );
    let reason = json!({"type": "string", "enum": ["depends_on_job", "disabled", "snoozed"]});
    let with_next = |fields: Value| {
        let with = |next: Value| {
            let mut all = fields.clone();
            let map = all.as_object_mut().expect("fields are an object");
            map.extend(next.as_object().cloned().unwrap_or_default());
            object(all, &[])
        };
        json!({"anyOf": [with(json!({"next_run": shape("NamedRun")})),
            with(json!({"next_run": {"type": "null"}, "reason": reason}))]})
    };
    json!({
        "NamedRun": named,
        "Receipt": with_next(json!({"version": count(), "takes_effect_at": shape("Instant")})),
        "DocumentReceipt": object(json!({
            "version": count(),
            "features": {"type": "object", "additionalProperties": shape("Receipt")},
        }), &[]),
        "Preview": with_next(json!({"occurrences": list_of(shape("NamedRun"))})),
    })
}

fn tenants() -> Value {
    let tenant = json!({
        "tenant_id": shape("TenantId"), "created_at": shape("Instant"),
        "timezone": or_null("Timezone"), "labels": shape("Labels"),
    });
    let mut export = tenant.clone();
    export["preferences"] = json!({"type": "object", "additionalProperties": shape("Preference")});
    export["history"] = list_of(shape("HistoryEntry"));
    json!({
        "Tenant": object(tenant, &[]),
        "TenantList": object(json!({"tenants": list_of(shape("Tenant")),
            "next_cursor": or_null("Cursor")}), &[]),
        "TenantMembersRequest": object(json!({
            "filter": object(json!({
                "labels": shape("Labels"),
                "timezones": list_of(shape("GroupTimezone")),
                "tenant_ids": {"type": "array", "items": shape("AnyTenantId"), "maxItems": 1000},
                "unstated": or_null("FeatureType"),
            }), &["labels", "timezones", "tenant_ids", "unstated"]),
            "as_of": shape("Instant"),
            "cursor": or_null("Cursor"),
            "limit": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 5000},
                {"type": "null"}]},
        }), &["filter", "cursor", "limit"]),
        "TenantMemberPage": object(json!({
            "members": list_of(shape("Member")), "count_as_of": {"type": ["integer", "null"]},
            "position": shape("Position"),
            "next_cursor": or_null("Cursor"),
        }), &[]),
        "TenantTimezones": object(json!({
            "timezones": list_of(object(json!({"timezone": shape("GroupTimezone"),
                "since": shape("Instant")}), &[])),
        }), &[]),
        "LabelValuesRequest": object(json!({
            "label": {"type": "string", "pattern": "^[a-z0-9_.-]{1,63}$"},
            "tenant_ids": {"type": "array", "items": shape("AnyTenantId"), "maxItems": 1000},
        }), &[]),
        "LabelValues": object(json!({"values": {"type": "array",
            "items": {"type": ["string", "null"]}}}), &[]),
        "Profile": object(json!({"timezone": or_null("Timezone"), "labels": shape("Labels")}),
            &["timezone", "labels"]),
        "ErasureReceipt": object(json!({
            "number": count(), "erased_at": shape("Instant"), "preferences": count(),
            "history_entries": count(),
        }), &[]),
        "Export": object(export, &[]),
        "HistoryEntry": object(json!({
            "change": count(), "at": shape("Instant"), "actor": text(),
            "feature_type": or_null("FeatureType"), "version": count(),
            "before": {"type": ["object", "null"]}, "after": {"type": ["object", "null"]},
            "definition_version": count(),
        }), &[]),
        "History": object(json!({"history": list_of(shape("HistoryEntry")),
            "next_cursor": or_null("Cursor")}), &[]),
        "Revert": object(json!({"feature_type": shape("FeatureType"), "to_version": count()}), &[]),
        "NewLink": object(json!({"expires_in": {
            "type": "string", "description": "A whole number of s, m, h or d: at most 30d.",
            "pattern": "^([1-9][0-9]{0,5}s|[1-9][0-9]{0,3}m|([1-9][0-9]?|[1-6][0-9]{2})h|([1-9]|[12][0-9]|30)d)$",
        }}), &[]),
        "MadeLink": object(json!({"token": {"type": "string", "pattern": "^link_"},
            "expires_at": shape("Instant")}), &[]),
    })
}

fn groups() -> Value {
    let group = json!({"frequency": shape("GroupFrequency"), "time_key": shape("TimeKey"),
        "timezone": shape("GroupTimezone")});
    let mut summary = group.clone();
    summary["count"] = count();
    summary["since"] = shape("Instant");
    summary["empty_since"] = shape("Instant");
    let page = json!({
        "members": list_of(shape("Member")), "count_as_of": count(), "position": shape("Position"),
        "next_cursor": or_null("Cursor"),
    });
    let mut moved = page.clone();
    moved["gone"] = list_of(count());
    json!({
        "Group": object(group, &[]),
        "GroupSummary": object(summary, &["empty_since"]),
        "GroupList": object(json!({
            "feature_type": shape("FeatureType"), "groups": list_of(shape("GroupSummary")),
            "defaults": list_of(shape("FeatureDefaults")), "position": shape("Position"),
            "complete_until": shape("Instant"), "next_cursor": or_null("Cursor"),
        }), &[]),
        "FeatureDefaults": object(json!({"since": shape("Instant"),
            "default_preferences": or_null("Preference")}), &[]),
        "Member": object(json!({
            "tenant_id": shape("TenantId"), "number": count(), "version": count(),
            "member_since": shape("Instant"),
            "preference": or_null("Preference"),
        }), &[]),
        "MemberPage": object(page, &[]),
        "MovedPage": object(moved, &["gone"]),
        "MembersRequest": object(json!({
            "feature_type": shape("FeatureType"),
            "groups": {"type": "array", "items": shape("Group"), "maxItems": 1000},
            "as_of": shape("Instant"),
            "cursor": or_null("Cursor"),
            "limit": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 5000},
                {"type": "null"}]},
            "changed_since": or_null("Position"),
        }), &["cursor", "limit", "changed_since"]),
        "MemberListsRequest": object(json!({
            "feature_type": shape("FeatureType"),
            "lists": {"type": "array", "items": list_of(shape("Group")), "maxItems": 1000},
            "as_of": shape("Instant"),
            "limit": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 5000},
                {"type": "null"}]},
        }), &["limit"]),
        "MemberLists": object(json!({"lists": list_of(or_null("WholeList")),
            "position": shape("Position")}), &[]),
        "WholeList": object(json!({"members": list_of(shape("Member")), "count_as_of": count()}),
            &[]),
        "Drift": object(json!({
            "preferences": count(), "groups": count(),
            "misplaced": list_of(object(json!({"feature_type": shape("FeatureType"),
                "tenant_id": text()}), &[])), "misplaced_count": count(),
            "miscounted": list_of(object(json!({
                "feature_type": shape("FeatureType"), "group": shape("Group"), "count": count(),
                "members": count(),
            }), &[])),
            "miscounted_count": count(), "repaired": {"type": "boolean"},
        }), &[]),
    })
}

fn changes() -> Value {
    json!({
        "Change": object(json!({
            "id": shape("Position"), "tenant_id": or_null("TenantId"),
            "number": {"type": ["integer", "null"], "minimum": 0},
            "feature_type": shape("FeatureType"), "version": count(), "at": shape("Instant"),
            "kind": {"type": "string", "enum": ["set", "deleted", "defaults"]},
            "left": or_null("Group"), "joined": or_null("Group"),
        }), &[]),
        "ChangePage": object(json!({
            "changes": list_of(shape("Change")), "next": shape("Position"),
            "complete_until": shape("Instant"),
        }), &[]),
    })
}

fn features() -> Value {
    let limits = json!({
        "frequencies": {"type": "array", "items": shape("Frequency"), "minItems": 1},
        "least_interval": {"type": "string", "description": "Such as 24h."},
        "slot_minutes": {"type": "integer", "minimum": 1, "maximum": 1440},
        "hours": object(json!({"from": shape("TimeOfDay"), "to": shape("TimeOfDay")}), &[]),
    });
    let names = ["frequencies", "least_interval", "slot_minutes", "hours"];
    let mut by_label = limits.clone();
    by_label["label"] = shape("LabelFilter");
    let mut policy = limits;
    policy["by_label"] =
        json!({"type": "array", "maxItems": 100, "items": object(by_label, &names)});
    json!({
        "Policy": object(policy,
            &["frequencies", "least_interval", "slot_minutes", "hours", "by_label"]),
        "FeatureDefinition": object(json!({
            "description": {"type": "string", "maxLength": 2000},
            "schema": {"type": ["object", "boolean"],
                "description": "JSON Schema 2020-12 of template_overrides."},
            "policy": shape("Policy"),
            "default_preferences": shape("Preference"),
        }), &["description", "schema", "policy", "default_preferences"]),
        "RegisteredFeature": object(json!({
            "feature_type": shape("FeatureType"), "version": count(),
            "registered_at": shape("Instant"), "registered_by": text(),
            "definition": shape("FeatureDefinition"),
        }), &[]),
        "FeatureTypeList": object(json!({"feature_types": list_of(shape("RegisteredFeature"))}),
            &[]),
        "Trial": object(json!({
            "preferences": {"type": "integer", "minimum": 0,
                "description": "How many were looked at."},
            "broken_count": count(),
            "broken": list_of(object(json!({"tenant_id": text(), "version": count(),
                "errors": list_of(shape("FieldError"))}), &[])),
        }), &[]),
        "RegisteredOrTrial": {"anyOf": [shape("RegisteredFeature"), shape("Trial")]},
        "UnstatedPage": object(json!({
            "tenants": list_of(object(json!({"tenant_id": shape("TenantId"), "number": count()}),
                &[])),
            "as_of": shape("Instant"), "position": shape("Position"),
            "next_cursor": or_null("Cursor"),
        }), &[]),
    })
}

fn keys() -> Value {
    let scopes = json!({"type": "array", "items": shape("Scope"), "minItems": 1});
    let key = json!({
        "id": count(), "name": text(), "scopes": scopes, "created_at": shape("Instant"),
        "created_by": text(),
        "expires_at": or_null("Instant"), "revoked_at": or_null("Instant"),
        "last_used_at": or_null("Instant"), "uses": count(),
    });
    let mut made = key.clone();
    made["key"] = text();
    json!({
        "Scope": {"type": "string", "enum": ["read", "support", "write", "agent", "admin"]},
        "Key": object(key, &[]),
        "MadeKey": object(made, &[]),
        "KeyList": object(json!({"api_keys": list_of(shape("Key"))}), &[]),
        "NewKey": object(json!({
            "name": {"type": "string", "minLength": 1, "maxLength": 100,
                "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"},
            "scopes": scopes,
            "expires_in": {"type": "string",
                "pattern": "^([1-9][0-9]{0,5}[sm]|[1-9][0-9]{0,3}h|[1-9][0-9]{0,2}d)$",
                "description": "Such as 90d."},
            "expires_at": shape("Instant"),
        }), &["expires_in", "expires_at"]),
        "VerifiedKey": object(json!({"name": text(), "scopes": scopes}), &[]),
    })
}
