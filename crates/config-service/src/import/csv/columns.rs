//! The columns of a header, and the records that have them.

use cohort_preferences::{FeatureType, FieldError, Invalid, Preference, TenantId};
use serde_json::{Map, Value};

use super::cell::{column, read_cell};
use crate::import::entry::{Entry, LONGEST_ENTRY};
use crate::import::record::Record;
use crate::import::row::{Row, note, reachable};
use crate::limits::{check_depth, check_preference};
use crate::store::edit::Stated;

/// The columns that an import may have.
pub(super) const KNOWN: [&str; 8] = [
    "tenant_id",
    "feature_type",
    "enabled",
    "frequency",
    "preferred_time",
    "preferred_day",
    "timezone",
    "template_overrides",
];

/// The columns that it must have.
const REQUIRED: [&str; 2] = ["tenant_id", "feature_type"];

/// The columns of the header, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns(Vec<&'static str>);

impl Columns {
    /// Reads the header; each column that is unknown, twice there or missing is named.
    pub(crate) fn read(header: &Entry) -> Result<Self, Invalid> {
        let Entry::Record(header) = header else {
            return Err(Invalid::one(
                "",
                format!("the header is longer than {LONGEST_ENTRY} bytes"),
            ));
        };
        let (mut columns, mut errors) = (Vec::new(), Vec::new());
        for cell in header.cells() {
            let name = String::from_utf8_lossy(cell);
            let name = name.trim_start_matches('\u{feff}').trim();
            match KNOWN.iter().find(|known| **known == name) {
                None => errors.extend(
                    column(name, format!("unknown column; expected some of {}", KNOWN.join(", ")))
                        .0,
                ),
                Some(known) if columns.contains(known) => {
                    errors.extend(column(name, "this column is there twice").0);
                }
                Some(known) => columns.push(*known),
            }
        }
        for missing in REQUIRED.into_iter().filter(|required| !columns.contains(required)) {
            errors.extend(column(missing, "the first line names no such column").0);
        }
        if errors.is_empty() { Ok(Self(columns)) } else { Err(Invalid(errors)) }
    }

    /// Reads a record; whose it is stays in `tenant_id` even if the rest is wrong. A cell is named
    /// by its column.
    pub(crate) fn read_row(
        &self,
        record: &Record,
        tenant_id: &mut Option<TenantId>,
    ) -> Result<Row, Invalid> {
        if record.ends.len() != self.0.len() {
            let (expected, got) = (self.0.len(), record.ends.len());
            return Err(Invalid::one(
                "",
                format!("expected {expected} cells as in the first line, got {got}"),
            ));
        }
        let (mut names, mut preference, mut errors) = (Names::default(), Map::new(), Vec::new());
        for (name, cell) in self.0.iter().zip(record.cells()).filter(|(_, cell)| !cell.is_empty()) {
            let Ok(cell) = std::str::from_utf8(cell) else {
                errors.extend(column(name, "not UTF-8").0);
                continue;
            };
            match *name {
                "tenant_id" => names.tenant = Some(cell),
                "feature_type" => names.feature = Some(cell.trim()),
                field => {
                    let value = note(read_cell(field, cell.trim()), &mut errors);
                    preference.extend(value.map(|value| (field.to_owned(), value)));
                }
            }
        }
        tenant_id.clone_from(&names.tenant.and_then(|text| text.parse().ok()));
        row(&names, &Value::Object(preference), errors)
    }
}

/// Whose preference a record is, and for what.
#[derive(Default)]
struct Names<'a> {
    tenant: Option<&'a str>,
    feature: Option<&'a str>,
}

fn row(names: &Names<'_>, preference: &Value, mut errors: Vec<FieldError>) -> Result<Row, Invalid> {
    let tenant = note(read_name::<TenantId>("tenant_id", names.tenant), &mut errors);
    let tenant = tenant.and_then(|tenant| note(reachable(tenant), &mut errors));
    let feature = note(read_name::<FeatureType>("feature_type", names.feature), &mut errors);
    let stated = note(read_preference(preference), &mut errors);
    match (tenant, feature, stated) {
        (Some(tenant), Some(feature), Some(stated)) if errors.is_empty() => {
            Ok(Row { tenant, feature, stated })
        }
        _ => Err(Invalid(errors)),
    }
}

fn read_preference(value: &Value) -> Result<Stated, Invalid> {
    check_depth(value)?;
    let stated = Stated::new(value, Preference::from_json(value, "")?);
    check_preference(&stated.json, "")?;
    Ok(stated)
}

