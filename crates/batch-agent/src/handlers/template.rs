//! `template`: renders a text for each user into a folder.
//!
//! The file of a user's work is `OUTPUT_DIR/<nominal>_<zone>/<tenant>.<extension>`, percent-encoded
//! (W5), so that a repeat writes the same file. A rerun writes the files of the work that it
//! repeats: the text made anew takes the place of the other (D13). A file is written beside and
//! renamed: nobody reads half a text. It is not synced to disk: a power cut may lose texts that the
//! ledger counts as done, and a requeue writes them again.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use cohort_ledger::{FiringName, RepeatedWork};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Map, Value};

use super::own_fault;
use crate::handler::{Handler, HandlerError, UserResult, UserShare, Work};

/// Instructions that one text may cost: a hostile or looping template ends here.
const FUEL: u64 = 1_000_000;

/// What stands in a file name as it is.
const FILE_NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'+');

/// The longest encoded tenant in a file name; most file systems allow 255 bytes.
const LONGEST_NAME: usize = 200;

/// Renders a minijinja template for each user.
pub struct TemplateHandler(Arc<Renderer>);

struct Renderer {
    environment: Environment<'static>,
    /// The template's name, by which its faults are told.
    name: String,
    output_dir: PathBuf,
    extension: String,
}

/// What a template sees: the fields of the user's work and of the run, and `overrides`.
#[derive(Serialize)]
struct Context<'a> {
    #[serde(flatten)]
    work: &'a Work,
    #[serde(flatten)]
    user: &'a UserShare,
    overrides: &'a Map<String, Value>,
}

/// Why a `template` purpose cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TemplateHandlerError {
    /// The template file cannot be read.
    #[error("reading the template {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The template has a fault; the source names the line.
    #[error("the template {path} has a fault")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: minijinja::Error,
    },
    /// The folder for the texts cannot be made.
    #[error("making the folder {path}")]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl TemplateHandler {
    /// Reads the template file, checks it, and makes the folder.
    pub fn open(template_file: &Path, output_dir: &Path) -> Result<Self, TemplateHandlerError> {
        let text = fs::read_to_string(template_file)
            .map_err(|source| TemplateHandlerError::Read { path: template_file.into(), source })?;
        Self::from_text(text, template_file, output_dir)
    }

    /// The same with the template as text. Its file is not read: the name tells what kind of texts
    /// it makes, and which of them are escaped (D15).
    pub fn from_text(
        text: String,
        template_file: &Path,
        output_dir: &Path,
    ) -> Result<Self, TemplateHandlerError> {
        let name = name_of(template_file);
        let environment = environment_with(text, template_file)?;
        fs::create_dir_all(output_dir)
            .map_err(|source| TemplateHandlerError::Folder { path: output_dir.into(), source })?;
        Ok(Self(Arc::new(Renderer {
            environment,
            name,
            output_dir: output_dir.into(),
            extension: extension_of_texts(template_file),
        })))
    }

    /// Checks a template without serving it.
    ///
    /// # Errors
    /// [`TemplateHandlerError::Syntax`], whose source names the line.
    pub fn check(text: String, template_file: &Path) -> Result<(), TemplateHandlerError> {
        environment_with(text, template_file).map(drop)
    }
}

/// What renders a template that is compiled here.
fn environment_with(
    text: String,
    template_file: &Path,
) -> Result<Environment<'static>, TemplateHandlerError> {
    let escape = escape_of(&extension_of_texts(template_file));
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_auto_escape_callback(move |_name| escape.clone());
    environment
        .add_template_owned(name_of(template_file), text)
        .map_err(|source| TemplateHandlerError::Syntax { path: template_file.into(), source })?;
    Ok(environment)
}

/// The template's name, without its folder.
fn name_of(template_file: &Path) -> String {
    template_file
        .file_name()
        .map_or_else(|| "template".into(), |name| name.to_string_lossy().into_owned())
}

/// How what a user has stated is escaped in texts of this extension, so that it stays text there.
fn escape_of(extension: &str) -> AutoEscape {
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" | "xhtml" | "xml" | "svg" => AutoEscape::Html,
        _ => AutoEscape::None,
    }
}

