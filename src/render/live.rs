//! What a live object holds, for people.

use dotctl_engine::format::Manifest;
use dotctl_stores::drive::RowsReport;

use super::entries::counted;
use super::look::{Look, Tone};
use super::name::{escape, shorten_middle};
use super::table::{Align, COLUMNS_MAX, facts, fitted};
use crate::size::{show_count, show_size};

/// The whole report on the object that people call `target`, by the checkpoint `id` with this `manifest`.
pub fn show(
    target: &str,
    id: &str,
    manifest: &Manifest,
    checkpoint_count: usize,
    report: &RowsReport,
    look: Look,
) -> String {
    let title =
        format!("Live object {}", shorten_middle(&escape(target), COLUMNS_MAX - "Live object ".len()));
    let lines = |count: u64, bytes: u64| format!("{}, {} as lines", show_count(count), show_size(bytes));
    let shown = [
        ("as of", format!("{}, its newest checkpoint, {id}", manifest.created_at)),
        ("namespace", escape(manifest.namespace.as_str())),
        ("checkpoints", counted(checkpoint_count as u64, "checkpoint")),
        ("definitions", lines(report.definition_count, report.definition_line_bytes)),
        ("entries", lines(report.entry_count, report.entry_line_bytes)),
        ("content SHA-256", manifest.content_sha256.to_string()),
    ];
    let mut text = format!("{}\n{}", look.paint(Tone::Title, &title), facts(&shown));
    if !report.tables.is_empty() {
        let columns = [("TABLE", Align::Left), ("ROWS", Align::Right), ("LINES", Align::Right)];
        let rows = report
            .tables
            .iter()
            .map(|table| vec![escape(&table.name), show_count(table.row_count), show_size(table.line_bytes)]);
        text += &format!("\n{}", fitted(&columns, rows.collect(), 0));
    }
    text
}
