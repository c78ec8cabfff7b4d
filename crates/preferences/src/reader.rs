//! Reads JSON objects field by field and names what is wrong with them (W1).

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::invalid::{Errors, Invalid, child, shown};

/// Takes the fields of one object, one by one, and notes what is wrong with them.
pub(crate) struct Reader<'a> {
    pub(crate) fields: &'a Map<String, Value>,
    pub(crate) pointer: &'a str,
    pub(crate) errors: Errors,
}

impl<'a> Reader<'a> {
    /// A reader of the object that stands at `pointer`; `what` names what was expected there.
    pub(crate) fn of(value: &'a Value, pointer: &'a str, what: &str) -> Result<Self, Invalid> {
        let Value::Object(fields) = value else {
            return Err(Invalid::one(pointer, format!("expected {what}, got {}", shown(value))));
        };
        Ok(Self { fields, pointer, errors: Errors::new() })
    }

    pub(crate) fn refuse_unknown(&mut self, known: &[&str]) {
        for field in self.fields.keys().filter(|field| !known.contains(&field.as_str())) {
            let nearest = nearest(field, known)
                .map(|name| format!("; did you mean {name:?}?"))
                .unwrap_or_default();
            self.errors.add(child(self.pointer, field), format!("unknown field{nearest}"));
        }
    }

    pub(crate) fn require(&mut self, fields: &[&str]) {
        for field in fields.iter().filter(|field| !self.fields.contains_key(**field)) {
            self.errors.add(child(self.pointer, field), "missing");
        }
    }

    /// Notes what is wrong with the field, if anything is.
    pub(crate) fn check(&mut self, field: &str, outcome: Result<(), impl fmt::Display>) {
        if let Err(error) = outcome {
            self.errors.add(child(self.pointer, field), error.to_string());
        }
    }

    pub(crate) fn typed<T>(
        &mut self,
        field: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.fields.get(field)?;
        let read = read(value);
        if read.is_none() {
            self.errors.add(
                child(self.pointer, field),
                format!("expected {expected}, got {}", shown(value)),
            );
        }
        read
    }

    /// A field with fields of its own, which `read` reads from the value and its pointer.
    pub(crate) fn nested<T>(
        &mut self,
        field: &str,
        read: impl FnOnce(&Value, &str) -> Result<T, Invalid>,
    ) -> Option<T> {
        let value = self.fields.get(field)?;
        read(value, &child(self.pointer, field)).map_err(|invalid| self.errors.extend(invalid)).ok()
    }

    pub(crate) fn text<T: FromStr<Err: fmt::Display>>(&mut self, field: &str) -> Option<T> {
        let value = self.fields.get(field)?;
        match value.as_str().unwrap_or_default().parse::<T>() {
            Ok(read) => Some(read),
            Err(error) => {
                self.errors
                    .add(child(self.pointer, field), format!("{error}, got {}", shown(value)));
                None
            }
        }
    }
}

/// The known name that a wrong one most likely means, if any is near.
pub(crate) fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(wrong, name), *name))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
