//! What is in a database, for people.

use dotctl_engine::image::inspect::{DatabaseReport, Problem, TableReport};
use dotctl_engine::image::schema::TreeKind;

use super::entries::{ROWS_MAX, counted, titled};
use super::key_values;
use super::limits::limits;
use super::look::{Look, Tone};
use super::name::{escape, shorten_middle, wrap};
use super::table::{Align, COLUMNS_MAX, facts, fitted};
use crate::size::{show_count, show_size};

/// Problems described; the rest is counted.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// The whole report on the database that people call `target`.
pub fn show(target: &str, report: &DatabaseReport, look: Look) -> String {
    let mut text = header(target, report, look);
    text += &tables(report, look);
    if let Some(key_values) = &report.key_values {
        text += &key_values::tables(key_values, look);
    }
    text += &limits(&report.limits, look);
    text += &problems(&report.problems, report.problem_count, look);
    text
}

fn header(target: &str, report: &DatabaseReport, look: Look) -> String {
    let pages = |count: u32| show_size(u64::from(count) * u64::from(report.page_bytes));
    let is_index = |table: &&TableReport| table.kind == TreeKind::Index;
    let index_count = report.tables.iter().filter(is_index).count() as u64;
    let table_count = report.tables.len() as u64 - index_count;
    let mut lines = vec![
        (
            "size",
            format!(
                "{} in {} pages of {} bytes",
                pages(report.page_count),
                show_count(report.page_count.into()),
                show_count(report.page_bytes.into())
            ),
        ),
        (
            "free",
            format!(
                "{} in {} pages",
                pages(report.freelist_page_count),
                show_count(report.freelist_page_count.into())
            ),
        ),
        ("schema", format!("{}, {}", counted(table_count, "table"), show_indexes(index_count))),
    ];
    if report.text_encoding != "UTF-8" {
        lines.push(("text", report.text_encoding.to_owned()));
    }
    if let Some(key_values) = &report.key_values {
        lines.extend(key_values::facts(key_values));
    }
    lines.push(key_values::alarm(report.alarm.as_ref()));
    let title = format!("Database {}", shorten_middle(&escape(target), COLUMNS_MAX - "Database ".len()));
    format!("{}\n{}", look.paint(Tone::Title, &title), facts(&lines))
}

fn tables(report: &DatabaseReport, look: Look) -> String {
    let columns = [
        ("TABLE", Align::Left),
        ("KIND", Align::Left),
        ("ROWS", Align::Right),
        ("PAGES", Align::Right),
        ("SIZE", Align::Right),
        ("SHARE", Align::Right),
    ];
    let file_bytes = u64::from(report.page_bytes) * u64::from(report.page_count);
    let rows = report.tables.iter().take(ROWS_MAX).map(|table| {
        let share = table.stored_bytes as f64 / file_bytes.max(1) as f64 * 100.0;
        vec![
            escape(&table.name),
            kind(table.kind).to_owned(),
            show_count(table.row_count),
            show_count(table.page_count),
            show_size(table.stored_bytes),
            format!("{share:.1} %"),
        ]
    });
    let mut text = titled(look, "Tables and indexes", &fitted(&columns, rows.collect(), 0));
    let hidden = report.tables.get(ROWS_MAX..).unwrap_or_default();
    if !hidden.is_empty() {
        let bytes: u64 = hidden.iter().map(|table| table.stored_bytes).sum();
        let count = hidden.len() as u64 + report.unlisted_table_count;
        text += &format!("and {} more, {}\n", show_count(count), show_size(bytes));
    }
    text
}

fn show_indexes(count: u64) -> String {
    if count == 1 { "1 index".to_owned() } else { format!("{} indexes", show_count(count)) }
}

fn kind(kind: TreeKind) -> &'static str {
    match kind {
        TreeKind::Table => "table",
        TreeKind::WithoutRowid => "without rowid",
        TreeKind::Index => "index",
        TreeKind::Virtual => "virtual",
        TreeKind::View => "view",
        TreeKind::Trigger => "trigger",
    }
}

/// What is damaged: last, where it is seen, and loud.
fn problems(problems: &[Problem], count: u64, look: Look) -> String {
    if count == 0 {
        return String::new();
    }
    let title = format!("DAMAGED: {} found", counted(count, "problem"));
    let mut text = format!("\n{}\n", look.paint(Tone::Alarm, &title));
    for problem in problems.iter().take(PROBLEMS_SHOWN_MAX) {
        let table = match problem.table.as_str() {
            "" => String::new(),
            table => format!("{}, ", shorten_middle(&escape(table), 40)),
        };
        let line = format!("{table}page {}: {}", problem.page, escape(&problem.detail));
        text += &wrap(&line, COLUMNS_MAX);
    }
    let hidden = count.saturating_sub(problems.len().min(PROBLEMS_SHOWN_MAX) as u64);
    if hidden > 0 {
        text += &format!("and {} more\n", show_count(hidden));
    }
    text
}