/// The extension of the template, `txt` if it has none; `brief.md.j2` is a template of `md` texts.
fn extension_of_texts(template_file: &Path) -> String {
    let is_watermark = |extension: &OsStr| extension == "j2" || extension == "jinja";
    let unmarked = if template_file.extension().is_some_and(is_watermark) {
        template_file.with_extension("")
    } else {
        template_file.into()
    };
    unmarked
        .extension()
        .map_or_else(|| "txt".into(), |extension| extension.to_string_lossy().into_owned())
}

#[async_trait]
impl Handler for TemplateHandler {
    async fn call(&self, work: &Work) -> Result<Vec<UserResult>, HandlerError> {
        let renderer = Arc::clone(&self.0);
        let work = work.clone();
        tokio::task::spawn_blocking(move || renderer.write_all(&work)).await.map_err(|error| {
            HandlerError::Retry {
                detail: format!("rendering was cut short: {error}"),
                retry_after_s: None,
            }
        })?
    }
}

impl Renderer {
    fn write_all(&self, work: &Work) -> Result<Vec<UserResult>, HandlerError> {
        let folders: BTreeSet<PathBuf> =
            work.users.iter().map(|user| self.folder_of(work, user)).collect();
        for folder in &folders {
            fs::create_dir_all(folder).map_err(|error| unwritten(folder, &error))?;
        }
        Ok(work.users.iter().map(|user| self.write(work, user)).collect())
    }

    fn folder_of(&self, work: &Work, user: &UserShare) -> PathBuf {
        self.output_dir.join(match &user.repeats {
            Some(RepeatedWork { nominal, timezone, .. }) => firing_name(*nominal, timezone),
            None => firing_name(work.nominal, &work.timezone),
        })
    }

    fn write(&self, work: &Work, user: &UserShare) -> UserResult {
        let tenant_id = user.tenant_id.clone();
        let written = self.render(work, user).and_then(|text| {
            let name = format!("{}.{}", file_name(user), self.extension);
            let file = self.folder_of(work, user).join(name);
            replace(&file, &text).map_err(|error| unwritten(&file, &error))
        });
        match written {
            Ok(()) => UserResult::succeeded(tenant_id),
            Err(error) => crate::handler::failed(tenant_id, error),
        }
    }

    fn render(&self, work: &Work, user: &UserShare) -> Result<String, HandlerError> {
        let context = Serde(Context { work, user, overrides: &user.template_overrides });
        let rendered =
            self.environment.get_template(&self.name).and_then(|template| template.render(context));
        rendered.map_err(|error| HandlerError::Reject { detail: format!("the template: {error}") })
    }
}

fn unwritten(path: &Path, error: &io::Error) -> HandlerError {
    let writing = format!("writing {}", path.display());
    match own_fault::lacking(error) {
        Some(lacking) => HandlerError::own_fault(format_args!("{writing}: {lacking}")),
        None => HandlerError::retry(format_args!("{writing}: {error}")),
    }
}

fn firing_name(nominal: FiringName, timezone: &str) -> String {
    let nominal = nominal.to_string().replace(':', "");
    format!("{nominal}_{}", utf8_percent_encode(&timezone.replace('/', "-"), FILE_NAME))
}

