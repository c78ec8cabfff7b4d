//! What is read, what is built, and what is refused.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::{FeatureType, Frequency, IdError, Preference, PreferenceGroup, StaticSchedule};

const OF_THE_SPECIFICATION: &str = r#"{
    "job_id": "instagram_post_preference_based",
    "type": "individual_batch",
    "purpose_id": "instagram_generation",
    "preference_based": true,
    "feature_type": "instagram_posts",
    "priority": "high",
    "default_preferences":
        {"frequency": "weekly", "preferred_day": "monday", "preferred_time": "10:00"}
}"#;

fn error(text: &str) -> String {
    BatchConfig::from_json(text).expect_err("refused").to_string()
}

#[test]
fn the_batch_config_of_the_specification_is_read_in_all_three_shapes() {
    let whole = format!(r#"{{"batch_processing_jobs": [{OF_THE_SPECIFICATION}]}}"#);
    for text in [OF_THE_SPECIFICATION.into(), format!("[{OF_THE_SPECIFICATION}]"), whole] {
        let config = BatchConfig::from_json(&text).expect("valid");
        assert_eq!(config.jobs[0].priority, Priority::High);
        assert_eq!(config.jobs[0].chunk_size, 25);
    }
}

#[test]
fn an_unknown_field_is_named_with_its_line_and_the_nearest_known() {
    let text = OF_THE_SPECIFICATION.replace("\"priority\"", "\"priorty\"");
    let error = error(&text);
    assert!(error.starts_with("line 7, column"), "{error}");
    assert!(error.contains("did you mean `priority`?"), "{error}");
}

#[test]
fn a_wrong_value_is_named_with_its_line() {
    assert!(
        error(&OF_THE_SPECIFICATION.replace("\"10:00\"", "\"25:00\"")).contains("/preferred_time")
    );
    assert!(error(&OF_THE_SPECIFICATION.replace("\"high\"", "\"urgent\"")).starts_with("line 7"));
    assert!(
        error(&OF_THE_SPECIFICATION.replace("\"high\"", "\"high\", \"deadline\": \"soon\""))
            .contains("such as 25s, 12h or 400d")
    );
    assert!(
        error(&OF_THE_SPECIFICATION.replace("\"high\"", "\"high\", \"chunk_size\": 26"))
            .contains("chunk_size")
    );
    assert!(
        error(&OF_THE_SPECIFICATION.replace("\"high\"", "\"high\", \"fair_share_by\": \"Org\""))
            .contains("a label's name")
    );
    assert!(error("{").contains("line 1"));
}

const STATIC: &str = r#"{"job_id": "digest", "type": "individual_batch", "purpose_id": "digest",
    "feature_type": "digests",
    "schedule":
        {"frequency": "weekly", "day": "friday", "time": "17:00", "timezone": "Europe/Berlin"},
    "filters": {"labels": {"plan": "pro"}, "timezone": "Europe/Berlin"}}"#;

#[test]
fn a_job_without_preferences_has_a_schedule_and_filters() {
    let job = BatchConfig::from_json(STATIC).expect("valid").jobs.remove(0);
    let schedule = job.schedule.expect("given");
    assert_eq!(schedule.group().to_string(), "weekly:friday:17:00 Europe/Berlin");
    assert_eq!(job.filters.tenants().timezones[0].text(), "Europe/Berlin");
}

