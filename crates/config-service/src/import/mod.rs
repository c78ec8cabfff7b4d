//! Import: one line of JSON or one record of CSV in, one result out (W1). A bad one is refused and
//! the good ones are stored.
//!
//! ```text
//! bytes ─► json_lines::Lines ─┐                                   ┌ rows ─► the store
//! bytes ─► csv::Records ──────┴─► entries ─► Batch::read (Shape) ─┴ results
//! ```
//!
//! Cutting holds one entry at a time and needs no more than the bytes; what an entry means is read
//! for a whole batch. An entry is named by the number of the line that it begins on.

pub(crate) mod csv;
pub(crate) mod json_lines;

use std::sync::Arc;

use cohort_preferences::{FeatureType, FieldError, Invalid, TenantId};
use serde::Serialize;

use self::csv::{Columns, Record, Records};
use self::json_lines::Lines;
use crate::error::ConfigServiceError;
use crate::service::limits::check_tenant;
use crate::store::edit::{ImportRow, Stated};

/// The longest line or record, in bytes (W5).
pub(crate) const LONGEST_ENTRY: usize = 1 << 20;

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

/// One line or record of what is imported, not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A whole line of JSON without its end.
    Line(Vec<u8>),
    /// A whole record of CSV.
    Record(Record),
    /// Longer than [`LONGEST_ENTRY`].
    TooLong,
}

/// Cuts a stream into entries; holds no more than one.
#[derive(Debug)]
pub(crate) enum Cutter {
    /// Into lines.
    Lines(Lines),
    /// Into records.
    Records(Box<Records>),
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

/// One preference as it was read.
#[derive(Debug)]
pub(crate) struct Row {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// For which feature.
    pub(crate) feature: FeatureType,
    /// The preference.
    pub(crate) stated: Stated,
}

impl Row {
    /// Lets it pass under this version of the feature's definition.
    pub(crate) fn admitted(self, rules: u64) -> ImportRow {
        ImportRow {
            tenant: self.tenant,
            feature: self.feature,
            stated: self.stated.admitted(rules),
        }
    }
}

/// Where a row comes from.
#[derive(Debug)]
struct Origin {
    /// Which of the results of its batch.
    result: usize,
    place: Place,
}

/// Where in its entry a preference stands.
#[derive(Debug)]
enum Place {
    /// Under its feature in a document.
    Document(FeatureType),
    /// Beside the names of its tenant and feature.
    Row,
    /// In the cells of a record.
    Record,
}

impl Place {
    /// As a JSON Pointer; in a record a cell is named by its column.
    fn pointer(&self) -> String {
        match self {
            // Feature types hold no character that a JSON Pointer escapes.
            Self::Document(feature) => format!("/config_value/{feature}"),
            Self::Row => "/preference".into(),
            Self::Record => String::new(),
        }
    }
}

impl Cutter {
    /// Takes the next bytes and gives each entry that they complete, with the number of its first
    /// line.
    pub(crate) fn feed(&mut self, bytes: &[u8], each: impl FnMut(u64, Entry)) {
        match self {
            Self::Lines(lines) => lines.feed(bytes, each),
            Self::Records(records) => records.feed(bytes, each),
        }
    }

    /// Gives the last entry, if it did not end.
    pub(crate) fn finish(&mut self, each: impl FnMut(u64, Entry)) {
        match self {
            Self::Lines(lines) => std::mem::take(lines).finish(each),
            Self::Records(records) => std::mem::take(&mut **records).finish(each),
        }
    }
}

impl Entry {
    /// Whether there is nothing on it: it then has no result.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Self::Line(text) => text.trim_ascii().is_empty(),
            Self::Record(record) => record.is_blank(),
            Self::TooLong => false,
        }
    }

    /// How many bytes it holds.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Line(text) => text.len(),
            Self::Record(record) => record.len(),
            Self::TooLong => 0,
        }
    }
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
                for (place, row) in rows {
                    self.origins.push(Origin { result: self.results.len(), place });
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

    /// What was read; may be taken once.
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
                    self.results[origin.result].refuse(&origin.place.pointer(), invalid)
                }
            }
        }
        kept.retain(|(origin, _)| self.results[origin.result].status != LineStatus::Refused);
        let (origins, rows) = kept.into_iter().unzip();
        self.origins = origins;
        rows
    }

    /// The result of each line, once its rows are written or not.
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

/// Why a line is refused.
enum Refusal {
    /// It cannot be told what it says.
    Unreadable(String),
    /// Fields are wrong.
    Invalid(Invalid),
}

impl Refusal {
    fn into_parts(self) -> (Option<String>, Vec<FieldError>) {
        match self {
            Self::Unreadable(detail) => (Some(detail), Vec::new()),
            Self::Invalid(invalid) => (Some(invalid.to_string()), invalid.0),
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// Reads an entry; whose it is stays in `tenant_id` even if the rest is wrong.
fn read_entry(
    shape: &Shape,
    entry: &Entry,
    tenant_id: &mut Option<TenantId>,
) -> Result<Vec<(Place, Row)>, Refusal> {
    match (shape, entry) {
        (Shape::JsonLines, Entry::Line(text)) => json_lines::read(text, tenant_id),
        (Shape::Csv(columns), Entry::Record(record)) => {
            Ok(vec![(Place::Record, columns.read_row(record, tenant_id)?)])
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

/// A tenant that can be reached afterwards.
fn reachable(tenant: TenantId) -> Result<TenantId, Invalid> {
    check_tenant(&tenant).map_err(|why| Invalid::one("/tenant_id", why))?;
    Ok(tenant)
}

fn note<T>(result: Result<T, Invalid>, errors: &mut Vec<FieldError>) -> Option<T> {
    result.map_err(|invalid| errors.extend(invalid.0)).ok()
}
