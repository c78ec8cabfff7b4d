//! Statements whose values have names: `:run` in the text, `run` among the values.
//!
//! PostgreSQL knows values by their places only (`$1`). A place says nothing to the reader of a
//! statement, and two lists of places can drift apart unseen. A name says what the value is, and a
//! name without a value is refused when the statement is first run.

use cohort_database::statement;
use cohort_database::{DatabaseError, GenericClient};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// Values with their names.
pub(super) type Named<'a> = &'a [(&'static str, &'a (dyn ToSql + Sync))];

/// Lists values with their names: `named! { run: run.0, now: micros(now) }`.
macro_rules! named {
    ($($name:ident: $value:expr),* $(,)?) => {
        &[$((stringify!($name), &$value as &(dyn tokio_postgres::types::ToSql + Sync))),*]
    };
}
pub(super) use named;

/// The rows of a statement.
pub(super) async fn query(
    db: &impl GenericClient,
    sql: &str,
    named: Named<'_>,
) -> Result<Vec<Row>, DatabaseError> {
    statement::query(db, &with_places(sql, named), &bound(named)).await
}

/// The one row of a statement.
pub(super) async fn query_one(
    db: &impl GenericClient,
    sql: &str,
    named: Named<'_>,
) -> Result<Row, DatabaseError> {
    statement::query_one(db, &with_places(sql, named), &bound(named)).await
}

/// The row of a statement, if it has one.
pub(super) async fn query_opt(
    db: &impl GenericClient,
    sql: &str,
    named: Named<'_>,
) -> Result<Option<Row>, DatabaseError> {
    statement::query_opt(db, &with_places(sql, named), &bound(named)).await
}

/// How many rows a statement has changed.
pub(super) async fn execute(
    db: &impl GenericClient,
    sql: &str,
    named: Named<'_>,
) -> Result<u64, DatabaseError> {
    statement::execute(db, &with_places(sql, named), &bound(named)).await
}

fn bound(named: Named<'_>) -> Vec<&(dyn ToSql + Sync)> {
    named.iter().map(|(_, value)| *value).collect()
}

/// The statement with the place of each value instead of its name. A cast (`::`) and a quoted text
/// stay as they are.
fn with_places(sql: &str, named: Named<'_>) -> String {
    let mut placed = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find([':', '\'']) {
        let (before, from) = rest.split_at(at);
        placed.push_str(before);
        let taken = if from.starts_with("::") {
            2
        } else if let Some(text) = from.strip_prefix('\'') {
            text.find('\'').map_or(from.len(), |end| end + 2)
        } else {
            let name = name_at_start(&from[1..]);
            placed.push_str(&place_of(name, named));
            rest = &from[1 + name.len()..];
            continue;
        };
        placed.push_str(&from[..taken]);
        rest = &from[taken..];
    }
    placed.push_str(rest);
    placed
}

fn name_at_start(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The place of a name's value. A name without a value stays as it is, and the server refuses the
/// statement: a mistake in a statement fails that statement, and not the process.
fn place_of(name: &str, named: Named<'_>) -> String {
    let place = named.iter().position(|(other, _)| *other == name);
    place.map_or_else(|| format!(":{name}"), |place| format!("${}", place + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_becomes_the_place_of_its_value() {
        let sql = "SELECT :run::bigint, 'a:run', :now FROM t WHERE x = :run AND y = 'it''s :now'";
        assert_eq!(
            with_places(sql, named! { now: 1_i64, run: 2_i64 }),
            "SELECT $2::bigint, 'a:run', $1 FROM t WHERE x = $2 AND y = 'it''s :now'"
        );
        assert_eq!(with_places("SELECT 1", named! {}), "SELECT 1");
    }

    #[test]
    fn a_name_without_a_value_is_left_for_the_server_to_refuse() {
        assert_eq!(with_places("SELECT :later", named! { now: 1_i64 }), "SELECT :later");
    }
}
