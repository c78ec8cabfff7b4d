//! Conditions of a statement, put together from what a query asks for.

use cohort_database::statement::Bound;
use tokio_postgres::types::ToSql;

/// Conditions, and the values that the statement binds. A condition that would not restrict is left
/// out, so that the server need not plan for it.
#[derive(Default)]
pub(super) struct Conditions<'a> {
    all: Vec<String>,
    bound: Vec<&'a (dyn ToSql + Sync)>,
}

impl<'a> Conditions<'a> {
    /// Binds a value, and returns its place in the statement.
    pub(super) fn place_of(&mut self, value: &'a (dyn ToSql + Sync)) -> String {
        self.bound.push(value);
        format!("${}", self.bound.len())
    }

    /// Restricts to rows for which a comparison with a value holds, if there is a value.
    pub(super) fn add(&mut self, comparison: &str, value: Option<&'a (impl ToSql + Sync)>) {
        if let Some(value) = value {
            let place = self.place_of(value);
            self.all.push(format!("{comparison} {place}"));
        }
    }

    /// Restricts to rows after a place, if there is one.
    pub(super) fn add_after(&mut self, columns: &str, place: Option<&'a (i64, i64)>) {
        if let Some((first, second)) = place {
            let (first, second) = (self.place_of(first), self.place_of(second));
            self.all.push(format!("{columns} > ({first}, {second})"));
        }
    }

    /// Restricts to rows before a place, if there is one.
    pub(super) fn add_before(&mut self, columns: &str, place: Option<&'a (i64, i64)>) {
        if let Some((first, second)) = place {
            let (first, second) = (self.place_of(first), self.place_of(second));
            self.all.push(format!("{columns} < ({first}, {second})"));
        }
    }

    /// Restricts to rows whose text contains a part, if there is one.
    pub(super) fn add_part_of(&mut self, column: &str, part: Option<&'a String>) {
        if let Some(part) = part {
            let place = self.place_of(part);
            self.all.push(format!("strpos({column}, {place}) > 0"));
        }
    }

    /// Restricts without a value.
    pub(super) fn add_plain(&mut self, condition: &str) {
        self.all.push(condition.to_owned());
    }

    /// The clause; empty where nothing restricts.
    pub(super) fn sql(&self) -> String {
        if self.all.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", self.all.join(" AND "))
        }
    }

    /// The values that the statement binds.
    pub(super) fn bound(&self) -> Bound<'_> {
        &self.bound
    }
}
