//! Batch configs as documents: each job and purpose as somebody wrote it, to be stored, sent and
//! compared.
//!
//! A document says what was asked for and no more. Defaults that it leaves out are not written into
//! it, so that a later version with other defaults reads the same request. Two documents are the
//! same if they are equal as JSON values.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::batch_config::{BatchConfig, BatchConfigError, Shape};
use crate::id::{JobId, PurposeId};
use crate::invalid::child;

/// The jobs and purposes of a batch config, as they were written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchDocuments {
    /// The jobs by name.
    pub jobs: BTreeMap<JobId, Value>,
    /// The purposes by name; `None` if the text cannot hold any, as a list of jobs.
    pub purposes: Option<BTreeMap<PurposeId, Value>>,
}

/// One difference between two documents.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The JSON Pointer to what differs; empty for the whole document.
    pub path: String,
    /// The value before; `None` if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value after; `None` if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl BatchDocuments {
    /// Reads the documents of a batch config's text; one that [`BatchConfig::from_json`] refuses is
    /// refused.
    pub fn from_json(text: &str) -> Result<Self, BatchConfigError> {
        let config = BatchConfig::from_json(text)?;
        let value: Value = serde_json::from_str(text).expect("a batch config is JSON");
        let (jobs, purposes) = match (Shape::of(&value), value) {
            (Shape::OneJob, job) => (vec![job], None),
            (Shape::Jobs, Value::Array(jobs)) => (jobs, None),
            (_whole, mut whole) => (
                array(whole["batch_processing_jobs"].take()),
                Some(object(whole["purposes"].take())),
            ),
        };
        // Jobs keep the order of the text, and purposes have their names as keys.
        let jobs = config.jobs.into_iter().map(|job| job.job_id).zip(jobs).collect();
        let named = |mut documents: Map<String, Value>| {
            config
                .purposes
                .into_keys()
                .map(|id| (id.clone(), documents.remove(id.as_str()).unwrap_or_default()))
                .collect()
        };
        Ok(Self { jobs, purposes: purposes.map(named) })
    }

    /// Reads what the documents mean, and checks them as a whole.
    pub fn read(&self) -> Result<BatchConfig, BatchConfigError> {
        BatchConfig::from_json(&self.to_json().to_string())
    }

    /// Returns one JSON value, which [`BatchDocuments::from_json`] reads back.
    pub fn to_json(&self) -> Value {
        let jobs: Vec<&Value> = self.jobs.values().collect();
        match &self.purposes {
            None => json!(jobs),
            Some(purposes) => {
                let purposes: Map<String, Value> = purposes
                    .iter()
                    .map(|(id, document)| (id.to_string(), document.clone()))
                    .collect();
                json!({ "batch_processing_jobs": jobs, "purposes": purposes })
            }
        }
    }
}

fn array(value: Value) -> Vec<Value> {
    if let Value::Array(values) = value { values } else { Vec::new() }
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(fields) = value { fields } else { Map::new() }
}

/// Returns where two documents differ, field by field and in the order of the names. Lists are
/// compared as a whole.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(before), Some(after), &mut found);
    found
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for name in names {
                compare(&child(path, name), before.get(name), after.get(name), found);
            }
        }
        (before, after) if before == after => {}
        (before, after) => found.push(Difference {
            path: path.into(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str) -> Value {
        json!({"job_id": id, "type": "individual_batch", "purpose_id": "p",
            "preference_based": true, "feature_type": "f"})
    }

    fn documents(value: &Value) -> BatchDocuments {
        BatchDocuments::from_json(&value.to_string()).expect("valid")
    }

    #[test]
    fn all_three_shapes_give_the_jobs_as_they_were_written_and_only_the_whole_speaks_of_purposes() {
        let purpose = json!({"handler": "http", "url": "http://localhost:1/x"});
        let whole =
            json!({"batch_processing_jobs": [job("b"), job("a")], "purposes": {"p": purpose}});
        for value in [&job("a"), &json!([job("a"), job("b")]), &whole] {
            let documents = documents(value);
            assert_eq!(documents.jobs[&"a".parse::<JobId>().expect("valid")], job("a"));
            assert_eq!(documents.purposes.is_some(), value.get("purposes").is_some());
            assert_eq!(
                BatchDocuments::from_json(&documents.to_json().to_string()).as_ref(),
                Ok(&documents)
            );
        }
        assert_eq!(
            documents(&whole).purposes.expect("given")[&"p".parse::<PurposeId>().expect("valid")],
            purpose
        );
        assert_eq!(
            documents(&json!({"batch_processing_jobs": []})).purposes,
            Some(BTreeMap::new())
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_place() {
        let error = BatchDocuments::from_json("{\n \"job\": 1}").expect_err("refused").to_string();
        assert!(error.starts_with("line 2"), "{error}");
    }

    #[test]
    fn documents_are_compared_field_by_field_and_not_by_the_order_of_their_fields() {
        let (mut before, mut after) = (job("a"), job("a"));
        before["default_preferences"] = json!({"frequency": "daily", "preferred_time": "09:00"});
        after["default_preferences"] = json!({"preferred_time": "10:00", "frequency": "daily"});
        after["priority"] = json!("high");
        let found = differences(&before, &after);
        let changed = Difference {
            path: "/default_preferences/preferred_time".into(),
            before: Some(json!("09:00")),
            after: Some(json!("10:00")),
        };
        let added =
            Difference { path: "/priority".into(), before: None, after: Some(json!("high")) };
        assert_eq!(found, [changed, added]);
        assert_eq!(differences(&before, &before), []);
    }
}