fn read_name<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    cell: Option<&str>,
) -> Result<T, Invalid> {
    let text = cell.ok_or_else(|| column(name, "missing"))?;
    text.parse().map_err(|error: T::Err| column(name, error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::records::Records;
    use super::*;

    fn columns(header: &str) -> Result<Columns, Vec<String>> {
        let mut read = None;
        let mut records = Records::default();
        records
            .feed(format!("{header}\n").as_bytes(), |_, entry| read = Some(Columns::read(&entry)));
        read.expect("a header")
            .map_err(|Invalid(errors)| errors.into_iter().map(|error| error.pointer).collect())
    }

    fn read(header: &str, line: &str) -> Result<(String, String, Value), Vec<String>> {
        let (columns, mut read) = (columns(header).expect("a header"), None);
        let mut each = |_, entry| {
            if let Entry::Record(record) = entry {
                read = Some(columns.read_row(&record, &mut None));
            }
        };
        let mut records = Records::default();
        records.feed(line.as_bytes(), &mut each);
        records.finish(&mut each);
        let row = read.expect("a record").map_err(|Invalid(errors)| {
            errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>()
        })?;
        Ok((
            row.tenant.to_string(),
            row.feature.to_string(),
            serde_json::from_str(&row.stated.json).expect("JSON"),
        ))
    }

    const ALL: &str = "tenant_id,feature_type,enabled,frequency,preferred_time,preferred_day,\
        timezone,template_overrides";

    #[test]
    fn a_header_with_unknown_doubled_or_missing_columns_names_them() {
        assert!(columns(ALL).is_ok());
        assert!(columns("\u{feff}feature_type, tenant_id ").is_ok());
        assert_eq!(
            columns("tenant_id,zeit,feature_type,cron"),
            Err(vec!["/zeit".into(), "/cron".into()])
        );
        assert_eq!(
            columns("tenant_id,enabled,enabled"),
            Err(vec!["/enabled".into(), "/feature_type".into()])
        );
        assert_eq!(
            columns("tenant_id;feature_type"),
            Err(["/tenant_id;feature_type", "/tenant_id", "/feature_type"].map(Into::into).into())
        );
    }

    #[test]
    fn a_record_says_what_its_cells_say_and_nothing_for_empty_ones() {
        let full = concat!(
            " ann ,posts,FALSE,weekly,09:30,monday | friday,Europe/Berlin,",
            r#""{""tone"": [1, ""x""]}""#
        );
        let expected = json!({
            "enabled": false, "frequency": "weekly", "preferred_time": "09:30",
            "preferred_day": ["monday", "friday"],
            "timezone": "Europe/Berlin", "template_overrides": {"tone": [1, "x"]}
        });
        assert_eq!(read(ALL, full), Ok((" ann ".into(), "posts".into(), expected)));
        assert_eq!(
            read("feature_type,tenant_id,timezone", "posts,ann,"),
            Ok(("ann".into(), "posts".into(), json!({})))
        );
        let day = |cell: &str, frequency: &str| {
            read(
                "tenant_id,feature_type,preferred_day,frequency",
                &format!("a,f,{cell},{frequency}"),
            )
        };
        assert_eq!(
            day("monday", "weekly").map(|row| row.2["preferred_day"].clone()),
            Ok(json!("monday"))
        );
        assert_eq!(
            day("monday|", "weekly").map(|row| row.2["preferred_day"].clone()),
            Ok(json!(["monday"]))
        );
        assert_eq!(day("31", "monthly").map(|row| row.2["preferred_day"].clone()), Ok(json!(31)));
        assert_eq!(
            day("last", "monthly").map(|row| row.2["preferred_day"].clone()),
            Ok(json!("last"))
        );
        assert_eq!(day("someday", "weekly"), Err(vec!["/preferred_day".into()]));
        assert_eq!(day("|", "weekly"), Err(vec!["/preferred_day".into()]));
    }

    #[test]
    fn each_wrong_cell_is_named_by_its_column() {
        assert_eq!(
            read(ALL, "ann,posts,yes,never,25:00,,Mars,[]"),
            Err(["/frequency", "/enabled", "/preferred_time", "/timezone", "/template_overrides"]
                .map(Into::into)
                .into())
        );
        assert_eq!(
            read(ALL, ",a b,,,,,,{"),
            Err(["/template_overrides", "/tenant_id", "/feature_type"].map(Into::into).into())
        );
        assert_eq!(read(ALL, "..,posts,,,,,,"), Err(vec!["/tenant_id".into()]));
        assert_eq!(read(ALL, "ann,posts,true"), Err(vec![String::new()]));
    }
}
