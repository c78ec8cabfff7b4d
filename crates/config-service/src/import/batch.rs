//! Lines that are stored together, from what they say to what became of them.

use std::sync::Arc;

use cohort_preferences::{FieldError, Invalid, TenantId};
use serde::Serialize;

use super::csv::Columns;
use super::entry::{Entry, LONGEST_ENTRY};
use super::json_lines;
use super::row::{Location, Refusal, Row};
use crate::error::ConfigServiceError;
use crate::store::edit::ImportRow;

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LineResult {
    /// Which line, from 1.
    pub(crate) line: u64,
    /// What became of it.
    pub(crate) status: LineStatus,
    /// Whose it is, if that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant_id: Option<TenantId>,
    /// What is wrong, if it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// Which fields are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<FieldError>,
}

impl LineResult {
    /// Refuses it for what is wrong with the preference at `pointer`.
    fn refuse(&mut self, pointer: &str, invalid: Invalid) {
        self.status = LineStatus::Refused;
        self.errors.extend(
            invalid.0.into_iter().map(|error| FieldError {
                pointer: format!("{pointer}{}", error.pointer),
                ..error
            }),
        );
        self.detail = Some(Invalid(self.errors.clone()).to_string());
    }
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LineStatus {
    /// It is stored.
    Stored,
    /// It says what was stored already.
    Unchanged,
    /// It is wrong; nothing of it is stored.
    Refused,
    /// It is right, but the database could not store it.
    Failed,
}

/// How entries are read.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// Each is a JSON object.
    JsonLines,
    /// Each has these columns.
    Csv(Arc<Columns>),
}

/// Lines that are stored together, and what is known of each so far.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    results: Vec<LineResult>,
    rows: Vec<Row>,
    /// For each row, where it comes from.
    origins: Vec<Origin>,
}

/// Where a row comes from.
#[derive(Debug)]
struct Origin {
    /// Which of the results of its batch.
    result: usize,
    location: Location,
}

impl Batch {
    /// Reads entries, each with its number.
    pub(crate) fn read(shape: &Shape, entries: &[(u64, Entry)]) -> Self {
        let mut batch = Self::default();
        for (line, entry) in entries {
            batch.add(shape, *line, entry);
        }
        batch
    }

    fn add(&mut self, shape: &Shape, line: u64, entry: &Entry) {
        let mut result = LineResult {
            line,
            status: LineStatus::Unchanged,
            tenant_id: None,
            detail: None,
            errors: Vec::new(),
        };
        match read_entry(shape, entry, &mut result.tenant_id) {
            Ok(rows) => {
                for (location, row) in rows {
                    self.origins.push(Origin { result: self.results.len(), location });
                    self.rows.push(row);
                }
            }
            Err(refusal) => {
                result.status = LineStatus::Refused;
                (result.detail, result.errors) = refusal.into_parts();
            }
        }
        self.results.push(result);
    }

    /// Takes what was read; may be called once.
    pub(crate) fn take_rows(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.rows)
    }

    /// Takes back what the rules of the features say of each row, and gives those to write: a line
    /// of which one row is refused is refused as a whole.
    pub(crate) fn keep_admitted(
        &mut self,
        admitted: Vec<Result<ImportRow, Invalid>>,
    ) -> Vec<ImportRow> {
        let origins = std::mem::take(&mut self.origins);
        let mut kept = Vec::with_capacity(origins.len());
        for (origin, admitted) in origins.into_iter().zip(admitted) {
            match admitted {
                Ok(row) => kept.push((origin, row)),
                Err(invalid) => {
                    self.results[origin.result].refuse(&origin.location.pointer(), invalid);
                }
            }
        }
        kept.retain(|(origin, _)| self.results[origin.result].status != LineStatus::Refused);
        let (origins, rows) = kept.into_iter().unzip();
        self.origins = origins;
        rows
    }

    /// Returns the result of each line, once its rows are written or not.
    pub(crate) fn finish(
        mut self,
        written: Result<Vec<bool>, ConfigServiceError>,
    ) -> Vec<LineResult> {
        match written {
            Ok(changed) => {
                let stored = self.origins.iter().zip(changed).filter(|(_, changed)| *changed);
                for (origin, _) in stored {
                    self.results[origin.result].status = LineStatus::Stored;
                }
            }
            Err(error) => {
                for origin in self.origins {
                    self.results[origin.result].status = LineStatus::Failed;
                    self.results[origin.result].detail = Some(error.to_string());
                }
            }
        }
        self.results
    }
}

/// Reads an entry; whose it is stays in `tenant_id` even if the rest is wrong.
fn read_entry(
    shape: &Shape,
    entry: &Entry,
    tenant_id: &mut Option<TenantId>,
) -> Result<Vec<(Location, Row)>, Refusal> {
    match (shape, entry) {
        (Shape::JsonLines, Entry::Line(text)) => json_lines::read(text, tenant_id),
        (Shape::Csv(columns), Entry::Record(record)) => {
            Ok(vec![(Location::Record, columns.read_row(record, tenant_id)?)])
        }
        (Shape::Csv(_), Entry::TooLong) => Err(Refusal::Unreadable(format!(
            "longer than {LONGEST_ENTRY} bytes; is there a quote that does not end?"
        ))),
        (Shape::JsonLines, Entry::TooLong) => {
            Err(Refusal::Unreadable(format!("longer than {LONGEST_ENTRY} bytes")))
        }
        (Shape::JsonLines, Entry::Record(_)) | (Shape::Csv(_), Entry::Line(_)) => {
            unreachable!("a stream is cut as it is read")
        }
    }
}
