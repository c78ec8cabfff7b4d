//! `cohort next`: when preferences fire, without any service.

use std::io::{self, BufRead, BufWriter, IsTerminal, Write};

use clap::Args;
use cohort_preferences::{
    Clock, Defaults, FieldError, Invalid, Preference, PreferenceGroup, Schedule,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::failure::wrong_input;

const EXAMPLE: &str = r#"Example:
  echo '{"id":1,"pref":{"frequency":"weekly"},"after":"2026-12-01T00:00:00Z"}' \
    | cohort next --count 2
  {"id":1,"got":["2026-12-07T09:00:00Z","2026-12-14T09:00:00Z"]}

A line that is wrong gives {"id":…,"error":"…"} in its place and a message on standard
error; the others are answered, and the exit code is 2."#;

/// Print the next instants of preferences read from standard input
///
/// Each line {"id", "pref", "after"} gives a line {"id", "got"}: the first instants strictly later
/// than "after" at which the preference fires, in UTC. What the preference leaves open is UTC,
/// 09:00, monday, the 1st. "id" may be any JSON value and comes back as it is. The output is JSON
/// Lines, with --json or without.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Next {
    /// How many instants to print for each preference
    #[arg(long, value_name = "N", default_value_t = 5,
        value_parser = clap::value_parser!(u16).range(1..))]
    count: u16,
    /// The instant to start from for lines without "after" [default: now]
    #[arg(long, value_name = "INSTANT")]
    after: Option<Timestamp>,
}

/// A preference of a line, which can be asked for its instants.
struct StatedPreference {
    schedule: Schedule,
    preference: Preference,
    after: Timestamp,
}

impl Next {
    pub(crate) fn run(&self, clock: &impl Clock) -> anyhow::Result<()> {
        let input = io::stdin();
        if input.is_terminal() {
            eprintln!("reading JSON Lines from standard input; see cohort next --help");
        }
        let output = io::stdout();
        let after = self.after.unwrap_or_else(|| clock.now());
        self.answer(after, input.lock(), BufWriter::new(output.lock()))
    }

    fn answer(
        &self,
        default_after: Timestamp,
        mut input: impl BufRead,
        mut output: impl Write,
    ) -> anyhow::Result<()> {
        let (mut number, mut wrong, mut line) = (0_u64, 0_u64, Vec::new());
        while input.read_until(b'\n', &mut line)? > 0 {
            number += 1;
            if !line.trim_ascii().is_empty() {
                let (id, got) = self.answer_line(default_after, &line);
                wrong += u64::from(got.is_err());
                write_answer(&mut output, number, &id, got)?;
            }
            line.clear();
        }
        output.flush()?;
        if wrong > 0 {
            let text = format!("{wrong} of {number} lines are wrong and were not answered");
            return Err(wrong_input(text));
        }
        Ok(())
    }

    /// Returns the line's `id`, null where it has none, and its instants.
    fn answer_line(
        &self,
        default_after: Timestamp,
        line: &[u8],
    ) -> (Value, Result<Vec<String>, Invalid>) {
        let mut fields = match read_object(line) {
            Ok(fields) => fields,
            Err(invalid) => return (Value::Null, Err(invalid)),
        };
        let id = fields.shift_remove("id");
        let got = StatedPreference::read(&fields, default_after)
            .map(|preference| preference.instants(self.count.into()));
        match id {
            Some(id) => (id, got),
            None => (Value::Null, Err(Invalid::one("/id", "missing: expected any JSON value"))),
        }
    }
}

fn write_answer(
    output: &mut impl Write,
    number: u64,
    id: &Value,
    got: Result<Vec<String>, Invalid>,
) -> io::Result<()> {
    let answer = match got {
        Ok(got) => json!({"id": id, "got": got}),
        Err(invalid) => {
            for FieldError { pointer, detail } in &invalid.0 {
                let colon = if pointer.is_empty() { "" } else { ": " };
                eprintln!("line {number}: {pointer}{colon}{detail}");
            }
            json!({"id": id, "error": invalid.to_string()})
        }
    };
    writeln!(output, "{answer}")
}

fn read_object(line: &[u8]) -> Result<Map<String, Value>, Invalid> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(Invalid::one(
            "",
            format!("expected an object with id, pref and after, got {other}"),
        )),
        Err(error) => Err(Invalid::one("", not_json(&error))),
    }
}

/// Returns serde's message without its line, which is always 1 here and would be taken for the line
/// of the input.
fn not_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text);
    format!("not JSON: {reason} at column {}", error.column())
}

impl StatedPreference {
    fn read(fields: &Map<String, Value>, default_after: Timestamp) -> Result<Self, Invalid> {
        let mut wrong: Vec<FieldError> = fields
            .keys()
            .filter(|field| !["pref", "after"].contains(&field.as_str()))
            .flat_map(|field| {
                Invalid::one(pointer(field), "unknown field; expected id, pref and after").0
            })
            .collect();
        let after = read_after(fields.get("after"), default_after);
        let preference = read_preference(fields.get("pref"));
        match (preference, after) {
            (Ok((preference, group)), Ok(after)) if wrong.is_empty() => {
                Ok(Self { schedule: Schedule::of(&group), preference, after })
            }
            (preference, after) => {
                wrong.extend(
                    preference.err().into_iter().chain(after.err()).flat_map(|invalid| invalid.0),
                );
                Err(Invalid(wrong))
            }
        }
    }

