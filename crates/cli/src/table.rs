//! Tables for people: plain columns without borders or colours, as wide as what they hold.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Returns a table under these headings; the columns in `numbers` are aligned to the right.
pub(crate) fn table<const N: usize>(
    headings: [&str; N],
    numbers: &[usize],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings).add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if numbers.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Returns a number of bytes with the unit that suits it.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut size, mut unit) = (count as f64 / 1024.0, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        (size, unit) = (size / 1024.0, unit + 1);
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_text() {
        let rows = [
            ["daily".into(), "2000".into(), "UTC".into()],
            ["weekly".into(), "7".into(), "-".into()],
        ];
        let expected = "FREQUENCY  USERS  TIMEZONE\ndaily       2000  UTC\nweekly         7  -";
        assert_eq!(table(["FREQUENCY", "USERS", "TIMEZONE"], &[1], rows), expected);
    }
}
