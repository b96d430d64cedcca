//! What a log came to, for people.

use dotctl_engine::plan::Outcome;

use super::entries::titled;
use super::look::Look;
use super::name::{escape, wrap};
use super::plan::{loud, thresholds};
use super::table::{Align, COLUMNS_MAX, fitted, wrapped_facts};
use crate::commands::TraceSection;
use crate::size::{show_count, show_duration, show_size};

/// Settings shown; the JSON has all.
const SHOWN_MAX: usize = 24;

/// The log, the settings that were tried, and the cache.
pub fn show(trace: &TraceSection, look: Look) -> String {
    let report = &trace.report;
    let more = if report.keys_are_more { " and more" } else { "" };
    let lines = [
        ("log", escape(&trace.log)),
        (
            "events",
            format!(
                "{} of {}{more} entities in {}, {:.1} a second, {} at most; {} malformed, {} skipped",
                show_count(report.events),
                show_count(report.keys),
                show_duration(report.span_ms),
                report.events_per_second,
                show_count(report.events_per_second_max),
                show_count(trace.malformed),
                show_count(trace.skipped)
            ),
        ),
        ("memory", format!("{} of newest values", show_size(report.state_bytes_max))),
        (
            "cache",
            format!(
                "{} flushes of {} rows, {} stalls, {} evictions, {} refused, {} resets; {} at most, {} dirty",
                show_count(report.cache.flushes),
                show_count(report.cache.rows_written),
                show_count(report.cache.stalls),
                show_count(report.cache.evictions),
                show_count(report.cache.refused),
                show_count(report.cache.resets),
                show_size(report.cache.bytes_max),
                show_size(report.cache.dirty_bytes_max)
            ),
        ),
    ];
    let mut text = titled(look, "What the log comes to", &wrapped_facts(&lines));
    let columns = [
        ("EVERY, ENTRIES, BYTES", Align::Left),
        ("PROFILE", Align::Left),
        ("COUNT", Align::Right),
        ("ROWS", Align::Right),
        ("LOSES", Align::Right),
        ("DIRTY", Align::Right),
        ("$/MONTH", Align::Right),
    ];
    // Settings that came to the same say nothing new.
    let is_new = |position: usize, outcome: &Outcome| {
        report.outcomes.get(..position).unwrap_or_default().iter().all(|other| {
            (other.rows_written, other.checkpoints) != (outcome.rows_written, outcome.checkpoints)
        })
    };
    let is_shown = |position: usize, outcome: &Outcome| {
        (position < SHOWN_MAX && is_new(position, outcome))
            || outcome.profile.is_some()
            || Some(outcome) == report.best.as_ref()
    };
    let shown = report.outcomes.iter().enumerate().filter(|(position, outcome)| is_shown(*position, outcome));
    let rows = shown.map(|(_, outcome)| {
        let mark = if Some(outcome) == report.best.as_ref() { " *" } else { "" };
        // The mark stands at the profile: the first column may be shortened.
        vec![
            thresholds(&outcome.thresholds),
            format!("{}{mark}", outcome.profile.unwrap_or_default()),
            show_count(outcome.checkpoints),
            show_count(outcome.rows_written),
            show_duration(outcome.recovery_point_ms),
            show_size(outcome.dirty_bytes_max),
            format!("{:.2}", outcome.usd_per_month),
        ]
    });
    text += &fitted(&columns, rows.collect(), 0);
    let asked = format!(
        "of those that lose {} or less and keep {} or less waiting",
        show_duration(trace.recovery_point_ms),
        show_size(trace.memory_bytes)
    );
    text + &match &report.best {
        Some(best) => wrap(
            &format!(
                "* the least {asked}: {} (interval, dirty entries, their bytes); every write to SQLite would be {} rows, ${:.2} a month",
                thresholds(&best.thresholds),
                show_count(report.events),
                report.every_write_usd_per_month
            ),
            COLUMNS_MAX,
        ),
        None => loud(look, &wrap(&format!("there is none {asked}"), COLUMNS_MAX)),
    }
}
