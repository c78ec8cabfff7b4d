//! A policy: its limits, and those of tenants that carry a label.

use serde_json::{Map, Value};

use super::limits::Limits;
use crate::invalid::{Errors, Invalid, child, shown};
use crate::labels::{LabelFilter, Labels};
use crate::reader::Reader;

/// The most entries of `by_label` (W5).
const MOST_LABELS: usize = 100;

/// What users may choose of a feature, and who may choose otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// What holds for everyone.
    pub general: Limits,
    /// What holds for tenants that carry a label; each limit given replaces the general one, and
    /// that of an entry before.
    pub by_label: Vec<(LabelFilter, Limits)>,
}

impl Policy {
    /// Reads a policy that stands at `pointer` of what was sent; names every field that is wrong
    /// (W1).
    pub fn from_json(value: &Value, pointer: &str) -> Result<Self, Invalid> {
        let mut reader = Reader::of(value, pointer, "a policy as an object")?;
        reader.refuse_unknown(&[
            "frequencies",
            "least_interval",
            "slot_minutes",
            "hours",
            "by_label",
        ]);
        let general = Limits::read(&mut reader);
        let by_label = reader.nested("by_label", read_by_label).unwrap_or_default();
        reader.errors.into_result(Self { general, by_label })
    }

    /// The policy as JSON, which reads back as itself.
    pub fn to_json(&self) -> Value {
        let mut fields = self.general.to_fields();
        if !self.by_label.is_empty() {
            let entries = self.by_label.iter().map(|(label, limits)| {
                let mut entry = Map::from_iter([("label".into(), label.to_string().into())]);
                entry.extend(limits.to_fields());
                entry.into()
            });
            fields.insert("by_label".into(), Value::Array(entries.collect()));
        }
        Value::Object(fields)
    }

    /// The limits of a tenant with these labels.
    pub fn limits_of(&self, labels: &Labels) -> Limits {
        let theirs = self.by_label.iter().filter(|(label, _)| labels.carry(label));
        theirs.fold(self.general.clone(), |limits, (_, special)| limits.replaced_by(special))
    }
}

fn read_by_label(value: &Value, pointer: &str) -> Result<Vec<(LabelFilter, Limits)>, Invalid> {
    let Some(entries) = value.as_array().filter(|entries| entries.len() <= MOST_LABELS) else {
        let expected = format!("expected a list of at most {MOST_LABELS} labels with limits");
        return Err(Invalid::one(pointer, format!("{expected}, got {}", shown(value))));
    };
    let mut errors = Errors::new();
    let mut read: Vec<(LabelFilter, Limits)> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let pointer = child(pointer, &index.to_string());
        match read_label_entry(entry, &pointer) {
            Ok((label, _)) if read.iter().any(|(other, _)| *other == label) => {
                errors
                    .add(child(&pointer, "label"), format!("another entry has the label {label}"));
            }
            Ok(entry) => read.push(entry),
            Err(invalid) => errors.extend(invalid),
        }
    }
    errors.into_result(read)
}

fn read_label_entry(value: &Value, pointer: &str) -> Result<(LabelFilter, Limits), Invalid> {
    let mut reader = Reader::of(value, pointer, "a label with limits as an object")?;
    reader.refuse_unknown(&["label", "frequencies", "least_interval", "slot_minutes", "hours"]);
    reader.require(&["label"]);
    let label = reader.text("label");
    let limits = Limits::read(&mut reader);
    reader.errors.into_result(())?;
    Ok((label.expect("a label that is missing or wrong was refused just above"), limits))
}
