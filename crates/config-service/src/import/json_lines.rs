//! JSON Lines: a line is `{"tenant_id","feature_type","preference"}`, or the specification's
//! document with its `tenant_id`.
//!
//! Unlike a PUT, a document line writes the features that it names and leaves the tenant's others
//! alone: an export of one feature must not delete the rest.

use cohort_preferences::{
    FeatureType, FieldError, Invalid, Preference, PreferenceDocument, TenantId,
};
use serde_json::{Map, Value};

use super::entry::{Entry, LONGEST_ENTRY};
use super::row::{Location, Refusal, Row, note, reachable};
use crate::limits::{check_depth, check_document, check_preference};
use crate::store::edit::Stated;

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    open: Vec<u8>,
    is_too_long: bool,
    ended: u64,
}

impl Lines {
    /// Takes the next bytes and gives each line that they complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(u64, Entry)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.append(&bytes[..end]);
            self.end(&mut each);
            bytes = &bytes[end + 1..];
        }
        self.append(bytes);
    }

    /// Gives the last line, if it did not end.
    pub(crate) fn finish(mut self, mut each: impl FnMut(u64, Entry)) {
        if self.is_too_long || !self.open.is_empty() {
            self.end(&mut each);
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.is_too_long |= self.open.len() + bytes.len() > LONGEST_ENTRY;
        if self.is_too_long {
            self.open = Vec::new();
        } else {
            self.open.extend_from_slice(bytes);
        }
    }

    fn end(&mut self, each: &mut impl FnMut(u64, Entry)) {
        self.ended += 1;
        let text = std::mem::take(&mut self.open);
        each(
            self.ended,
            if std::mem::take(&mut self.is_too_long) { Entry::TooLong } else { Entry::Line(text) },
        );
    }
}

/// Reads a line; whose it is stays in `tenant_id` even if the rest is wrong.
pub(super) fn read(
    text: &[u8],
    tenant_id: &mut Option<TenantId>,
) -> Result<Vec<(Location, Row)>, Refusal> {
    let value: Value = serde_json::from_slice(text)
        .map_err(|error| Refusal::Unreadable(format!("not JSON: {error}")))?;
    check_depth(&value)?;
    *tenant_id = value.get("tenant_id").and_then(Value::as_str).and_then(|text| text.parse().ok());
    match value {
        Value::Object(fields)
            if fields.contains_key("feature_type") || fields.contains_key("preference") =>
        {
            Ok(vec![(Location::Row, read_row(&fields)?)])
        }
        value => read_document(&value),
    }
}

fn read_document(value: &Value) -> Result<Vec<(Location, Row)>, Refusal> {
    check_document(value)?;
    let document = PreferenceDocument::from_json(value)?;
    let tenant = document.tenant_id.ok_or_else(|| {
        Invalid::one("/tenant_id", "missing: a document in an import says whose it is")
    })?;
    let tenant = reachable(tenant)?;
    let rows = document.features.into_iter().map(|(feature, (value, preference))| {
        let (stated, location) =
            (Stated::new(&value, preference), Location::Document(feature.clone()));
        check_preference(&stated.json, &location.pointer())?;
        Ok((location, Row { tenant: tenant.clone(), feature, stated }))
    });
    rows.collect()
}

