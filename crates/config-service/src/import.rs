//! Import: one line of JSON in, one result out (W1). A bad line is refused and the good ones are stored.
//!
//! A line is `{"tenant_id","feature_type","preference"}`, or the specification's document with its `tenant_id`. Unlike a
//! PUT, a document line writes the features that it names and leaves the tenant's others alone: an export of one feature
//! must not delete the rest.

use cohort_preferences::{FeatureType, FieldError, Invalid, Preference, PreferenceDocument, TenantId};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::ConfigServiceError;
use crate::service::limits::{check_depth, check_document, check_preference, check_tenant};
use crate::store::edit::{ImportRow, Stated};

/// The longest line, in bytes (W5).
pub(crate) const LONGEST_LINE: usize = 1 << 20;

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

/// A line of the stream: its bytes, or that it was too long to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A whole line without its end.
    Text(Vec<u8>),
    /// Longer than [`LONGEST_LINE`].
    TooLong,
}

/// Cuts a stream into lines; holds no more than one line.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    open: Vec<u8>,
    is_too_long: bool,
}

/// Lines that are stored together, and what is known of each so far.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    results: Vec<LineResult>,
    rows: Vec<ImportRow>,
    /// For each row, where it comes from.
    origins: Vec<Origin>,
}

/// Where a row comes from.
#[derive(Debug)]
struct Origin {
    /// Which of the results of its batch.
    result: usize,
    /// Under which feature it stands in its document, if it comes from one.
    feature: Option<FeatureType>,
}

impl Origin {
    /// Where its preference stands in its line.
    fn pointer(&self) -> String {
        self.feature.as_ref().map_or("/preference".into(), |feature| format!("/config_value/{feature}"))
    }
}

impl Lines {
    /// Takes the next bytes and gives each line that they complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.append(&bytes[..end]);
            each(self.take());
            bytes = &bytes[end + 1..];
        }
        self.append(bytes);
    }

    /// The last line, if it did not end.
    pub(crate) fn finish(mut self) -> Option<Line> {
        (self.is_too_long || !self.open.is_empty()).then(|| self.take())
    }

    fn append(&mut self, bytes: &[u8]) {
        self.is_too_long |= self.open.len() + bytes.len() > LONGEST_LINE;
        if self.is_too_long {
            self.open = Vec::new();
        } else {
            self.open.extend_from_slice(bytes);
        }
    }

    fn take(&mut self) -> Line {
        let text = std::mem::take(&mut self.open);
        if std::mem::take(&mut self.is_too_long) { Line::TooLong } else { Line::Text(text) }
    }
}

impl Line {
    /// Whether there is nothing on it.
    pub(crate) fn is_blank(&self) -> bool {
        matches!(self, Self::Text(text) if text.trim_ascii().is_empty())
    }

    /// How many bytes it holds.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::TooLong => 0,
        }
    }
}

impl Batch {
    /// Reads lines, each with its number.
    pub(crate) fn read(lines: &[(u64, Line)]) -> Self {
        let mut batch = Self::default();
        for (number, line) in lines {
            batch.add(*number, line);
        }
        batch
    }

    fn add(&mut self, line: u64, text: &Line) {
        let mut result = LineResult { line, status: LineStatus::Unchanged, tenant_id: None, detail: None, errors: Vec::new() };
        match read_line(text, &mut result.tenant_id) {
            Ok((rows, is_document)) => {
                let origin = |row: &ImportRow| Origin { result: self.results.len(), feature: is_document.then(|| row.feature.clone()) };
                self.origins.extend(rows.iter().map(origin));
                self.rows.extend(rows);
            }
            Err(refusal) => {
                result.status = LineStatus::Refused;
                (result.detail, result.errors) = refusal.into_parts();
            }
        }
        self.results.push(result);
    }

    /// The rows to write; may be taken once.
    pub(crate) fn take_rows(&mut self) -> Vec<ImportRow> {
        std::mem::take(&mut self.rows)
    }

