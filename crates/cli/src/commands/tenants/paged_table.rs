//! Lists that are cut unless more is asked for.

use std::io::{self, Write};

use serde_json::Value;

use crate::endpoint::Pages;
use crate::output::{Output, print_line};
use crate::table::table;

/// How many rows a table shows, if not told otherwise.
const ROWS: usize = 50;

/// The most items that a page of a list holds.
pub(super) const PAGE: usize = 1_000;

/// Prints a list as lines of JSON, or as a table.
pub(super) async fn print_pages<const N: usize>(
    pages: &Pages<'_>,
    output: Output,
    limit: Option<usize>,
    headings: [&str; N],
    row: impl Fn(&Value) -> [String; N],
) -> anyhow::Result<()> {
    if output == Output::Json {
        pages.each(limit.unwrap_or(usize::MAX), |item| print_line(&item)).await?;
        return Ok(());
    }
    let mut rows = Vec::new();
    let collect = |item: Value| {
        rows.push(row(&item));
        Ok(())
    };
    let has_more = pages.each(limit.unwrap_or(ROWS), collect).await?;
    let printed = rows.len();
    writeln!(io::stdout(), "{}", table(headings, &[], rows))?;
    if has_more {
        writeln!(io::stdout(), "the first {printed}; --limit shows more")?;
    }
    Ok(())
}
