//! Purposes: the handlers that do the work of jobs.

use std::path::PathBuf;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, de};

use super::field::{at_least_one, given};
use crate::duration::deserialize_duration;

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
#[non_exhaustive]
pub struct TemplatePurpose {
    /// The name of a minijinja template, whose end says what texts it makes; relative to the batch
    /// config's folder.
    pub template_file: PathBuf,
    /// The template's text, which is what is rendered (D15); `None` in what was stored before texts
    /// were, whose file is read.
    #[serde(default, deserialize_with = "given")]
    pub template: Option<String>,
    /// Where the texts go; relative to the batch config's folder.
    pub output_dir: PathBuf,
    /// Users at once; as many as the agent allows if not given.
    #[serde(default, deserialize_with = "at_least_one")]
    pub max_concurrency: Option<usize>,
    /// How long the handler may be away before failed attempts use up retries; 24 h if not given
    /// (D12).
    #[serde(default, deserialize_with = "deserialize_duration")]
    pub max_outage: Option<SignedDuration>,
    /// The longest pause that the handler may ask for, at most 24 h; 15 min if not given (D4).
    #[serde(default, deserialize_with = "at_most_a_day")]
    pub max_retry_after: Option<SignedDuration>,
}

/// An `http` purpose.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HttpPurpose {
    /// Where to POST.
    pub url: String,
    /// The environment variable that holds the signing secret (`whsec_…`, Standard Webhooks);
    /// unsigned if not given.
    #[serde(default, deserialize_with = "given")]
    pub secret_env: Option<String>,
    /// How long a call may take; 30 s if not given.
    #[serde(default, deserialize_with = "deserialize_duration")]
    pub timeout: Option<SignedDuration>,
    /// Users at once; as many as the agent allows if not given.
    #[serde(default, deserialize_with = "at_least_one")]
    pub max_concurrency: Option<usize>,
    /// How long the handler may be away before failed attempts use up retries; 24 h if not given
    /// (D12).
    #[serde(default, deserialize_with = "deserialize_duration")]
    pub max_outage: Option<SignedDuration>,
    /// The longest pause that the handler may ask for, at most 24 h; 15 min if not given (D4).
    #[serde(default, deserialize_with = "at_most_a_day")]
    pub max_retry_after: Option<SignedDuration>,
}

/// A `command` purpose.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CommandPurpose {
    /// Program and arguments.
    pub argv: Vec<String>,
}

/// A pause of at most 24 hours (D4).
fn at_most_a_day<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SignedDuration>, D::Error> {
    let pause = deserialize_duration(deserializer)?;
    if pause.is_some_and(|pause| pause > SignedDuration::from_hours(24)) {
        return Err(de::Error::custom("expected at most 24h"));
    }
    Ok(pause)
}

impl Purpose {
    /// How long nothing may succeed before failed attempts use up retries (D12).
    pub fn max_outage(&self) -> SignedDuration {
        let stated = match self {
            Self::Template(template) => template.max_outage,
            Self::Http(http) => http.max_outage,
            Self::Command(_) => None,
        };
        stated.unwrap_or(Self::DEFAULT_MAX_OUTAGE)
    }

    /// The longest pause that the handler may ask for (D4).
    pub fn max_retry_after(&self) -> SignedDuration {
        let stated = match self {
            Self::Template(template) => template.max_retry_after,
            Self::Http(http) => http.max_retry_after,
            Self::Command(_) => None,
        };
        stated.unwrap_or(Self::DEFAULT_MAX_RETRY_AFTER)
    }

    /// [`Purpose::max_outage`] where nothing is stated.
    pub const DEFAULT_MAX_OUTAGE: SignedDuration = SignedDuration::from_hours(24);

    /// [`Purpose::max_retry_after`] where nothing is stated.
    pub const DEFAULT_MAX_RETRY_AFTER: SignedDuration = SignedDuration::from_mins(15);
}

impl TemplatePurpose {
    /// A purpose that renders the template of this file into this folder, with as many users at
    /// once as the agent allows.
    pub fn new(template_file: impl Into<PathBuf>, output_dir: impl Into<PathBuf>) -> Self {
        let (template_file, output_dir) = (template_file.into(), output_dir.into());
        Self {
            template_file,
            template: None,
            output_dir,
            max_concurrency: None,
            max_outage: None,
            max_retry_after: None,
        }
    }
}

impl HttpPurpose {
    /// A purpose that calls this URL, unsigned, with as many users at once as the agent allows.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            secret_env: None,
            timeout: None,
            max_concurrency: None,
            max_outage: None,
            max_retry_after: None,
        }
    }
}

impl CommandPurpose {
    /// A purpose that runs this program with these arguments.
    pub fn new(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect() }
    }
}
