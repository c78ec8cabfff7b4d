//! Batch config files, and the handlers that their purposes name.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use cohort_batch_agent::{
    AgentClock, Handler, HandlerError, HandlerFactory, HttpHandler, ServedPurpose, SigningSecret,
    TemplateHandler, UserResult, Work,
};
use cohort_preferences::{BatchDocuments, Clock, HttpPurpose, Purpose, TemplatePurpose};
use serde_json::Value;

use crate::config;
use crate::failure::wrong_input;

/// Reads the jobs and purposes of all files together; an error names the file, and the line in it.
///
/// The documents are stored and read elsewhere: the texts of templates are put into them (D15), and
/// folders that a file gives relative to its own are made absolute.
pub(crate) fn read_documents(files: &[PathBuf]) -> anyhow::Result<BatchDocuments> {
    let mut all = BatchDocuments::default();
    for file in files {
        add(&mut all, file)?;
    }
    Ok(all)
}

fn add(all: &mut BatchDocuments, file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).map_err(|error| wrong_in(file, error))?;
    let documents = BatchDocuments::from_json(&text).map_err(|error| wrong_in(file, error))?;
    let folder = std::path::absolute(file)
        .with_context(|| format!("{}: where is it?", file.display()))?
        .parent()
        .map(Path::to_owned);
    for (id, job) in documents.jobs {
        if all.jobs.insert(id.clone(), job).is_some() {
            return Err(wrong_in(file, format!("job {id}: another file has the same name")));
        }
    }
    let Some(purposes) = documents.purposes else { return Ok(()) };
    let known = all.purposes.get_or_insert_default();
    for (id, mut purpose) in purposes {
        let folder = folder.as_deref().unwrap_or(Path::new("/"));
        add_template(&mut purpose, folder)
            .map_err(|error| wrong_in(file, format!("purpose {id}: {error:#}")))?;
        make_absolute(&mut purpose, folder);
        if known.insert(id.clone(), purpose).is_some() {
            return Err(wrong_in(file, format!("purpose {id}: another file has the same name")));
        }
    }
    Ok(())
}

fn wrong_in(file: &Path, what: impl std::fmt::Display) -> anyhow::Error {
    wrong_input(format!("{}: {what}", file.display()))
}

/// Puts the text of a template into the purpose's document, unless it states the text itself.
fn add_template(purpose: &mut Value, folder: &Path) -> anyhow::Result<()> {
    let Some(named) = purpose["template_file"].as_str() else { return Ok(()) };
    if purpose.get("template").is_some() {
        return Ok(());
    }
    let path = folder.join(named);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("template_file: reading the template {}", path.display()))?;
    TemplateHandler::check(text.clone(), &path)?;
    purpose["template"] = text.into();
    Ok(())
}

fn make_absolute(purpose: &mut Value, folder: &Path) {
    if let Some(path) = purpose.get_mut("output_dir")
        && let Some(relative) = path.as_str()
    {
        *path = folder.join(relative).to_string_lossy().into_owned().into();
    }
}

/// The handlers of this program, with the secrets and files of this process.
pub(crate) struct Handlers {
    pub(crate) clock: Arc<dyn AgentClock>,
}

impl HandlerFactory for Handlers {
    fn make(
        &self,
        purpose: &Purpose,
    ) -> Result<ServedPurpose, Box<dyn std::error::Error + Send + Sync>> {
        match purpose {
            Purpose::Template(template) => serve_template(template),
            Purpose::Http(http) => serve_http(http, &self.clock),
            Purpose::Command(_) => Err(not_served("command")),
        }
    }
}

fn serve_template(
    purpose: &TemplatePurpose,
) -> Result<ServedPurpose, Box<dyn std::error::Error + Send + Sync>> {
    let TemplatePurpose { template_file, output_dir, .. } = purpose;
    let handler = match &purpose.template {
        Some(text) => TemplateHandler::from_text(text.clone(), template_file, output_dir)?,
        None => {
            let handler = TemplateHandler::open(template_file, output_dir)?;
            tracing::warn!(
                template_file = %template_file.display(),
                "this purpose was stored without the text of its template, so the file was read \
                 now, and only now: apply the batch config again to store the text"
            );
            handler
        }
    };
    Ok(ServedPurpose { handler: Arc::new(handler), max_concurrency: purpose.max_concurrency })
}

fn serve_http(
    purpose: &HttpPurpose,
    clock: &Arc<dyn AgentClock>,
) -> Result<ServedPurpose, Box<dyn std::error::Error + Send + Sync>> {
    let secret = purpose.secret_env.as_deref().map(signing_secret).transpose()?;
    let timeout = purpose.timeout.and_then(|timeout| Duration::try_from(timeout).ok());
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let handler = HttpHandler::new(&purpose.url, secret, timeout, clock)?;
    Ok(ServedPurpose { handler: Arc::new(handler), max_concurrency: purpose.max_concurrency })
}

fn signing_secret(
    variable: &str,
) -> Result<SigningSecret, Box<dyn std::error::Error + Send + Sync>> {
    let text = config::secret(variable)
        .ok_or_else(|| format!("secret_env: the variable {variable} is not set"))?;
    text.parse().map_err(|error| format!("secret_env: {variable}: {error}").into())
}

fn not_served(handler: &str) -> Box<dyn std::error::Error + Send + Sync> {
    format!("the handler {handler:?} is not served by this version").into()
}

/// The handlers of an agent that does not run now, whose secrets this process need not have: they
/// are never called.
pub(crate) struct HandlersOfLater;

impl HandlerFactory for HandlersOfLater {
    fn make(
        &self,
        purpose: &Purpose,
    ) -> Result<ServedPurpose, Box<dyn std::error::Error + Send + Sync>> {
        let max_concurrency = match purpose {
            Purpose::Template(template) => {
                if let Some(text) = &template.template {
                    TemplateHandler::check(text.clone(), &template.template_file)?;
                }
                template.max_concurrency
            }
            Purpose::Http(http) => http.max_concurrency,
            Purpose::Command(_) => return Err(not_served("command")),
        };
        Ok(ServedPurpose { handler: Arc::new(Self), max_concurrency })
    }
}

#[async_trait]
impl Handler for HandlersOfLater {
    async fn call(&self, _work: &Work) -> Result<Vec<UserResult>, HandlerError> {
        Err(HandlerError::Retry { detail: "no agent runs here".into(), retry_after_s: None })
    }
}
