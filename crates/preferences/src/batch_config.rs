//! The batch config: which jobs run, and which handlers do their work.
//!
//! Accepted are the specification's JSON object, a list of such, or `{"batch_processing_jobs": […],
//! "purposes": {…}}`. It is strict: a field that is unknown, or known but not yet served by this
//! version, is an error that names the line.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::defaults::Defaults;
use crate::frequency::Frequency;
use crate::id::{FeatureType, JobId, PurposeId};
use crate::labels::LabelName;
use crate::preference::Preference;
use crate::reader::nearest;
use crate::static_job::{Filters, StaticSchedule};

/// All jobs and purposes of one file.
#[derive(Debug, Clone, Default)]
pub struct BatchConfig {
    /// The jobs, in the order of the file.
    pub jobs: Vec<Job>,
    /// The purposes by name.
    pub purposes: BTreeMap<PurposeId, Purpose>,
}

/// One job: a feature, whom it serves by default, and how its runs are treated.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Its name.
    pub job_id: JobId,
    /// How the handler is called.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// Which handler does the work.
    pub purpose_id: PurposeId,
    /// Whether users' preferences say when it runs; if not, `schedule` does.
    #[serde(default)]
    pub preference_based: bool,
    /// The feature that its work is for.
    pub feature_type: FeatureType,
    /// Who goes first when there is more work than hands (D7).
    #[serde(default)]
    pub priority: Priority,
    /// What holds where a user states nothing (T12).
    #[serde(default, deserialize_with = "preference")]
    pub default_preferences: Preference,
    /// Whether it also serves tenants who never stated a preference for the feature (T13).
    #[serde(default)]
    pub enroll: Enroll,
    /// When a job runs that does not follow preferences.
    #[serde(default, deserialize_with = "given")]
    pub schedule: Option<StaticSchedule>,
    /// Which tenants a job serves that does not follow preferences.
    #[serde(default)]
    pub filters: Filters,
    /// Users a chunk, 1 to 25 (D3).
    #[serde(default = "default_chunk_size")]
    pub chunk_size: usize,
    /// Whether a user who may succeed later is tried again (D4).
    #[serde(default = "yes")]
    pub retry_failed: bool,
    /// Attempts after the first (D4); as many as the agent allows if not given.
    #[serde(default, deserialize_with = "given")]
    pub max_retries: Option<u32>,
    /// How long after its instant an occurrence may still be worked on (D4, D7); none by default.
    #[serde(default, deserialize_with = "optional_duration")]
    pub deadline: Option<SignedDuration>,
    /// How long after its instant a missed occurrence is still fired (F1); by frequency if not
    /// given.
    #[serde(default, deserialize_with = "optional_duration")]
    pub catchup_window: Option<SignedDuration>,
    /// What becomes of missed occurrences (F1).
    #[serde(default)]
    pub misfire: Misfire,
    /// Whether a user moved between groups may run again in the same day or period (M6).
    #[serde(default)]
    pub once_per: OncePer,
    /// The label of tenants by whose values the work is shared out: while there is more work than
    /// hands, users of each value are served in turn (D7). First come, first served if not given.
    #[serde(default, deserialize_with = "given")]
    pub fair_share_by: Option<LabelName>,
}

/// How the handler of a job is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobType {
    /// A handler call per user.
    IndividualBatch,
    /// A handler call per chunk.
    BatchAsObject,
}

/// Who goes first, most urgent first (D7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before everything.
    Critical,
    /// Before medium.
    High,
    /// The default.
    #[default]
    Medium,
    /// Last.
    Low,
}

/// What becomes of occurrences whose instant passed while nothing could fire them (F1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Misfire {
    /// The most recent one is fired, if it is within the catch-up window.
    #[default]
    Latest,
    /// Each is fired, oldest first, at most 100.
    All,
    /// None is fired.
    Skip,
}

/// Whom a job serves that follows preferences (T13).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enroll {
    /// Users with a preference for the feature.
    #[default]
    OptedIn,
    /// Those, and every tenant who never stated one.
    Everyone,
}

/// How often a job may run one user whose group changed (M6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OncePer {
    /// Once per nominal local date.
    #[default]
    Day,
    /// Once per day, week (Monday to Sunday) or month, by the frequency of the group that fires.
    Period,
    /// As often as the groups fire.
    Off,
}

/// A handler, and the limits that hold for all its calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "handler", rename_all = "lowercase")]
pub enum Purpose {
    /// Renders a template for each user into a folder.
    Template(TemplatePurpose),
    /// Calls an HTTP endpoint.
    Http(HttpPurpose),
    /// Runs a program. Not served by this version.
    Command(CommandPurpose),
}

/// A `template` purpose.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplatePurpose {
    /// A minijinja template; relative to the batch config's folder.
    pub template_file: PathBuf,
    /// Where the texts go; relative to the batch config's folder.
    pub output_dir: PathBuf,
    /// Users at once; as many as the agent allows if not given.
    #[serde(default, deserialize_with = "at_least_one")]
    pub max_concurrency: Option<usize>,
}

