//! What nobody should send: no panic, and each error names a place in what was sent (W1).

use cohort_preferences::{
    BatchConfig, BatchConfigError, Cron, Frequency, Invalid, Job, NominalTime, Preference,
    PreferenceDocument, StatedGroup, TimeKey, TimeOfDay, Zone,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// Names and values that stand where they may, and where they may not.
const WORDS: [&str; 34] = [
    "enabled",
    "frequency",
    "preferred_time",
    "preferred_day",
    "anchor_date",
    "cron",
    "timezone",
    "template_overrides",
    "snoozed_until",
    "skip_next",
    "tenant_id",
    "config_key",
    "config_value",
    "feature_preferences",
    "daily",
    "weekly",
    "monthly",
    "biweekly",
    "hourly",
    "monday",
    "last",
    "09:00",
    "25:00",
    "2026-02-30",
    "2026-12-07",
    "0 9 * * 1",
    "0 0 30 2 *",
    "Europe/Berlin",
    "2026-12-07T10:00",
    "2026-12-07T10:00+999999999:99",
    "a/b~c",
    "",
    "\u{0}",
    "é",
];

fn json_value() -> impl Strategy<Value = Value> {
    let text =
        prop_oneof![4 => select(WORDS.to_vec()).prop_map(str::to_owned), 1 => any::<String>()];
    let leaf = prop_oneof![
        3 => text.clone().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => (0..40i64).prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..7)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A preference whose known fields hold anything.
fn near_preference() -> impl Strategy<Value = Value> {
    let field = (select(WORDS[..10].to_vec()), json_value())
        .prop_map(|(name, value)| (name.to_owned(), value));
    let frequency = prop::option::of(select(Frequency::ALL.to_vec()));
    (prop::collection::vec(field, 0..6), frequency).prop_map(|(fields, frequency)| {
        let mut object: serde_json::Map<String, Value> = fields.into_iter().collect();
        frequency.map(|frequency| object.insert("frequency".into(), json!(frequency)));
        Value::Object(object)
    })
}

/// Each pointer leads to a value, or to a missing one whose parent is there.
fn pointers_resolve(sent: &Value, root: &str, invalid: &Invalid) -> Result<(), TestCaseError> {
    prop_assert!(!invalid.0.is_empty());
    for field in &invalid.0 {
        let inside = field.pointer.strip_prefix(root);
        let parent = |inside: &str| {
            inside
                .rsplit_once('/')
                .and_then(|(parent, _)| sent.pointer(parent))
                .is_some_and(Value::is_object)
        };
        prop_assert!(
            inside.is_some_and(|inside| sent.pointer(inside).is_some() || parent(inside)),
            "{:?} in {}",
            field,
            sent
        );
        prop_assert!(!field.detail.is_empty());
    }
    Ok(())
}

fn check_preference(value: &Value) -> Result<(), TestCaseError> {
    match Preference::from_json(value, "/config_value/f") {
        Ok(preference) => {
            let group = preference.stated_group(None);
            prop_assert!(
                StatedGroup::parse(
                    group.frequency_text(),
                    &group.time_key().to_string(),
                    group.timezone_text()
                )
                .is_ok()
            );
        }
        Err(invalid) => pointers_resolve(value, "/config_value/f", &invalid)?,
    }
    Ok(())
}

/// Text that looks like what the parsers know, cut and glued at random.
fn glued_text() -> impl Strategy<Value = String> {
    let pieces = [
        "2026-12-07",
        "T10:00",
        "+02:00",
        "-00:00",
        ":",
        "-",
        "~",
        "~1",
        "monday",
        ",",
        "1",
        "31",
        "last",
        "09:00",
        " ",
        "*",
        "*/",
        "0",
        "99999",
        "é",
        "L",
        "W",
        "#",
        "MON",
        "JAN",
        "\t",
        "-009999-01-01",
        "Z",
        "/",
        "\u{0}",
    ];
    prop::collection::vec(select(pieces.to_vec()), 0..9).prop_map(|pieces| pieces.concat())
}

/// Whether a text is read as something that is written otherwise: it would silently mean less than
/// it says.
fn is_altered<T: std::str::FromStr + ToString>(text: &str) -> bool {
    text.parse::<T>().is_ok_and(|read| read.to_string() != text)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None,
        ..ProptestConfig::default() })]

    #[test]
    fn any_json_is_a_preference_or_is_refused_by_pointer(value in json_value(),
        near in near_preference()) {
        check_preference(&value)?;
        check_preference(&near)?;
    }

    #[test]
    fn any_json_is_a_document_or_is_refused_by_pointer(value in json_value(),
        near in near_preference(), name in select(WORDS.to_vec())) {
        for document in [value.clone(), json!({"config_value": {name: near}}),
            json!({"config_value": value})] {
            if let Err(invalid) = PreferenceDocument::from_json(&document) {
                pointers_resolve(&document, "", &invalid)?;
            }
        }
    }

    #[test]
    fn any_text_is_read_as_itself_or_refused(text in prop_oneof![glued_text(), any::<String>()]) {
        prop_assert!(!is_altered::<NominalTime>(&text), "{}", text);
        prop_assert!(!is_altered::<TimeKey>(&text), "{}", text);
        prop_assert!(!is_altered::<TimeOfDay>(&text), "{}", text);
        let is_other = |zone: Zone| !zone.name().eq_ignore_ascii_case(&text);
        prop_assert!(!text.parse::<Zone>().is_ok_and(is_other), "{}", text);
        if let Ok(cron) = text.parse::<Cron>() {
            prop_assert_eq!(cron.to_string().parse(), Ok(cron));
        }
    }

    #[test]
    fn a_patch_of_the_frequency_alone_never_makes_a_preference_wrong(near in near_preference(),
        frequency in select(Frequency::ALL.to_vec())) {
        if Preference::from_json(&near, "").is_ok() {
            let patched = Preference::merge_patch(&near, &json!({"frequency": frequency}));
            prop_assert_eq!(Preference::from_json(&patched, "").err(), None, "{} of {}", patched,
                near);
        }
    }

    #[test]
    fn any_patch_merges_as_rfc_7396_says_but_for_dropped_fields(current in json_value(),
        patch in json_value()) {
        let merged = Preference::merge_patch(&current, &patch);
        match patch.as_object() {
            None => prop_assert_eq!(merged, patch),
            Some(fields) => for (name, value) in fields {
                prop_assert_eq!(merged.get(name).is_none(), value.is_null());
            },
        }
    }

    #[test]
    fn any_json_is_a_batch_config_or_is_refused_by_line(text in batch_config_text()) {
        match BatchConfig::from_json(&text) {
            Ok(config) => prop_assert!(config.jobs.iter().all(is_sound)),
            Err(BatchConfigError::At { line, column, detail }) => {
                let last = text.split('\n').count();
                prop_assert!((1..=last).contains(&line), "line {} of {:?}", line, text);
                prop_assert!(column <= text.split('\n').nth(line - 1).map_or(0, str::len),
                    "column {} of line {} of {:?}", column, line, text);
                prop_assert!(!detail.is_empty() && !detail.contains(" at line "), "{}", detail);
            }
            Err(BatchConfigError::Job { job_id, field, .. }) => {
                // What is wrong stands in the text, but a schedule that a job without preferences
                // lacks.
                let is_told = text.contains(field) || field == "schedule";
                prop_assert!(text.contains(job_id.as_str()) && is_told, "{} of {}", field, job_id);
            }
            Err(other) => prop_assert!(false, "{} of {:?}", other, text),
        }
    }
}