    /// Returns the instants that are neither snoozed nor skipped; none if the preference is
    /// switched off (T1).
    fn instants(&self, count: usize) -> Vec<String> {
        if !self.preference.is_enabled() {
            return Vec::new();
        }
        let awake = self
            .preference
            .snoozed_until
            .map(|until| until.saturating_sub(SignedDuration::from_nanos(1)));
        let from = awake.and_then(Result::ok).map_or(self.after, |awake| awake.max(self.after));
        self.schedule
            .after(from)
            .filter(|occurrence| Some(occurrence.nominal) != self.preference.skip_next)
            .take(count)
            .map(|occurrence| occurrence.at.to_string())
            .collect()
    }
}

fn read_after(value: Option<&Value>, default: Timestamp) -> Result<Timestamp, Invalid> {
    let Some(value) = value else { return Ok(default) };
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
        let detail =
            format!("expected an instant such as 2026-12-01T00:00:00Z (RFC 3339), got {value}");
        Invalid::one("/after", detail)
    })
}

/// Reads the preference with its group, in which T12's last resorts stand for what it leaves open.
fn read_preference(value: Option<&Value>) -> Result<(Preference, PreferenceGroup), Invalid> {
    let value = value
        .ok_or_else(|| Invalid::one("/pref", "missing: expected a preference as an object"))?;
    let preference = Preference::from_json(value, "/pref")?;
    let group = preference.stated_group(None).resolve(&Defaults::default());
    let group = group.map_err(|open| {
        Invalid::one(format!("/pref/{}", open.field), "missing, and there is no last resort for it")
    })?;
    Ok((preference, group))
}

/// Returns the JSON Pointer (RFC 6901) to a member of the line.
fn pointer(field: &str) -> String {
    format!("/{}", field.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(lines: &str) -> (Vec<Value>, bool) {
        let next = Next { count: 2, after: None };
        let mut output = Vec::new();
        let default_after = "2026-12-31T00:00:00Z".parse().expect("valid");
        let done = next.answer(default_after, lines.as_bytes(), &mut output).is_ok();
        let output = String::from_utf8(output).expect("text");
        (output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(), done)
    }

    fn answer(pref: Value) -> Value {
        let (mut answers, _) =
            answers(&json!({"id": 1, "pref": pref, "after": "2026-12-01T00:00:00Z"}).to_string());
        answers.remove(0)
    }

    #[test]
    fn what_a_preference_leaves_open_falls_to_the_last_resorts() {
        for (pref, first) in [
            (json!({"frequency": "daily"}), "2026-12-01T09:00:00Z"),
            (json!({"frequency": "weekly"}), "2026-12-07T09:00:00Z"),
            (json!({"frequency": "monthly", "preferred_time": "10:30"}), "2026-12-01T10:30:00Z"),
            (json!({"frequency": "hourly"}), "2026-12-01T01:00:00Z"),
        ] {
            assert_eq!(answer(pref.clone())["got"][0], first, "{pref}");
        }
    }

    #[test]
    fn switched_off_snoozed_and_skipped_occurrences_are_left_out() {
        assert_eq!(answer(json!({"frequency": "daily", "enabled": false}))["got"], json!([]));
        let snoozed = json!({"frequency": "daily", "snoozed_until": "2026-12-24T09:00:00Z",
            "skip_next": "2026-12-25T09:00"});
        assert_eq!(answer(snoozed)["got"], json!(["2026-12-24T09:00:00Z", "2026-12-26T09:00:00Z"]));
    }

    #[test]
    fn each_line_has_its_answer_in_its_place() {
        let good =
            r#"{"id":{"a":[1]},"pref":{"frequency":"daily"},"after":"2026-12-01T00:00:00Z"}"#;
        let (answers, done) = answers(&format!("{good}\n{{\n\n7\n{good}"));
        assert!(!done);
        assert_eq!(answers.len(), 4);
        assert_eq!(answers[0], answers[3]);
        assert_eq!(answers[0]["id"], json!({"a": [1]}));
        assert!(answers[1]["error"].as_str().expect("text").contains("not JSON"), "{}", answers[1]);
        assert!(answers[2]["error"].as_str().expect("text").contains("expected an object"));
    }

    #[test]
    fn every_wrong_field_of_a_line_is_named_by_pointer() {
        let (answers, _) = answers(
            r#"{"id":"x","pref":{"frequency":"daily","preferred_time":"25:0"},"after":7,"when":1}"#,
        );
        let error = answers[0]["error"].as_str().expect("text");
        for pointer in ["/pref/preferred_time", "/after", "/when"] {
            assert!(error.contains(pointer), "{error}");
        }
        assert_eq!(answers[0]["id"], "x");
    }

    #[test]
    fn a_line_without_after_starts_at_the_default() {
        let (answers, _) = answers(r#"{"id":1,"pref":{"frequency":"daily"}}"#);
        assert_eq!(answers[0]["got"][0], "2026-12-31T09:00:00Z");
    }

    #[test]
    fn a_preference_without_a_frequency_has_no_last_resort() {
        let error = answer(json!({"preferred_time": "09:00"}));
        assert!(
            error["error"].as_str().expect("text").starts_with("/pref/frequency: missing"),
            "{error}"
        );
    }
}
