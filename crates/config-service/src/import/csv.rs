//! CSV (RFC 4180): a header line of column names, then a record for each user and feature.
//!
//! Columns may stand in any order; `tenant_id` and `feature_type` must be there. An empty cell
//! states nothing. The cells are those of a preference, as text:
//!
//! | column | cell |
//! | --- | --- |
//! | `tenant_id` | as it is, blanks included |
//! | `enabled` | `true` or `false`, in any case |
//! | `preferred_day` | a weekday, a day of the month or `last`; a list of weekdays has `\|` between or behind them: `monday\|friday`, `monday\|` |
//! | `template_overrides` | a JSON object |
//! | the others | as in JSON |
//!
//! A list of one weekday is written with the `|` behind it, so that what was exported says the same
//! when it is imported. The other fields of a preference (`anchor_date`, `cron`, `snoozed_until`,
//! `skip_next`) have no column.

use cohort_preferences::{FeatureType, FieldError, Invalid, Preference, TenantId};
use csv_core::{ReadRecordResult, Reader};
use serde_json::{Map, Value};

use super::{Entry, LONGEST_ENTRY, Row, note, reachable};
use crate::service::limits::{check_depth, check_preference};
use crate::store::edit::Stated;

/// The columns that an import may have.
const KNOWN: [&str; 8] = [
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

/// The cells of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// The cells one after the other.
    text: Vec<u8>,
    /// Where each cell ends.
    ends: Vec<usize>,
}

/// Cuts a stream into records. A record may span lines and pieces of the stream.
#[derive(Debug)]
pub(crate) struct Records {
    reader: Reader,
    open: Open,
    /// The line that the next byte stands on.
    line: u64,
}

/// The record that has not ended.
#[derive(Debug, Default)]
struct Open {
    /// Its first line; `None` before its first byte.
    line: Option<u64>,
    text: Vec<u8>,
    text_len: usize,
    ends: Vec<usize>,
    ends_len: usize,
    is_too_long: bool,
}

/// The columns of the header, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns(Vec<&'static str>);

impl Record {
    /// Each cell.
    fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.text[begin..*end])
    }

    /// Whether all cells are empty.
    pub(crate) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    /// How many bytes its cells hold.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }
}

impl Default for Records {
    fn default() -> Self {
        Self { reader: Reader::new(), open: Open::default(), line: 1 }
    }
}

impl Records {
    /// Takes the next bytes and gives each record that they complete, with the number of its first
    /// line.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(u64, Entry)) {
        while !bytes.is_empty() {
            if self.open.line.is_none() {
                bytes = self.skip_line_ends(bytes);
                if bytes.is_empty() {
                    return;
                }
                self.open.line = Some(self.line);
            }
            let taken = self.step(bytes, &mut each);
            self.line += line_ends(&bytes[..taken]);
            bytes = &bytes[taken..];
        }
    }

    /// Gives the last record, if it did not end.
    pub(crate) fn finish(mut self, mut each: impl FnMut(u64, Entry)) {
        while self.open.line.is_some() {
            // No bytes mean the end to the reader, which then ends the record; it may ask for more
            // room before.
            self.step(&[], &mut each);
        }
    }

    /// Between records there are only ends of lines, blank lines' too.
    fn skip_line_ends<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.line += line_ends(&bytes[..blank]);
        &bytes[blank..]
    }

    /// One step of the reader; says how many bytes it took.
    fn step(&mut self, bytes: &[u8], each: &mut impl FnMut(u64, Entry)) -> usize {
        let open = &mut self.open;
        let (text, ends) = (&mut open.text[open.text_len..], &mut open.ends[open.ends_len..]);
        let (result, taken, written, ended) = self.reader.read_record(bytes, text, ends);
        open.text_len += written;
        open.ends_len += ended;
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull => open.make_room_for_text(),
            ReadRecordResult::OutputEndsFull => open.make_room_for_ends(),
            ReadRecordResult::Record | ReadRecordResult::End => {
                if let Some((line, entry)) = open.take() {
                    each(line, entry);
                }
            }
        }
        taken
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

impl Open {
    fn make_room_for_text(&mut self) {
        if self.text.len() >= LONGEST_ENTRY {
            self.give_up();
        } else {
            self.text.resize((2 * self.text.len()).clamp(512, LONGEST_ENTRY), 0);
        }
    }