/// An `http` purpose.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpPurpose {
    /// Where to POST.
    pub url: String,
    /// The environment variable that holds the signing secret (`whsec_…`, Standard Webhooks);
    /// unsigned if not given.
    #[serde(default, deserialize_with = "given")]
    pub secret_env: Option<String>,
    /// How long a call may take; 30 s if not given.
    #[serde(default, deserialize_with = "optional_duration")]
    pub timeout: Option<SignedDuration>,
    /// Users at once; as many as the agent allows if not given.
    #[serde(default, deserialize_with = "at_least_one")]
    pub max_concurrency: Option<usize>,
}

/// A `command` purpose.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandPurpose {
    /// Program and arguments.
    pub argv: Vec<String>,
}

/// Why a batch config cannot be used; the text names the line or the job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchConfigError {
    /// It is no JSON, or a field is wrong.
    #[error("line {line}, column {column}: {detail}")]
    At {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What was expected.
        detail: String,
    },
    /// A job cannot be run as it stands.
    #[error("job {job_id}: {field}: {detail}")]
    Job {
        /// Which job.
        job_id: JobId,
        /// Which of its fields.
        field: &'static str,
        /// What was expected.
        detail: String,
    },
}

/// The attempts after the first that a user gets if neither job nor agent says (D4).
const DEFAULT_RETRIES: u32 = 3;

/// The most tenants that a job's filter may name.
const MOST_NAMED_TENANTS: usize = 1_000;

/// The most users that one chunk may hold (D3).
const MOST_USERS_A_CHUNK: usize = 25;

fn default_chunk_size() -> usize {
    MOST_USERS_A_CHUNK
}

fn yes() -> bool {
    true
}

impl BatchConfig {
    /// Reads a batch config from its text.
    pub fn from_json(text: &str) -> Result<Self, BatchConfigError> {
        let config = match shape(text)? {
            Shape::OneJob => Self { jobs: vec![read(text)?], purposes: BTreeMap::new() },
            Shape::Jobs => Self { jobs: read(text)?, purposes: BTreeMap::new() },
            Shape::Whole => {
                let Whole { batch_processing_jobs, purposes } = read(text)?;
                Self { jobs: batch_processing_jobs, purposes }
            }
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), BatchConfigError> {
        for (index, job) in self.jobs.iter().enumerate() {
            job.check()?;
            if self.jobs[..index].iter().any(|other| other.job_id == job.job_id) {
                return Err(job.error("job_id", "another job has the same name"));
            }
        }
        Ok(())
    }
}

impl Job {
    /// The layers of defaults that hold for this job, strongest first (T12).
    pub fn defaults(&self) -> Defaults {
        Defaults(vec![self.default_preferences.clone()])
    }

    /// How long after its instant a missed occurrence of this frequency is still fired (F1).
    pub fn catchup_window(&self, frequency: Frequency) -> SignedDuration {
        self.catchup_window.unwrap_or(match frequency {
            Frequency::Hourly => SignedDuration::from_mins(30),
            Frequency::Daily | Frequency::Cron => SignedDuration::from_hours(12),
            Frequency::Weekly | Frequency::Biweekly => SignedDuration::from_hours(24),
            Frequency::Monthly => SignedDuration::from_hours(72),
        })
    }

    /// The job, with this many attempts after the first if it does not say how many.
    #[must_use]
    pub fn or_max_retries(self, retries: u32) -> Self {
        Self { max_retries: self.max_retries.or(Some(retries)), ..self }
    }

    /// The attempts after the first that a user gets.
    pub fn retries(&self) -> u32 {
        if self.retry_failed { self.max_retries.unwrap_or(DEFAULT_RETRIES) } else { 0 }
    }

    fn check(&self) -> Result<(), BatchConfigError> {
        let of_its_kind =
            if self.preference_based { self.check_preference_based() } else { self.check_static() };
        of_its_kind?;
        if !(1..=MOST_USERS_A_CHUNK).contains(&self.chunk_size) {
            return Err(self.error("chunk_size", "expected 1 to 25"));
        }
        Ok(())
    }

    fn check_preference_based(&self) -> Result<(), BatchConfigError> {
        if self.schedule.is_some() {
            return Err(self.error(
                "schedule",
                "users' preferences say when this job runs; leave it out, or preference_based",
            ));
        }
        if self.filters != Filters::default() {
            return Err(self.error(
                "filters",
                "a job that follows preferences serves those who have one; leave it out",
            ));
        }
        Ok(())
    }

    fn check_static(&self) -> Result<(), BatchConfigError> {
        if self.schedule.is_none() {
            let expected = r#"expected a schedule such as {"frequency": "daily", "time": "09:00"}, or "preference_based": true"#;
            return Err(self.error("schedule", expected));
        }
        if self.enroll == Enroll::Everyone {
            return Err(self.error(
                "enroll",
                "a job with a schedule serves all tenants of its filters; leave it out",
            ));
        }
        let mut template_only = self.default_preferences.clone();
        template_only.template_overrides.clear();
        if template_only != Preference::default() {
            return Err(self.error(
                "default_preferences",
                "only template_overrides have a meaning where a schedule says when",
            ));
        }
        if self.filters.all_users
            && self.filters != (Filters { all_users: true, ..Filters::default() })
        {
            return Err(self.error("filters", "all_users contradicts the other filters"));
        }
        if self.filters.tenant_ids.len() > MOST_NAMED_TENANTS {
            return Err(self.error("filters", "expected at most 1,000 tenant_ids"));
        }
        Ok(())
    }

