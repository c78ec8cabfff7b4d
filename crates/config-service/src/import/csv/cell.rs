//! Cells, as the JSON that they stand for.

use cohort_preferences::Invalid;
use serde_json::Value;

/// Returns the JSON that a cell stands for; whether it is valid is for the preference to say.
pub(super) fn read_cell(field: &str, cell: &str) -> Result<Value, Invalid> {
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

pub(super) fn column(name: &str, detail: impl Into<String>) -> Invalid {
    Invalid::one(format!("/{}", name.replace('~', "~0").replace('/', "~1")), detail)
}