fn is_sound(job: &Job) -> bool {
    job.preference_based && (1..=25).contains(&job.chunk_size)
}

/// A batch config with one of its values replaced by anything, over several lines; or any JSON, or
/// any text.
fn batch_config_text() -> impl Strategy<Value = String> {
    let places = [
        "/batch_processing_jobs",
        "/batch_processing_jobs/0",
        "/batch_processing_jobs/0/job_id",
        "/batch_processing_jobs/0/type",
        "/batch_processing_jobs/0/preference_based",
        "/batch_processing_jobs/0/feature_type",
        "/batch_processing_jobs/0/chunk_size",
        "/batch_processing_jobs/0/default_preferences",
        "/batch_processing_jobs/0/default_preferences/preferred_day",
        "/batch_processing_jobs/0/deadline",
        "/purposes",
        "/purposes/p",
        "/purposes/p/handler",
        "/purposes/p/timeout",
        "/purposes/p/max_concurrency",
    ];
    let replaced = (select(places.to_vec()), json_value()).prop_map(|(place, value)| {
        let mut config = valid_batch_config();
        *config.pointer_mut(place).expect("one of its places") = value;
        serde_json::to_string_pretty(&config).expect("JSON")
    });
    prop_oneof![6 => replaced, 2 => json_value().prop_map(|value| value.to_string()),
        1 => any::<String>()]
}

fn valid_batch_config() -> Value {
    json!({
        "batch_processing_jobs": [{
            "job_id": "j", "type": "individual_batch", "purpose_id": "p", "preference_based": true,
            "feature_type": "f", "chunk_size": 25,
            "deadline": "6h",
            "default_preferences": {"frequency": "weekly", "preferred_day": "monday",
                "preferred_time": "10:00"}
        }],
        "purposes": {"p": {"handler": "http", "url": "http://localhost:1/", "timeout": "30s",
            "max_concurrency": 4}}
    })
}

#[test]
fn the_batch_config_that_the_fuzzing_starts_from_is_valid() {
    let config = BatchConfig::from_json(&valid_batch_config().to_string()).expect("valid");
    assert_eq!((config.jobs.len(), config.purposes.len()), (1, 1));
}