/// The encoded tenant; one that is too long for a file name is cut and told apart by the start of
/// its key.
fn file_name(user: &UserShare) -> String {
    let encoded = utf8_percent_encode(user.tenant_id.as_str(), FILE_NAME).to_string();
    if encoded.len() <= LONGEST_NAME {
        encoded
    } else {
        format!("{}-{}", &encoded[..LONGEST_NAME], &user.key[..16])
    }
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    let beside = file.with_added_extension("part");
    let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        // Half a text is of no use, and its room may be what is lacking.
        drop(fs::remove_file(&beside));
    }
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::handler::ResultStatus;
    use cohort_ledger::RunId;

    fn work(tenant: &str) -> Work {
        let overrides = json!({"tone": "dry"});
        Work {
            job_id: "j".parse().expect("job"),
            run_id: RunId(1),
            feature_type: "posts".parse().expect("feature"),
            purpose_id: "p".parse().expect("purpose"),
            nominal: "2026-12-01T09:00".parse().expect("nominal"),
            timezone: "Europe/Berlin".into(),
            scheduled_at: "2026-12-01T08:00:00Z".parse().expect("instant"),
            users: vec![UserShare {
                tenant_id: tenant.parse().expect("tenant"),
                key: "k".repeat(40),
                attempt: 1,
                preference_version: 1,
                template_overrides: overrides.as_object().cloned().unwrap_or_default(),
                repeats: None,
            }],
            is_chunk: false,
        }
    }

    async fn render(template: &str, tenant: &str) -> (tempfile::TempDir, Vec<UserResult>) {
        render_as("brief.md", template, tenant).await
    }

    async fn render_as(
        name: &str,
        template: &str,
        tenant: &str,
    ) -> (tempfile::TempDir, Vec<UserResult>) {
        let folder = tempfile::tempdir().expect("folder");
        let handler = TemplateHandler::from_text(template.into(), Path::new(name), folder.path())
            .expect("template");
        let results = handler.call(&work(tenant)).await.expect("called");
        (folder, results)
    }

    #[tokio::test]
    async fn each_user_gets_a_text_with_their_own_overrides() {
        let (folder, results) =
            render("{{ tenant_id }} {{ overrides.tone }} {{ nominal }}", "ann").await;
        assert_eq!(results[0].status, ResultStatus::Succeeded);
        let text = fs::read_to_string(folder.path().join("2026-12-01T0900_Europe-Berlin/ann.md"))
            .expect("written");
        assert_eq!(text, "ann dry 2026-12-01T09:00");
    }

    #[tokio::test]
    async fn a_rerun_takes_the_place_of_the_text_that_it_repeats() {
        let (folder, _results) = render("first", "ann").await;
        let handler =
            TemplateHandler::from_text("again".into(), Path::new("brief.md"), folder.path())
                .expect("template");
        let mut again = work("ann");
        again.users[0].repeats = Some(RepeatedWork {
            nominal: again.nominal,
            timezone: again.timezone.clone(),
            key: "k".into(),
        });
        again.nominal = "rerun:0198c0de-0000-7000-8000-000000000000".parse().expect("a name");
        handler.call(&again).await.expect("called");
        let text = fs::read_to_string(folder.path().join("2026-12-01T0900_Europe-Berlin/ann.md"));
        assert_eq!(text.expect("written"), "again");
    }

    #[test]
    fn texts_have_the_extension_of_what_the_template_makes() {
        let extensions = ["brief.md", "brief.md.j2", "mail.html.jinja", "brief.j2", "brief"]
            .map(|name| extension_of_texts(Path::new(name)));
        assert_eq!(extensions, ["md", "md", "html", "txt", "txt"]);
    }

    #[tokio::test]
    async fn a_tenant_is_never_a_path() {
        let (folder, results) = render("x", "../../etc/passwd").await;
        assert_eq!(results[0].status, ResultStatus::Succeeded);
        assert!(
            folder
                .path()
                .join("2026-12-01T0900_Europe-Berlin/%2E%2E%2F%2E%2E%2Fetc%2Fpasswd.md")
                .exists()
        );
    }

    #[tokio::test]
    async fn a_template_that_never_ends_fails_for_good() {
        let (_folder, results) = render(
            "{% for i in range(9999) %}{% for j in range(9999) %}.{% endfor %}{% endfor %}",
            "ann",
        )
        .await;
        assert_eq!(results[0].status, ResultStatus::Failed);
    }

    #[tokio::test]
    async fn what_a_user_is_called_is_escaped_by_the_kind_of_the_texts() {
        for (name, extension, written) in [
            ("mail.html", "html", "&lt;b&gt;"),
            ("mail.HTML.j2", "HTML", "&lt;b&gt;"),
            ("mail.md", "md", "<b>"),
        ] {
            let (folder, _results) = render_as(name, "{{ tenant_id }}", "<b>").await;
            let file = format!("2026-12-01T0900_Europe-Berlin/%3Cb%3E.{extension}");
            let text = fs::read_to_string(folder.path().join(file)).expect("written");
            assert_eq!(text, written, "{name}");
        }
    }

    #[test]
    fn a_faulty_template_is_refused_with_its_name_and_line() {
        let error = TemplateHandler::check("a\n{% if %}".into(), Path::new("in/mail.html"))
            .expect_err("refused");
        assert!(error.to_string().contains("in/mail.html"), "{error}");
        let cause = std::error::Error::source(&error).expect("a cause").to_string();
        assert!(cause.contains("mail.html:2"), "{cause}");
    }

    #[test]
    fn a_full_disk_is_our_own_fault() {
        let of_system = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
        let path = Path::new("texts/ann.md");
        let told = "writing texts/ann.md: no space is left on the disk";
        assert_eq!(unwritten(path, &of_system), HandlerError::own_fault(told));
    }
}