    fn make_room_for_ends(&mut self) {
        // More cells than any header has columns are never read.
        if self.ends.len() >= 1024 {
            self.give_up();
        } else {
            self.ends.resize((2 * self.ends.len()).max(KNOWN.len() + 1), 0);
        }
    }

    /// What has come is forgotten, and what is to come is only looked through for its end.
    fn give_up(&mut self) {
        (self.is_too_long, self.text_len, self.ends_len) = (true, 0, 0);
    }

    /// The record, which has ended.
    fn take(&mut self) -> Option<(u64, Entry)> {
        let line = self.line.take()?;
        let record = Record {
            text: self.text[..self.text_len].into(),
            ends: self.ends[..self.ends_len].into(),
        };
        (self.text_len, self.ends_len) = (0, 0);
        let entry = if std::mem::take(&mut self.is_too_long) {
            Entry::TooLong
        } else {
            Entry::Record(record)
        };
        Some((line, entry))
    }
}

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
                    errors.extend(column(name, "this column is there twice").0)
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
    pub(super) fn read_row(
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

/// A cell of a preference as the JSON that it stands for; whether that is right is for the
/// preference to say.
fn read_cell(field: &str, cell: &str) -> Result<Value, Invalid> {
    Ok(match field {
        "enabled" if cell.eq_ignore_ascii_case("true") => Value::Bool(true),
        "enabled" if cell.eq_ignore_ascii_case("false") => Value::Bool(false),
        "preferred_day" => read_day(cell),
        "template_overrides" => serde_json::from_str(cell)
            .map_err(|error| column(field, format!("expected a JSON object: {error}")))?,
        _ => cell.into(),
    })
}

fn read_day(cell: &str) -> Value {
    if cell.contains('|') {
        return cell.split('|').map(str::trim).filter(|day| !day.is_empty()).collect();
    }
    cell.parse::<u64>().map_or_else(|_not_a_number| cell.into(), Value::from)
}

fn column(name: &str, detail: impl Into<String>) -> Invalid {
    Invalid::one(format!("/{}", name.replace('~', "~0").replace('/', "~1")), detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cut(text: &[u8], piece: usize) -> Vec<(u64, Vec<String>)> {
        let (mut records, mut seen) = (Records::default(), Vec::new());
        let mut each = |line, entry| match entry {
            Entry::Record(record) => {
                seen.push((
                    line,
                    record.cells().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect(),
                ));
            }
            other => seen.push((line, vec![format!("{other:?}")])),
        };
        for bytes in text.chunks(piece) {
            records.feed(bytes, &mut each);
        }
        records.finish(&mut each);
        seen
    }

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

    const ALL: &str = "tenant_id,feature_type,enabled,frequency,preferred_time,preferred_day,timezone,template_overrides";

    #[test]
    fn records_are_cut_wherever_the_stream_is_cut_and_named_by_their_first_line() {
        let text = b"a,b\r\n\r\n\"x\ny\",\"say \"\"hi\"\"\"\n\n1,\nlast";
        let expected = [
            (1, vec!["a", "b"]),
            (3, vec!["x\ny", "say \"hi\""]),
            (6, vec!["1", ""]),
            (7, vec!["last"]),
        ];
        for piece in 1..=text.len() {
            let seen = cut(text, piece);
            let seen: Vec<_> = seen
                .iter()
                .map(|(line, cells)| (*line, cells.iter().map(String::as_str).collect::<Vec<_>>()))
                .collect();
            assert_eq!(seen, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_record_that_is_too_long_is_told_so_and_the_next_is_read() {
        let text =
            format!("\"{}\"\nnext\n{}\nlast", "x".repeat(2 * LONGEST_ENTRY), ",".repeat(5_000));
        let seen = cut(text.as_bytes(), 64 * 1024);
        let too_long = || vec!["TooLong".to_owned()];
        assert_eq!(
            seen,
            [(1, too_long()), (2, vec!["next".into()]), (3, too_long()), (4, vec!["last".into()])]
        );
    }

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
        let full = r#" ann ,posts,FALSE,weekly,09:30,monday | friday,Europe/Berlin,"{""tone"": [1, ""x""]}""#;
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
