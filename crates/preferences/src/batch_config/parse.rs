//! Reads a batch config, from its text or through any other deserializer, and names the field that
//! is wrong.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_path_to_error::{Path, Track};

use super::config::BatchConfig;
use super::error::BatchConfigError;
use super::job_document::UncheckedJob;
use super::purpose::Purpose;
use super::shape::Shape;
use crate::id::PurposeId;
use crate::reader::nearest;

impl BatchConfig {
    /// Reads a batch config from its text. Fails where a field is wrong, with its line, and where
    /// fields contradict each other, with the job's name.
    pub fn from_json(text: &str) -> Result<Self, BatchConfigError> {
        let value: Value = serde_json::from_str(text).map_err(|error| at_its_line(None, &error))?;
        // Read once more from the text, because a value does not know its lines.
        let mut track = Track::new();
        let mut json = serde_json::Deserializer::from_str(text);
        let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
        match Written::read(Shape::of(&value), tracked) {
            Ok(written) => written.checked(),
            Err(error) => Err(at_its_line(Some(&track.path()), &error)),
        }
    }
}

impl<'de> Deserialize<'de> for BatchConfig {
    /// Reads and checks a batch config as [`BatchConfig::from_json`] does. The error names the
    /// field by its path, without a line.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let shape = Shape::of(&value);
        let mut track = Track::new();
        let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
        match Written::read(shape, tracked) {
            Ok(written) => written.checked().map_err(D::Error::custom),
            Err(error) => Err(D::Error::custom(told(Some(&track.path()), &error.to_string()))),
        }
    }
}

/// Jobs and purposes as they are written, each well-formed by itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    batch_processing_jobs: Vec<UncheckedJob>,
    #[serde(default)]
    purposes: BTreeMap<PurposeId, Purpose>,
}

impl Written {
    fn read<'de, D: Deserializer<'de>>(shape: Shape, deserializer: D) -> Result<Self, D::Error> {
        let jobs = match shape {
            Shape::OneJob => vec![UncheckedJob::deserialize(deserializer)?],
            Shape::Jobs => Vec::deserialize(deserializer)?,
            Shape::Whole => return Self::deserialize(deserializer),
        };
        Ok(Self { batch_processing_jobs: jobs, purposes: BTreeMap::new() })
    }

    fn checked(self) -> Result<BatchConfig, BatchConfigError> {
        let jobs = self.batch_processing_jobs.into_iter().map(|UncheckedJob(job)| job).collect();
        let config = BatchConfig { jobs, purposes: self.purposes };
        config.check()?;
        Ok(config)
    }
}

fn at_its_line(path: Option<&Path>, error: &serde_json::Error) -> BatchConfigError {
    let (line, column) = (error.line(), error.column());
    let detail = error.to_string().replace(&format!(" at line {line} column {column}"), "");
    BatchConfigError::At { line, column, detail: told(path, &detail) }
}

/// What is wrong, behind the field that it is wrong with. The path of the whole text is `.`, and
/// says nothing.
fn told(path: Option<&Path>, detail: &str) -> String {
    let path = path.map(Path::to_string).filter(|path| path != ".");
    let field = path.map(|path| format!("{path}: ")).unwrap_or_default();
    format!("{field}{detail}{}", hint(detail).unwrap_or_default())
}

/// The nearest known name, where serde's text names an unknown one and those that it knows in
/// backquotes.
fn hint(detail: &str) -> Option<String> {
    let mut names = detail.split('`').skip(1).step_by(2);
    let wrong = names.next().filter(|_| detail.starts_with("unknown "))?;
    let name = nearest(wrong, &names.collect::<Vec<_>>())?;
    Some(format!("; did you mean `{name}`?"))
}
