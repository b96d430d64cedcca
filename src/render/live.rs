//! What a live object holds, for people.

use dotctl_engine::format::Manifest;
use dotctl_engine::rows::{ObjectReport, RowsReport};

use super::entries::{ROWS_MAX, counted, titled};
use super::key_values;
use super::limits::limits;
use super::look::{Look, Tone};
use super::name::{escape, shorten_middle};
use super::table::{Align, COLUMNS_MAX, facts, fitted};
use crate::size::{show_count, show_size};

/// Columns beside the names of facts.
const FACT_COLUMNS: usize = COLUMNS_MAX - "checkpoints".len() - 2;

/// What is known of the object besides its rows.
pub struct Live<'a> {
    /// As people call it.
    pub target: &'a str,
    /// What its database takes now, whatever is in it.
    pub database_bytes: u64,
    /// Its checkpoints.
    pub checkpoint_count: usize,
    /// The beginning of the newest one's id.
    pub id: &'a str,
    /// That one.
    pub manifest: &'a Manifest,
}

/// The whole report.
pub fn show(live: &Live<'_>, report: &ObjectReport, look: Look) -> String {
    let title =
        format!("Live object {}", shorten_middle(&escape(live.target), COLUMNS_MAX - "Live object ".len()));
    let rows = &report.rows;
    let lines = |count: u64, bytes: u64| format!("{}, {} as lines", show_count(count), show_size(bytes));
    let mut shown = vec![
        ("as of", format!("{}, its newest checkpoint, {}", live.manifest.created_at, live.id)),
        ("namespace", shorten_middle(&escape(live.manifest.namespace.as_str()), FACT_COLUMNS)),
        ("checkpoints", counted(live.checkpoint_count as u64, "checkpoint")),
        ("size", format!("{} now, checkpoints inside included", show_size(live.database_bytes))),
        ("definitions", lines(rows.definition_count, rows.definition_line_bytes)),
    ];
    if let Some(found) = &report.key_values {
        shown.extend(key_values::facts(found));
    }
    shown.push(key_values::alarm(report.alarm.as_ref()));
    shown.push(("SHA-256", live.manifest.content_sha256.to_string()));
    let mut text = format!("{}\n{}", look.paint(Tone::Title, &title), facts(&shown));
    text += &tables(rows, look);
    if let Some(found) = &report.key_values {
        text += &key_values::tables(found, look);
    }
    text + &limits(&report.limits, look)
}

/// The largest ones.
fn tables(rows: &RowsReport, look: Look) -> String {
    if rows.tables.is_empty() {
        return String::new();
    }
    let columns =
        [("TABLE", Align::Left), ("ROWS", Align::Right), ("VALUES", Align::Right), ("LINES", Align::Right)];
    let mut tables: Vec<_> = rows.tables.iter().collect();
    tables.sort_by_key(|table| std::cmp::Reverse(table.value_bytes));
    let shown = tables.iter().take(ROWS_MAX).map(|table| {
        vec![
            escape(&table.name),
            show_count(table.row_count),
            show_size(table.value_bytes),
            show_size(table.line_bytes),
        ]
    });
    let mut text = titled(look, "Tables with rows", &fitted(&columns, shown.collect(), 0));
    let hidden = tables.get(ROWS_MAX..).unwrap_or_default();
    if !hidden.is_empty() {
        let bytes: u64 = hidden.iter().map(|table| table.value_bytes).sum();
        text += &format!("and {} more, {} of values\n", show_count(hidden.len() as u64), show_size(bytes));
    }
    text
}