    fn error(&self, field: &'static str, detail: &str) -> BatchConfigError {
        BatchConfigError::Job { job_id: self.job_id.clone(), field, detail: detail.into() }
    }
}

/// Which of the three forms a text has.
pub(crate) enum Shape {
    OneJob,
    Jobs,
    Whole,
}

pub(crate) fn shape(text: &str) -> Result<Shape, BatchConfigError> {
    Ok(match read::<Value>(text)? {
        Value::Array(_) => Shape::Jobs,
        Value::Object(fields)
            if fields.contains_key("batch_processing_jobs") || fields.contains_key("purposes") =>
        {
            Shape::Whole
        }
        _ => Shape::OneJob,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    batch_processing_jobs: Vec<Job>,
    #[serde(default)]
    purposes: BTreeMap<PurposeId, Purpose>,
}

fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, BatchConfigError> {
    serde_json::from_str(text).map_err(|error| {
        let place = format!(" at line {} column {}", error.line(), error.column());
        let detail = error.to_string().replace(&place, "");
        BatchConfigError::At {
            line: error.line(),
            column: error.column(),
            detail: format!("{detail}{}", Hint::of(&detail)),
        }
    })
}

/// The nearest known field, where serde's text names an unknown one and those it knows in
/// backquotes.
struct Hint(Option<String>);

impl Hint {
    fn of(detail: &str) -> Self {
        let mut names = detail.split('`').skip(1).step_by(2);
        let wrong = names.next().filter(|_| detail.starts_with("unknown "));
        Self(wrong.and_then(|wrong| nearest(wrong, &names.collect::<Vec<_>>()).map(str::to_owned)))
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, "; did you mean `{name}`?"))
    }
}

fn preference<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Preference, D::Error> {
    Preference::from_json(&Value::deserialize(deserializer)?, "")
        .map_err(|invalid| serde::de::Error::custom(format!("default_preferences: {invalid}")))
}

/// A duration as text, such as `12h` or `1h 30m` (jiff's friendly format).
fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SignedDuration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let duration: SignedDuration = text.parse().map_err(|_| {
        serde::de::Error::custom(format!("expected a duration such as \"12h\", got {text:?}"))
    })?;
    if duration.is_negative() {
        Err(serde::de::Error::custom("expected a duration that is not negative"))
    } else {
        Ok(Some(duration))
    }
}

/// A field that is there has a value: null is a wrong one.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    NonZeroUsize::deserialize(deserializer).map(|number| Some(number.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_THE_SPECIFICATION: &str = r#"{
        "job_id": "instagram_post_preference_based",
        "type": "individual_batch",
        "purpose_id": "instagram_generation",
        "preference_based": true,
        "feature_type": "instagram_posts",
        "priority": "high",
        "default_preferences": {"frequency": "weekly", "preferred_day": "monday", "preferred_time": "10:00"}
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
            error(&OF_THE_SPECIFICATION.replace("\"10:00\"", "\"25:00\""))
                .contains("/preferred_time")
        );
        assert!(
            error(&OF_THE_SPECIFICATION.replace("\"high\"", "\"urgent\"")).starts_with("line 7")
        );
        assert!(
            error(&OF_THE_SPECIFICATION.replace("\"high\"", "\"high\", \"deadline\": \"soon\""))
                .contains("such as \"12h\"")
        );
        assert!(
            error(&OF_THE_SPECIFICATION.replace("\"high\"", "\"high\", \"chunk_size\": 26"))
                .contains("chunk_size")
        );
        assert!(
            error(
                &OF_THE_SPECIFICATION.replace("\"high\"", "\"high\", \"fair_share_by\": \"Org\"")
            )
            .contains("a label's name")
        );
        assert!(error("{").contains("line 1"));
    }

    const STATIC: &str = r#"{"job_id": "digest", "type": "individual_batch", "purpose_id": "digest", "feature_type": "digests",
        "schedule": {"frequency": "weekly", "day": "friday", "time": "17:00", "timezone": "Europe/Berlin"},
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
            error(&format!("[{OF_THE_SPECIFICATION},{OF_THE_SPECIFICATION}]"))
                .contains("same name")
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
            error(&purposes(r#"{"handler": "http", "url": "x", "secret_env": null}"#))
                .contains("null")
        );
        assert!(
            error(&purposes(r#"{"handler": "http", "uri": "x"}"#)).contains("did you mean `url`?")
        );
        assert!(error(&purposes(r#"{"handler": "carrier-pigeon"}"#)).contains("carrier-pigeon"));
    }
}
