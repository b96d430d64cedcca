//! Tables that fit 80 columns.

use super::name;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};

/// Which side of its column a cell keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
    /// To the left, and never wrapped: what people copy.
    Whole,
}

/// Widest table: what a terminal has when nobody changed it.
pub const COLUMNS_MAX: usize = 80;

/// Columns between two of a table's.
const GAP: usize = 2;

/// Columns that text gets at least.
const LEFT_COLUMNS_MIN: usize = 8;

/// A table without lines. Cells wrap where the row would pass 80 columns; numbers and what people copy never do.
pub fn table(columns: &[(&str, Align)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(COLUMNS_MAX as u16)
        .set_header(columns.iter().map(|(title, _)| *title));
    for row in rows {
        table.add_row(row);
    }
    for (position, (_, align)) in columns.iter().enumerate() {
        if let Some(column) = table.column_mut(position) {
            column.set_padding((0, 2));
            if *align == Align::Right {
                column.set_cell_alignment(CellAlignment::Right);
                column.set_constraint(ColumnConstraint::ContentWidth);
            } else if *align == Align::Whole {
                column.set_constraint(ColumnConstraint::ContentWidth);
            } else {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(LEFT_COLUMNS_MIN as u16)));
            }
        }
    }
    trim_lines(&table.to_string())
}

/// A table whose rows take a line each: what is too long in the column `flexible` loses its
/// middle, as much as the others need room.
pub fn fitted(columns: &[(&str, Align)], mut rows: Vec<Vec<String>>, flexible: usize) -> String {
    let width = |position: usize, title: &str| {
        let cells = rows.iter().filter_map(|row| row.get(position));
        cells.map(|cell| name::columns(cell)).chain([name::columns(title)]).max().unwrap_or(0)
    };
    let others: usize = (columns.iter().enumerate())
        .filter(|(position, _)| *position != flexible)
        .map(|(position, (title, align))| {
            let least = if *align == Align::Left { LEFT_COLUMNS_MIN } else { 0 };
            width(position, title).max(least) + GAP
        })
        .sum();
    // The last column's gap is cut off.
    let room = COLUMNS_MAX.saturating_sub(others).saturating_sub(GAP).max(LEFT_COLUMNS_MIN);
    for cell in rows.iter_mut().filter_map(|row| row.get_mut(flexible)) {
        *cell = name::shorten_middle(cell, room);
    }
    table(columns, rows)
}

/// Names and values, one a line.
pub fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    facts.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// The same, of values that are sentences: what passes 80 columns goes on in the next line, below its beginning.
pub fn wrapped_facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in facts {
        let lines = name::wrap(value, COLUMNS_MAX.saturating_sub(width + GAP).max(LEFT_COLUMNS_MIN));
        for (number, line) in lines.lines().enumerate() {
            let name = if number == 0 { *name } else { "" };
            text += &format!("{name:width$}  {}\n", line.trim_start());
        }
    }
    text
}

fn trim_lines(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The first letters of `text`, with `…` where some are left out.
pub fn shorten(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters - 1).chain(['…']).collect()
}
