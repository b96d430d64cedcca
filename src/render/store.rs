//! What a store holds, for people.

use dotctl_stores::drive::StoreReport;

use super::entries::{ROWS_MAX, counted, titled};
use super::look::{Look, Tone};
use super::name::{escape, shorten_middle, wrap};
use super::table::{Align, COLUMNS_MAX, facts, fitted};
use crate::size::{show_count, show_size};

/// The whole report on the store that people call `target`.
pub fn show(target: &str, report: &StoreReport, look: Look) -> String {
    let title = format!("Store {}", shorten_middle(&escape(target), COLUMNS_MAX - "Store ".len()));
    let mut text = format!("{}\n{}", look.paint(Tone::Title, &title), facts(&header(report)));
    text += &namespaces(report, look);
    text += &problems(report, look);
    text
}

fn header(report: &StoreReport) -> Vec<(&'static str, String)> {
    let times = |ratio: Option<f64>, what: &str| {
        ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2} times {what}"))
    };
    let packs = |count: u64, bytes: u64| format!("{} in {}", show_size(bytes), counted(count, "pack"));
    let mut lines = vec![
        (
            "checkpoints",
            format!(
                "{} of {}",
                show_count(report.checkpoint_count),
                counted(report.namespaces.len() as u64, "namespace")
            ),
        ),
        ("raw", raw(report)),
        ("stored", packs(report.pack_count, report.stored_bytes)),
        ("deduplicated", times(report.dedup_ratio, "as much if checkpoints shared nothing")),
        ("compressed", times(report.compression_ratio, "smaller")),
        ("in the store", packs(report.present_pack_count, report.present_bytes)),
    ];
    if report.unreferenced_pack_count > 0 {
        let why = if report.unfinished { "; a writer is at work or was stopped" } else { "" };
        let unused = packs(report.unreferenced_pack_count, report.unreferenced_bytes);
        lines.push(("unreferenced", format!("{unused}{why}")));
    }
    lines
}

fn raw(report: &StoreReport) -> String {
    let opened = report.checkpoint_count - report.unopened_checkpoint_count.min(report.checkpoint_count);
    match (opened, report.unopened_checkpoint_count) {
        (_, 0) => format!("{} if all were restored", show_size(report.raw_bytes)),
        (0, _) => "- (all are sealed; --identity FILE opens them)".to_owned(),
        (_, unopened) => format!(
            "{} if all were restored but {} that are sealed",
            show_size(report.raw_bytes),
            show_count(unopened)
        ),
    }
}

fn namespaces(report: &StoreReport, look: Look) -> String {
    if report.namespaces.is_empty() {
        return String::new();
    }
    let columns = [
        ("NAMESPACE", Align::Left),
        ("CHECKPOINTS", Align::Right),
        ("RAW", Align::Right),
        ("STORED", Align::Right),
        ("NEWEST", Align::Left),
    ];
    let rows = report.namespaces.iter().take(ROWS_MAX).map(|own| {
        let newest = own.newest_created_at.to_string().replace('T', " ");
        vec![
            escape(own.namespace.as_str()),
            show_count(own.checkpoint_count),
            match own.unopened_checkpoint_count == own.checkpoint_count {
                true => "-".to_owned(),
                false => show_size(own.raw_bytes),
            },
            show_size(own.stored_bytes),
            newest.chars().take(16).collect(),
        ]
    });
    let mut text = titled(look, "Namespaces", &fitted(&columns, rows.collect(), 0));
    let hidden = report.namespaces.get(ROWS_MAX..).unwrap_or_default();
    if !hidden.is_empty() {
        let count: u64 = hidden.iter().map(|own| own.checkpoint_count).sum();
        text +=
            &format!("and {} more with {} checkpoints\n", show_count(hidden.len() as u64), show_count(count));
    }
    text
}

fn problems(report: &StoreReport, look: Look) -> String {
    let mut lines: Vec<String> = report.problems.iter().map(|problem| escape(problem)).collect();
    if report.missing_pack_count > 0 {
        lines.push(format!(
            "{} packs are missing; `dotctl verify` names them",
            show_count(report.missing_pack_count)
        ));
    }
    if lines.is_empty() {
        return String::new();
    }
    let title =
        look.paint(Tone::Alarm, &format!("DAMAGED: {} found", counted(lines.len() as u64, "problem")));
    format!("\n{title}\n{}", lines.iter().map(|line| wrap(line, COLUMNS_MAX)).collect::<String>())
}