    /// Takes back what the rules of the features say of each row, and gives those to write: a line of which one row is refused
    /// is refused as a whole.
    pub(crate) fn keep_admitted(&mut self, admitted: Vec<Result<ImportRow, Invalid>>) -> Vec<ImportRow> {
        let origins = std::mem::take(&mut self.origins);
        let mut kept = Vec::with_capacity(origins.len());
        for (origin, admitted) in origins.into_iter().zip(admitted) {
            match admitted {
                Ok(row) => kept.push((origin, row)),
                Err(invalid) => self.results[origin.result].refuse(&origin.pointer(), invalid),
            }
        }
        kept.retain(|(origin, _)| self.results[origin.result].status != LineStatus::Refused);
        let (origins, rows) = kept.into_iter().unzip();
        self.origins = origins;
        rows
    }

    /// The result of each line, once its rows are written or not.
    pub(crate) fn finish(mut self, written: Result<Vec<bool>, ConfigServiceError>) -> Vec<LineResult> {
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
        self.errors.extend(invalid.0.into_iter().map(|error| FieldError { pointer: format!("{pointer}{}", error.pointer), ..error }));
        self.detail = Some(Invalid(self.errors.clone()).to_string());
    }
}

/// Why a line is refused.
enum Refusal {
    Unreadable(String),
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

/// The rows of a line, and whether it is a document.
fn read_line(line: &Line, tenant_id: &mut Option<TenantId>) -> Result<(Vec<ImportRow>, bool), Refusal> {
    let Line::Text(text) = line else {
        return Err(Refusal::Unreadable(format!("longer than {LONGEST_LINE} bytes")));
    };
    let value: Value = serde_json::from_slice(text).map_err(|error| Refusal::Unreadable(format!("not JSON: {error}")))?;
    check_depth(&value)?;
    *tenant_id = value.get("tenant_id").and_then(Value::as_str).and_then(|text| text.parse().ok());
    match value {
        Value::Object(fields) if fields.contains_key("feature_type") || fields.contains_key("preference") => {
            Ok((vec![read_row(&fields)?], false))
        }
        value => Ok((read_document(&value)?, true)),
    }
}

fn read_document(value: &Value) -> Result<Vec<ImportRow>, Refusal> {
    check_document(value)?;
    let document = PreferenceDocument::from_json(value)?;
    let tenant = document.tenant_id.ok_or_else(|| Invalid::one("/tenant_id", "missing: a document in an import says whose it is"))?;
    check_tenant(&tenant).map_err(|why| Invalid::one("/tenant_id", why))?;
    let rows = document.features.into_iter().map(|(feature, (value, preference))| {
        let stated = Stated::new(&value, preference);
        check_preference(&stated.json, &format!("/config_value/{feature}"))?;
        Ok(ImportRow { tenant: tenant.clone(), feature, stated })
    });
    rows.collect()
}

fn read_row(fields: &Map<String, Value>) -> Result<ImportRow, Refusal> {
    const KNOWN: [&str; 3] = ["tenant_id", "feature_type", "preference"];
    let mut errors: Vec<FieldError> = Vec::new();
    for field in fields.keys().filter(|field| !KNOWN.contains(&field.as_str())) {
        let pointer = format!("/{}", field.replace('~', "~0").replace('/', "~1"));
        errors.extend(Invalid::one(pointer, "unknown field").0);
    }
    let tenant = read_name::<TenantId>(fields, "tenant_id", &mut errors);
    let tenant = tenant.and_then(|tenant| {
        let checked = check_tenant(&tenant).map_err(|why| Invalid::one("/tenant_id", why));
        note(checked.map(|()| tenant), &mut errors)
    });
    let feature = read_name::<FeatureType>(fields, "feature_type", &mut errors);
    let stated = match fields.get("preference") {
        Some(value) => note(read_preference(value), &mut errors),
        None => note(Err(Invalid::one("/preference", "missing: expected a preference")), &mut errors),
    };
    match (tenant, feature, stated) {
        (Some(tenant), Some(feature), Some(stated)) if errors.is_empty() => Ok(ImportRow { tenant, feature, stated }),
        _ => Err(Invalid(errors).into()),
    }
}

fn read_preference(value: &Value) -> Result<Stated, Invalid> {
    let stated = Stated::new(value, Preference::from_json(value, "/preference")?);
    check_preference(&stated.json, "/preference")?;
    Ok(stated)
}

fn read_name<T: std::str::FromStr<Err: std::fmt::Display>>(
    fields: &Map<String, Value>,
    field: &str,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let named = match fields.get(field) {
        Some(Value::String(text)) => text.parse().map_err(|error: T::Err| error.to_string()),
        Some(_) => Err("expected text".into()),
        None => Err("missing".into()),
    };
    note(named.map_err(|detail| Invalid::one(format!("/{field}"), detail)), errors)
}

fn note<T>(result: Result<T, Invalid>, errors: &mut Vec<FieldError>) -> Option<T> {
    result.map_err(|invalid| errors.extend(invalid.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> LineResult {
        let batch = Batch::read(&[(1, Line::Text(text.into()))]);
        assert!(batch.rows.is_empty(), "{text}");
        let result = batch.finish(Ok(Vec::new())).remove(0);
        assert_eq!(result.status, LineStatus::Refused, "{text}");
        result
    }

    fn pointers(text: &str) -> Vec<String> {
        refused(text).errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn lines_are_cut_wherever_the_stream_is_cut() {
        for piece in 1..12 {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            for bytes in b"one\n\ntwo\nthree".chunks(piece) {
                lines.feed(bytes, |line| seen.push(line));
            }
            seen.extend(lines.finish());
            let expected = ["one", "", "two", "three"].map(|text| Line::Text(text.into()));
            assert_eq!(seen, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_told_so_and_the_next_is_read() {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        lines.feed(&vec![b'x'; LONGEST_LINE], |line| seen.push(line));
        lines.feed(b"y\nnext\n", |line| seen.push(line));
        assert_eq!(seen, [Line::TooLong, Line::Text("next".into())]);
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn each_wrong_field_of_a_line_is_named_by_its_pointer() {
        assert_eq!(pointers(r#"{"tenant_id":"a","feature_type":"f","preference":{"frequency":"never"}}"#), ["/preference/frequency"]);
        assert_eq!(pointers(r#"{"tenant_id":"","feature_type":7,"x/y":1}"#), ["/x~1y", "/tenant_id", "/feature_type", "/preference"]);
        assert_eq!(pointers(r#"{"config_value":{}}"#), ["/tenant_id"]);
        assert_eq!(pointers(r#"{"tenant_id":"a","config_value":{"f":{"enabled":1}}}"#), ["/config_value/f/enabled"]);
        assert_eq!(pointers("[]"), [""]);
    }

    #[test]
    fn a_line_that_is_no_json_is_refused_with_its_place() {
        assert!(refused("{\"tenant_id\":").detail.expect("a detail").contains("line 1 column"));
        assert!(refused(&"[".repeat(200)).detail.expect("a detail").contains("recursion"));
        assert_eq!(refused(r#"{"tenant_id":"ann","oops":1}"#).tenant_id.map(|id| id.to_string()), Some("ann".into()));
    }

    #[test]
    fn a_line_that_breaks_the_rules_of_one_feature_is_refused_as_a_whole() {
        let lines = [r#"{"tenant_id":"a","config_value":{"f":{},"g":{}}}"#, r#"{"tenant_id":"b","feature_type":"g","preference":{}}"#];
        let lines = [(1, Line::Text(lines[0].into())), (2, Line::Text(lines[1].into()))];
        let mut batch = Batch::read(&lines);
        let mut rows = batch.take_rows().into_iter();
        let mut kept = || Ok::<_, Invalid>(rows.next().expect("a row"));
        let admitted = vec![kept(), Err(Invalid::one("/frequency", "not allowed")), kept()];
        assert_eq!(batch.keep_admitted(admitted).len(), 1);
        let results = batch.finish(Ok(vec![true]));
        assert_eq!((results[0].status, results[0].errors[0].pointer.as_str()), (LineStatus::Refused, "/config_value/g/frequency"));
        assert_eq!(results[1].status, LineStatus::Stored);
    }

    #[test]
    fn a_line_is_stored_if_any_of_its_features_is() {
        let text = r#"{"tenant_id":"a","config_value":{"f":{},"g":{}}}"#;
        let status = |changed: [bool; 2]| {
            let mut batch = Batch::read(&[(1, Line::Text(text.into()))]);
            assert_eq!(batch.take_rows().len(), 2);
            batch.finish(Ok(changed.into())).remove(0).status
        };
        assert_eq!(status([false, true]), LineStatus::Stored);
        assert_eq!(status([false, false]), LineStatus::Unchanged);
    }
}