#[test]
fn a_schedule_is_refused_in_its_own_words() {
    let with = |from: &str, to: &str| error(&STATIC.replace(from, to));
    assert!(with(r#""day": "friday""#, r#""day": 32"#).contains("schedule: day:"));
    assert!(
        with(r#""day": "friday""#, r#""preferred_day": "friday""#)
            .contains("unknown field `preferred_day`")
    );
    assert!(with(r#""frequency": "weekly", "#, "").contains("schedule:"));
    assert!(
        with(r#""frequency": "weekly", "day": "friday""#, r#""frequency": "cron""#)
            .contains("schedule:")
    );
    assert!(with("Europe/Berlin\"},", "Mars\"},").contains("schedule: timezone:"));
}

#[test]
fn what_contradicts_the_kind_of_a_job_is_refused() {
    let both = STATIC.replace(r#""filters""#, r#""preference_based": true, "filters""#);
    assert!(error(&both).contains("digest: schedule"));
    assert!(
        error(&STATIC.replace(r#""labels""#, r#""all_users": true, "labels""#))
            .contains("digest: filters")
    );
    assert!(
        error(&STATIC.replace(r#""filters""#, r#""enroll": "everyone", "filters""#))
            .contains("digest: enroll")
    );
    assert!(
        error(&OF_THE_SPECIFICATION.replace(r#""preference_based": true,"#, ""))
            .contains("schedule")
    );
}

#[test]
fn two_jobs_of_one_name_are_refused() {
    assert!(
        error(&format!("[{OF_THE_SPECIFICATION},{OF_THE_SPECIFICATION}]")).contains("same name")
    );
}

#[test]
fn a_purpose_names_its_handler_and_nothing_else() {
    let purposes = |purpose: &str| {
        format!(r#"{{"batch_processing_jobs": [], "purposes": {{"p": {purpose}}}}}"#)
    };
    let config = BatchConfig::from_json(&purposes(
        r#"{"handler": "http", "url": "http://localhost:1/x", "timeout": "5s"}"#,
    ))
    .expect("valid");
    assert!(matches!(config.purposes.values().next(),
            Some(Purpose::Http(http)) if http.timeout == Some(SignedDuration::from_secs(5))));
    assert!(
        error(&purposes(r#"{"handler": "http", "url": "x", "max_concurrency": 0}"#))
            .contains("nonzero")
    );
    assert!(
        error(&purposes(r#"{"handler": "http", "url": "x", "secret_env": null}"#)).contains("null")
    );
    assert!(error(&purposes(r#"{"handler": "http", "uri": "x"}"#)).contains("did you mean `url`?"));
    assert!(error(&purposes(r#"{"handler": "carrier-pigeon"}"#)).contains("carrier-pigeon"));
}

#[test]
fn any_deserializer_reads_a_batch_config_and_the_error_names_the_field() {
    let job: Value = serde_json::from_str(OF_THE_SPECIFICATION).expect("JSON");
    for value in [job.clone(), json!([job]), json!({"batch_processing_jobs": [job]})] {
        let config: BatchConfig = serde_json::from_value(value).expect("valid");
        assert_eq!(config.jobs[0].job_id.as_str(), "instagram_post_preference_based");
    }
    let mut wrong = job.clone();
    wrong["chunk_size"] = json!("ten");
    let error = |value| serde_json::from_value::<BatchConfig>(value).expect_err("no").to_string();
    let whole = json!({"batch_processing_jobs": [job, wrong]});
    assert!(error(whole).starts_with("batch_processing_jobs[1].chunk_size: "));
    assert!(error(json!([job, job])).contains("same name"));
}

#[test]
fn a_job_that_is_read_by_itself_is_checked_too() {
    let job: Value = serde_json::from_str(OF_THE_SPECIFICATION).expect("JSON");
    let read: Job = serde_json::from_value(job.clone()).expect("valid");
    assert_eq!(read.priority, Priority::High);
    let mut wrong = job;
    wrong["chunk_size"] = json!(26);
    let error = serde_json::from_value::<Job>(wrong).expect_err("refused");
    assert!(error.to_string().contains("chunk_size"), "{error}");
}

#[test]
fn a_job_that_is_built_equals_the_one_that_is_read() {
    let defaults = Preference {
        frequency: Some(Frequency::Weekly),
        preferred_day: Some("monday".parse().expect("a day")),
        preferred_time: Some("10:00".parse().expect("a time")),
        ..Preference::default()
    };
    let feature: FeatureType = "instagram_posts".parse().expect("a name");
    let built = Job::builder("instagram_post_preference_based", "instagram_generation", &feature)
        .preference_based()
        .priority(Priority::High)
        .default_preferences(defaults)
        .build()
        .expect("valid");
    let read: Job = serde_json::from_str(OF_THE_SPECIFICATION).expect("valid");
    assert_eq!(format!("{built:?}"), format!("{read:?}"));
}

fn refused_field(job: JobBuilder) -> &'static str {
    match job.build().expect_err("refused") {
        BatchConfigError::Job { field, .. } | BatchConfigError::Name { field, .. } => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_built_is_refused_by_its_field() {
    let job = || Job::builder("digest", "digest", "digests");
    let weekly = || {
        let group = PreferenceGroup::parse("weekly", "friday:17:00", "UTC").expect("a group");
        StaticSchedule::from(group.expect("complete"))
    };
    let short = SignedDuration::from_secs(-1);
    let misfit = Preference { cron: Some("0 9 * * *".parse().expect("cron")), ..daily() };
    assert_eq!(refused_field(job()), "schedule");
    assert_eq!(refused_field(job().preference_based().schedule(weekly())), "schedule");
    assert_eq!(refused_field(job().schedule(weekly()).chunk_size(0)), "chunk_size");
    assert_eq!(refused_field(job().schedule(weekly()).enroll(Enroll::Everyone)), "enroll");
    assert_eq!(refused_field(job().preference_based().deadline(short)), "deadline");
    assert_eq!(
        refused_field(job().preference_based().default_preferences(misfit)),
        "default_preferences"
    );
    assert_eq!(refused_field(Job::builder("a b", "digest", "digests")), "job_id");
    job().schedule(weekly()).max_retries(0).build().expect("valid");
}

fn daily() -> Preference {
    Preference { frequency: Some(Frequency::Daily), ..Preference::default() }
}

#[test]
fn a_batch_config_that_is_built_has_jobs_of_different_names_and_purposes_with_names() {
    let job = || Job::builder("a", "p", "f").preference_based().build().expect("valid");
    let http = || Purpose::Http(HttpPurpose::new("http://localhost:1/x"));
    let config = BatchConfig::builder().job(job()).purpose("p", http()).build().expect("valid");
    assert_eq!((config.jobs.len(), config.purposes.len()), (1, 1));
    BatchConfig::builder().job(job()).job(job()).build().expect_err("one name twice");
    let unnamed = BatchConfig::builder().purpose("", http()).build().expect_err("no name");
    let source = IdError::Length { max: 100, got: 0 };
    assert_eq!(unnamed, BatchConfigError::Name { field: "purposes", source });
}
