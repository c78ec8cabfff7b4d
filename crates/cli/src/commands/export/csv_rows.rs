//! Preferences as rows of CSV, in the form that an import reads back to the same JSON.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context;
use serde_json::Value;

/// The columns, in order; those behind the second are fields of a preference.
const COLUMNS: [&str; 8] = [
    "tenant_id",
    "feature_type",
    "enabled",
    "frequency",
    "preferred_time",
    "preferred_day",
    "timezone",
    "template_overrides",
];

/// How many preferences that are left out are named one by one.
const MOST_NAMED: u64 = 10;

/// Rows of CSV under a header.
pub(super) struct CsvRows<W: Write> {
    rows: csv::Writer<W>,
    /// How often each field without a column was met.
    without_column: BTreeMap<String, u64>,
    left_out: u64,
}

impl<W: Write> CsvRows<W> {
    /// Writes the header.
    pub(super) fn begin(target: W) -> anyhow::Result<Self> {
        let mut rows = csv::Writer::from_writer(target);
        rows.write_record(COLUMNS)?;
        Ok(Self { rows, without_column: BTreeMap::new(), left_out: 0 })
    }

    /// Writes a preference, unless it says more than the columns hold; returns whether it did.
    pub(super) fn write(
        &mut self,
        tenant: &str,
        feature: &str,
        preference: &Value,
    ) -> anyhow::Result<bool> {
        let fields = preference
            .as_object()
            .with_context(|| format!("the preference of {tenant:?} for {feature} is no object"))?;
        let without: Vec<_> =
            fields.keys().filter(|field| !COLUMNS[2..].contains(&field.as_str())).collect();
        if !without.is_empty() {
            self.leave_out(tenant, feature, &without);
            return Ok(false);
        }
        let cells =
            COLUMNS[2..].iter().map(|field| fields.get(*field).map(cell).unwrap_or_default());
        self.rows.write_record([tenant.to_owned(), feature.to_owned()].into_iter().chain(cells))?;
        Ok(true)
    }

    fn leave_out(&mut self, tenant: &str, feature: &str, without: &[&String]) {
        self.left_out += 1;
        if self.left_out <= MOST_NAMED {
            let fields: Vec<_> = without.iter().map(|field| field.as_str()).collect();
            eprintln!(
                "left out: {tenant:?}, {feature}: there is no column for {}",
                fields.join(", ")
            );
        }
        for field in without {
            *self.without_column.entry((*field).clone()).or_default() += 1;
        }
    }

    /// Writes what is still in memory, and prints what was left out.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.rows.flush()?;
        if self.left_out > MOST_NAMED {
            let fields: Vec<_> = self
                .without_column
                .iter()
                .map(|(field, count)| format!("{field} in {count}"))
                .collect();
            eprintln!("left out: {} preferences in all, with {}", self.left_out, fields.join(", "));
        }
        Ok(())
    }
}

/// Returns a value as a cell. A list of one weekday keeps its `|`, so that it stays a list.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(days) => match days.as_slice() {
            [day] => format!("{}|", cell(day)),
            days => days.iter().map(cell).collect::<Vec<_>>().join("|"),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(preferences: &[Value]) -> (String, Vec<bool>) {
        let mut target = Vec::new();
        let mut rows = CsvRows::begin(&mut target).expect("written");
        let done = preferences
            .iter()
            .map(|preference| rows.write("a,b", "posts", preference).expect("written"))
            .collect();
        rows.finish().expect("written");
        (String::from_utf8(target).expect("text"), done)
    }

    #[test]
    fn each_field_has_its_cell_and_what_is_not_stated_is_empty() {
        let (text, done) = written(&[
            json!({"enabled": false, "frequency": "weekly", "preferred_day": ["monday", "friday"],
                "template_overrides": {"a": "\"\n"}}),
            json!({"preferred_day": ["monday"]}),
            json!({"preferred_day": 31, "template_overrides": {}}),
        ]);
        let lines = [
            r#""a,b",posts,false,weekly,,monday|friday,,"{""a"":""\""\n""}""#,
            r#""a,b",posts,,,,monday|,,"#,
            r#""a,b",posts,,,,31,,{}"#,
            "",
        ]
        .join("\n");
        assert_eq!(text, format!("{}\n{lines}", COLUMNS.join(",")));
        assert_eq!(done, [true, true, true]);
    }

    #[test]
    fn a_preference_that_says_more_than_the_columns_hold_is_not_written() {
        let (text, done) = written(&[
            json!({"frequency": "cron", "cron": "0 9 * * *"}),
            json!({"skip_next": "2026-12-24T09:00"}),
        ]);
        assert_eq!((text.lines().count(), done), (1, vec![false, false]));
    }
}
