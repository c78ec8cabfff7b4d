//! Purposes: the handlers that do the work of jobs.

use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Deserialize;

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
}

/// A `command` purpose.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CommandPurpose {
    /// Program and arguments.
    pub argv: Vec<String>,
}

impl TemplatePurpose {
    /// A purpose that renders the template of this file into this folder, with as many users at
    /// once as the agent allows.
    pub fn new(template_file: impl Into<PathBuf>, output_dir: impl Into<PathBuf>) -> Self {
        let (template_file, output_dir) = (template_file.into(), output_dir.into());
        Self { template_file, template: None, output_dir, max_concurrency: None }
    }
}

impl HttpPurpose {
    /// A purpose that calls this URL, unsigned, with as many users at once as the agent allows.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), secret_env: None, timeout: None, max_concurrency: None }
    }
}

impl CommandPurpose {
    /// A purpose that runs this program with these arguments.
    pub fn new(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect() }
    }
}
