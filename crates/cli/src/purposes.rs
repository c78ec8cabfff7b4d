//! Batch config files, and the handlers that their purposes name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cohort_batch_agent::{AgentClock, Handler, HttpHandler, SigningSecret, TemplateHandler};
use cohort_preferences::{BatchConfig, Clock, HttpPurpose, Job, Purpose, PurposeId, TemplatePurpose};

use crate::config;
use crate::failure::WrongInput;

/// The jobs of all files, and a handler for each purpose.
pub(crate) struct Jobs {
    pub(crate) jobs: Vec<Job>,
    pub(crate) handlers: BTreeMap<PurposeId, ServedPurpose>,
}

/// A handler with its limit of users at once.
pub(crate) struct ServedPurpose {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) max_concurrency: Option<usize>,
}

impl Jobs {
    /// Reads the files; an error names the file, and the line or the job in it.
    pub(crate) fn read(files: &[PathBuf], clock: &Arc<dyn AgentClock>) -> anyhow::Result<Self> {
        let mut all = Self { jobs: Vec::new(), handlers: BTreeMap::new() };
        for file in files {
            all.add(file, clock)?;
        }
        Ok(all)
    }

    fn add(&mut self, file: &Path, clock: &Arc<dyn AgentClock>) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(file).map_err(|error| WrongInput(format!("{}: {error}", file.display())))?;
        let config = BatchConfig::from_json(&text).map_err(|error| WrongInput(format!("{}: {error}", file.display())))?;
        let folder = file.parent().unwrap_or(Path::new("."));
        for (id, purpose) in config.purposes {
            let served = serve(purpose, folder, clock).with_context(|| in_file(file, &format!("purpose {id}")))?;
            if self.handlers.insert(id.clone(), served).is_some() {
                return Err(WrongInput(in_file(file, &format!("purpose {id}: another file has the same name"))).into());
            }
        }
        for job in config.jobs {
            if self.jobs.iter().any(|other| other.job_id == job.job_id) {
                return Err(WrongInput(in_file(file, &format!("job {}: another file has the same name", job.job_id))).into());
            }
            self.jobs.push(job);
        }
        Ok(())
    }
}

fn in_file(file: &Path, what: &str) -> String {
    format!("{}: {what}", file.display())
}

fn serve(purpose: Purpose, folder: &Path, clock: &Arc<dyn AgentClock>) -> anyhow::Result<ServedPurpose> {
    match purpose {
        Purpose::Template(template) => serve_template(template, folder),
        Purpose::Http(http) => serve_http(&http, clock),
        Purpose::Command(_) => Err(WrongInput("the handler \"command\" is not served by this version".into()).into()),
    }
}

fn serve_template(purpose: TemplatePurpose, folder: &Path) -> anyhow::Result<ServedPurpose> {
    let TemplatePurpose { template_file, output_dir, max_concurrency } = purpose;
    let handler = TemplateHandler::open(&folder.join(template_file), &folder.join(output_dir)).map_err(wrong_input)?;
    Ok(ServedPurpose { handler: Arc::new(handler), max_concurrency })
}

fn serve_http(purpose: &HttpPurpose, clock: &Arc<dyn AgentClock>) -> anyhow::Result<ServedPurpose> {
    let secret = purpose.secret_env.as_deref().map(signing_secret).transpose()?;
    let timeout = purpose.timeout.and_then(|timeout| Duration::try_from(timeout).ok());
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let handler = HttpHandler::new(&purpose.url, secret, timeout, clock).map_err(wrong_input)?;
    Ok(ServedPurpose { handler: Arc::new(handler), max_concurrency: purpose.max_concurrency })
}

fn signing_secret(variable: &str) -> anyhow::Result<SigningSecret> {
    let text = config::secret(variable).ok_or_else(|| WrongInput(format!("secret_env: the variable {variable} is not set")))?;
    text.parse().map_err(|error| WrongInput(format!("secret_env: {variable}: {error}")).into())
}

/// What the user wrote is wrong, with its causes in one text.
pub(crate) fn wrong_input(error: impl std::error::Error) -> anyhow::Error {
    let causes = std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string);
    let text = std::iter::once(error.to_string()).chain(causes).collect::<Vec<_>>().join(": ");
    WrongInput(text).into()
}
