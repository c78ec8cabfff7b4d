//! Which columns go where: a decision over the schemas of both databases.

use super::rules::Rules;
use crate::rows::{ColumnShape, OF_MIGRATIONS, TablePlan, TableShape};
use crate::transfer_error::TransferError;

/// Says for each table of the target what it gets, in the target's order, in which a table comes
/// after those that it refers to.
///
/// # Errors
/// If a table or column of either has no place. An older source may lack what has a default.
pub(super) fn plan(
    source: &[TableShape],
    target: &[TableShape],
    rules: &Rules,
) -> Result<Vec<TablePlan>, TransferError> {
    if let Some(unknown) = unknown(source, target, rules).into_iter().next() {
        return Err(TransferError::Unknown(unknown));
    }
    let mut tables = Vec::new();
    for table in target.iter().filter(|table| is_copied(table, rules)) {
        if let Some(from) = find(source, &table.name) {
            tables.push(plan_of(from, table, rules)?);
        }
    }
    Ok(tables)
}

/// Names what a transfer would lose or make up: nothing, between databases of one version.
#[cfg(any(test, feature = "testing"))]
pub(super) fn unplanned(
    source: &[TableShape],
    target: &[TableShape],
    rules: &Rules,
) -> Vec<String> {
    let mut names = unknown(source, target, rules);
    // What is lacking where the other way is unknown.
    names.extend(unknown(target, source, rules));
    names
}

/// Names tables and columns of one that the other does not have, apart from those of the rules.
fn unknown(these: &[TableShape], those: &[TableShape], rules: &Rules) -> Vec<String> {
    let mut names = Vec::new();
    for table in these.iter().filter(|table| is_copied(table, rules)) {
        let Some(other) = find(those, &table.name) else {
            names.push(format!("the table {}", table.name));
            continue;
        };
        let unknown = table.columns.iter().filter(|column| {
            find_column(other, &column.name).is_none()
                && value_of(rules, &table.name, &column.name).is_none()
        });
        names.extend(unknown.map(|column| format!("the column {} of {}", column.name, table.name)));
    }
    names
}

fn plan_of(
    source: &TableShape,
    target: &TableShape,
    rules: &Rules,
) -> Result<TablePlan, TransferError> {
    let (mut columns, mut filled) = (Vec::new(), Vec::new());
    for column in &target.columns {
        if find_column(source, &column.name).is_some() {
            columns.push(column.name.clone());
        } else if let Some(value) = value_of(rules, &target.name, &column.name) {
            filled.push((column.name.clone(), value));
        } else if !column.may_be_left_out {
            let missing = format!("column {} of {}", column.name, target.name);
            return Err(TransferError::Missing(missing));
        }
    }
    Ok(TablePlan { name: target.name.clone(), columns, filled })
}

fn is_copied(table: &TableShape, rules: &Rules) -> bool {
    let name = table.name.as_str();
    !OF_MIGRATIONS.contains(&name) && !rules.of_one_database.contains(&name)
}

fn find<'a>(tables: &'a [TableShape], name: &str) -> Option<&'a TableShape> {
    tables.iter().find(|table| table.name == name)
}

fn find_column<'a>(table: &'a TableShape, name: &str) -> Option<&'a ColumnShape> {
    table.columns.iter().find(|column| column.name == name)
}

/// The value of a column that only one of the databases has.
fn value_of(rules: &Rules, table: &str, column: &str) -> Option<i64> {
    let is_it = |of: &&(&str, &str, i64)| (of.0.is_empty() || of.0 == table) && of.1 == column;
    rules.of_one_column.iter().find(is_it).map(|of| of.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            made_with_rows: &[],
            of_one_database: &["head"],
            of_one_column: &[("", "only_row", 1), ("entry", "transaction", 0)],
            finish_sqlite: String::new(),
            finish_postgres: String::new(),
        }
    }

    fn table(name: &str, columns: &[(&str, bool)]) -> TableShape {
        let columns = columns.iter().map(|(name, may_be_left_out)| ColumnShape {
            name: (*name).into(),
            may_be_left_out: *may_be_left_out,
        });
        TableShape { name: name.into(), columns: columns.collect() }
    }

    #[test]
    fn columns_of_one_database_are_filled_or_left_out_and_its_tables_too() {
        let sqlite = [table("entry", &[("id", false)])];
        let postgres = [
            table("head", &[("x", false)]),
            table("entry", &[("transaction", false), ("id", false)]),
        ];
        let there = plan(&sqlite, &postgres, &rules()).expect("planned");
        assert_eq!(
            there,
            [TablePlan {
                name: "entry".into(),
                columns: vec!["id".into()],
                filled: vec![("transaction".into(), 0)],
            }]
        );
        let back = plan(&postgres, &sqlite, &rules()).expect("planned");
        assert_eq!((&back[0].columns, back[0].filled.len()), (&vec!["id".to_owned()], 0));
        assert!(unplanned(&sqlite, &postgres, &rules()).is_empty());
    }

    #[test]
    fn what_has_no_place_is_refused_and_named() {
        let (old, new) = (
            [table("run", &[("id", false)])],
            [table("run", &[("id", false), ("why", false)]), table("more", &[])],
        );
        let newer = plan(&new, &old, &rules()).expect_err("refused").to_string();
        assert!(newer.contains("the column why of run"), "{newer}");
        let older = plan(&old, &new, &rules()).expect_err("refused").to_string();
        assert!(older.contains("column why of run"), "{older}");
        let with_default = [table("run", &[("id", false), ("why", true)])];
        assert_eq!(plan(&old, &with_default, &rules()).expect("planned")[0].columns, ["id"]);
        assert_eq!(unplanned(&old, &new, &rules()), ["the column why of run", "the table more"]);
    }
}
