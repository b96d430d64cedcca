//! What is in a state snapshot, for people.

use dotctl_engine::state::StateReport;

use super::entries::{expiry, prefixes, sizes};
use super::limits::limits;
use super::look::{Look, Tone};
use super::name::{escape, shorten_middle};
use super::table::{COLUMNS_MAX, facts};
use crate::size::{show_count, show_size};

/// The whole report on the state snapshot that people call `target`.
pub fn show(target: &str, report: &StateReport, look: Look) -> String {
    let name = if target == "-" { "standard input".to_owned() } else { escape(target) };
    let title = format!("State {}", shorten_middle(&name, COLUMNS_MAX - "State ".len()));
    let mut text = format!("{}\n{}", look.paint(Tone::Title, &title), facts(&header(report)));
    text += &prefixes(&report.prefixes, look);
    text += &sizes(&report.sizes, look);
    text += &limits(&report.limits, look);
    if report.repeated_key_count > 0 {
        let problem = format!(
            "REPEATED KEYS: {}; a snapshot refuses this source",
            show_count(report.repeated_key_count)
        );
        text += &format!("\n{}\n", look.paint(Tone::Alarm, &problem));
    }
    text
}

fn header(report: &StateReport) -> Vec<(&'static str, String)> {
    let order = if report.sorted { "by key" } else { "not by key; a snapshot sorts them" };
    let mut lines = vec![
        (
            "entries",
            format!(
                "{}: {} of keys, {} of values as JSON",
                show_count(report.count),
                show_size(report.key_bytes),
                show_size(report.value_bytes)
            ),
        ),
        ("size", format!("{} as one compact JSON array", show_size(report.raw_bytes))),
        ("order", order.to_owned()),
        ("expiry", expiry(&report.expiry)),
    ];
    if let (Some(oldest), Some(newest)) = (report.oldest, report.newest) {
        lines.push(("oldest", oldest.to_string()));
        lines.push(("newest", newest.to_string()));
    }
    lines
}