fn read_row(fields: &Map<String, Value>) -> Result<Row, Refusal> {
    const KNOWN: [&str; 3] = ["tenant_id", "feature_type", "preference"];
    let mut errors: Vec<FieldError> = Vec::new();
    for field in fields.keys().filter(|field| !KNOWN.contains(&field.as_str())) {
        let pointer = format!("/{}", field.replace('~', "~0").replace('/', "~1"));
        errors.extend(Invalid::one(pointer, "unknown field").0);
    }
    let tenant = read_name::<TenantId>(fields, "tenant_id", &mut errors);
    let tenant = tenant.and_then(|tenant| note(reachable(tenant), &mut errors));
    let feature = read_name::<FeatureType>(fields, "feature_type", &mut errors);
    let stated = match fields.get("preference") {
        Some(value) => note(read_preference(value), &mut errors),
        None => {
            note(Err(Invalid::one("/preference", "missing: expected a preference")), &mut errors)
        }
    };
    match (tenant, feature, stated) {
        (Some(tenant), Some(feature), Some(stated)) if errors.is_empty() => {
            Ok(Row { tenant, feature, stated })
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::batch::{Batch, LineResult, LineStatus, Shape};

    fn refused(text: &str) -> LineResult {
        let mut batch = Batch::read(&Shape::JsonLines, &[(1, Entry::Line(text.into()))]);
        assert!(batch.take_rows().is_empty(), "{text}");
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
                lines.feed(bytes, |number, line| seen.push((number, line)));
            }
            lines.finish(|number, line| seen.push((number, line)));
            let expected = [(1, "one"), (2, ""), (3, "two"), (4, "three")]
                .map(|(number, text)| (number, Entry::Line(text.into())));
            assert_eq!(seen, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_told_so_and_the_next_is_read() {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        lines.feed(&vec![b'x'; LONGEST_ENTRY], |number, line| seen.push((number, line)));
        lines.feed(b"y\nnext\n", |number, line| seen.push((number, line)));
        lines.finish(|number, line| seen.push((number, line)));
        assert_eq!(seen, [(1, Entry::TooLong), (2, Entry::Line("next".into()))]);
    }

    #[test]
    fn each_wrong_field_of_a_line_is_named_by_its_pointer() {
        assert_eq!(
            pointers(r#"{"tenant_id":"a","feature_type":"f","preference":{"frequency":"never"}}"#),
            ["/preference/frequency"]
        );
        assert_eq!(
            pointers(r#"{"tenant_id":"","feature_type":7,"x/y":1}"#),
            ["/x~1y", "/tenant_id", "/feature_type", "/preference"]
        );
        assert_eq!(pointers(r#"{"config_value":{}}"#), ["/tenant_id"]);
        assert_eq!(
            pointers(r#"{"tenant_id":"a","config_value":{"f":{"enabled":1}}}"#),
            ["/config_value/f/enabled"]
        );
        assert_eq!(pointers("[]"), [""]);
        assert_eq!(
            pointers(r#"{"tenant_id":"..","feature_type":"f","preference":{}}"#),
            ["/tenant_id"]
        );
        assert_eq!(pointers(r#"{"tenant_id":".","config_value":{}}"#), ["/tenant_id"]);
    }

    #[test]
    fn a_line_that_is_no_json_is_refused_with_its_place() {
        assert!(refused("{\"tenant_id\":").detail.expect("a detail").contains("line 1 column"));
        assert!(refused(&"[".repeat(200)).detail.expect("a detail").contains("recursion"));
        assert_eq!(
            refused(r#"{"tenant_id":"ann","oops":1}"#).tenant_id.map(|id| id.to_string()),
            Some("ann".into())
        );
    }

    #[test]
    fn a_line_that_breaks_the_rules_of_one_feature_is_refused_as_a_whole() {
        let lines = [
            r#"{"tenant_id":"a","config_value":{"f":{},"g":{}}}"#,
            r#"{"tenant_id":"b","feature_type":"g","preference":{}}"#,
        ];
        let lines = [(1, Entry::Line(lines[0].into())), (2, Entry::Line(lines[1].into()))];
        let mut batch = Batch::read(&Shape::JsonLines, &lines);
        let mut rows = batch.take_rows().into_iter();
        let mut kept = || Ok::<_, Invalid>(rows.next().expect("a row").admitted(0));
        let admitted = vec![kept(), Err(Invalid::one("/frequency", "not allowed")), kept()];
        assert_eq!(batch.keep_admitted(admitted).len(), 1);
        let results = batch.finish(Ok(vec![true]));
        assert_eq!(
            (results[0].status, results[0].errors[0].pointer.as_str()),
            (LineStatus::Refused, "/config_value/g/frequency")
        );
        assert_eq!(results[1].status, LineStatus::Stored);
    }

    #[test]
    fn a_line_is_stored_if_any_of_its_features_is() {
        let text = r#"{"tenant_id":"a","config_value":{"f":{},"g":{}}}"#;
        let status = |changed: [bool; 2]| {
            let mut batch = Batch::read(&Shape::JsonLines, &[(1, Entry::Line(text.into()))]);
            assert_eq!(batch.take_rows().len(), 2);
            batch.finish(Ok(changed.into())).remove(0).status
        };
        assert_eq!(status([false, true]), LineStatus::Stored);
        assert_eq!(status([false, false]), LineStatus::Unchanged);
    }
}
