//! The vocabulary: names, times, places in lists, and errors.

use serde_json::json;

use super::shape::{Shapes, integer, list_of, map_of, named, object, one_of, text};

/// Text without control characters.
const PRINTABLE: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$";

/// Returns the shapes that routes have in common.
pub(in crate::api) fn vocabulary() -> Shapes {
    [names(), times(), places(), labels(), problems()].concat()
}

fn names() -> Shapes {
    let tenant = || text().length(1, 200).pattern(PRINTABLE);
    vec![
        (
            "TenantId",
            tenant()
                .with("not", json!({"enum": [".", ".."]}))
                .described("The user: at most 200 bytes of UTF-8 without control characters."),
        ),
        (
            "AnyTenantId",
            tenant().described(
                "The user, also one whose name cannot stand in a path: at most 200 bytes of UTF-8 \
                 without control characters.",
            ),
        ),
        (
            "FeatureType",
            text().pattern("^[A-Za-z0-9_.-]{1,100}$").described("What a user opts into."),
        ),
        ("ConfigKey", one_of(&["feature_preferences"]).described("Which document; there is one.")),
        ("KeyId", integer().at_least(1).at_most(u32::MAX)),
    ]
}

fn times() -> Shapes {
    vec![
        ("Frequency", one_of(&["hourly", "daily", "weekly", "biweekly", "monthly", "cron"])),
        (
            "GroupFrequency",
            one_of(&["hourly", "daily", "weekly", "biweekly", "monthly", "cron", "-"])
                .described("How often; - where it is not stated."),
        ),
        (
            "TimeKey",
            text().format("time-key").described(
                "When inside a frequency: 09:00, monday:10:00, 1:10:00, :30; - where it is not \
                 stated.",
            ),
        ),
        ("TimeOfDay", text().pattern("^([01][0-9]|2[0-3]):[0-5][0-9]$")),
        ("Timezone", text().format("iana-timezone").described("An IANA time zone name.")),
        (
            "GroupTimezone",
            text()
                .format("iana-timezone")
                .described("An IANA time zone name; - where none is stated."),
        ),
        ("Instant", text().format("date-time").described("RFC 3339.")),
        (
            "Nominal",
            text().format("nominal-time").described(
                "The local date-time that was asked for: 2026-12-07T10:00, of a preference that \
                 follows the clock with its offset.",
            ),
        ),
    ]
}

fn places() -> Shapes {
    vec![
        (
            "Position",
            text()
                .pattern("^[0-9a-f]{8}-[0-9]{1,18}(-[0-9a-f]{8})?$")
                .described("A position in the change feed: opaque."),
        ),
        (
            "Since",
            text()
                .pattern("^(now|[0-9a-f]{8}-[0-9]{1,18}(-[0-9a-f]{8})?)$")
                .described("A position in the change feed, or now."),
        ),
        (
            "Cursor",
            text().pattern("^[0-9a-f]{8}-[0-9A-Za-z_-]+$").described("Where a page ended: opaque."),
        ),
        ("EntityTag", text().pattern("^\"[0-9]+\"$").described("The version of what is answered.")),
        (
            "EntityTags",
            text()
                .pattern("^(\\*|\"[0-9]{1,9}\"(, \"[0-9]{1,9}\"){0,3})$")
                .described("* or a list of entity tags such as \"3\"."),
        ),
    ]
}

fn labels() -> Shapes {
    let value = text().with("maxLength", 200).pattern("^[^\\u0000-\\u001f\\u007f-\\u009f]*$");
    vec![
        (
            "LabelFilter",
            text()
                .pattern("^[a-z0-9_.-]{1,63}:[^\\u0000-\\u001f\\u007f-\\u009f]{0,50}$")
                .described("A label as name:value."),
        ),
        (
            "Labels",
            map_of(value)
                .with("maxProperties", 32)
                .with("propertyNames", json!({"pattern": "^[a-z0-9_.-]{1,63}$"})),
        ),
    ]
}

fn problems() -> Shapes {
    let pointer = text().described("JSON Pointer (RFC 6901).");
    vec![
        (
            "Problem",
            object()
                .field("type", text())
                .field("title", text())
                .field("status", integer())
                .field("detail", text())
                .optional("errors", list_of(named("FieldError"))),
        ),
        ("FieldError", object().field("pointer", pointer).field("detail", text())),
    ]
}
