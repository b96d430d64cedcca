//! The objects in a folder, for people.

use dotctl_engine::image::inspect::DatabaseReport;
use dotctl_engine::measure::LimitFinding;

use super::entries::counted;
use super::limits::{nearest, share};
use super::look::{Look, Tone};
use super::name::{escape, shorten_middle};
use super::table::{Align, COLUMNS_MAX, fitted};
use crate::size::{show_count, show_size};

/// What a folder's table and JSON say of one object.
pub struct ObjectFacts {
    /// Bytes of its image, what is still in its log included.
    pub raw_bytes: u64,
    /// Entries in `_cf_KV`.
    pub entry_count: u64,
    /// Tables, indexes not counted.
    pub table_count: u64,
    /// When it asked to be woken.
    pub alarm: Option<dotctl_engine::id::Time>,
    /// The limit it is nearest to.
    pub nearest_limit: Option<LimitFinding>,
    /// Damage found.
    pub problem_count: u64,
}

impl ObjectFacts {
    /// What of `report` fits a row.
    pub fn of(report: &DatabaseReport) -> Self {
        use dotctl_engine::image::schema::TreeKind;
        ObjectFacts {
            raw_bytes: u64::from(report.page_bytes) * u64::from(report.page_count),
            entry_count: report.key_values.as_ref().map_or(0, |key_values| key_values.count),
            table_count: report.tables.iter().filter(|table| table.kind != TreeKind::Index).count() as u64,
            alarm: report.alarm.as_ref().map(|alarm| alarm.time),
            nearest_limit: nearest(&report.limits).cloned(),
            problem_count: report.problem_count,
        }
    }
}

/// A row for each object, in the order given; `Err` says why one cannot be read.
pub fn show(target: &str, objects: &[(String, Result<ObjectFacts, String>)], look: Look) -> String {
    let columns = [
        ("OBJECT", Align::Left),
        ("SIZE", Align::Right),
        ("ENTRIES", Align::Right),
        ("TABLES", Align::Right),
        ("ALARM", Align::Left),
        ("NEAREST LIMIT", Align::Left),
    ];
    let none = || "-".to_owned();
    let rows = objects.iter().map(|(namespace, facts)| match facts {
        Ok(facts) => vec![
            escape(namespace),
            show_size(facts.raw_bytes),
            show_count(facts.entry_count),
            show_count(facts.table_count),
            facts.alarm.map_or_else(none, |alarm| alarm.to_string().chars().take(10).collect()),
            match &facts.nearest_limit {
                _ if facts.problem_count > 0 => "DAMAGED".to_owned(),
                Some(limit) => format!("{} {}", share(limit), limit.limit),
                None => none(),
            },
        ],
        Err(_) => vec![escape(namespace), none(), none(), none(), none(), "CANNOT BE READ".to_owned()],
    });
    let table = fitted(&columns, rows.collect(), 0);
    let lines = table.lines().enumerate().map(|(line, text)| {
        let is_bad = line
            .checked_sub(1)
            .and_then(|row| objects.get(row))
            .is_some_and(|(_, facts)| facts.as_ref().map_or(true, |facts| facts.problem_count > 0));
        let painted = if is_bad { look.paint(Tone::Alarm, text) } else { text.to_owned() };
        format!("{painted}\n")
    });
    let readable = objects.iter().filter_map(|(_, facts)| facts.as_ref().ok());
    let bytes: u64 = readable.map(|facts| facts.raw_bytes).sum();
    let title = format!(
        "{}, {}, below {}",
        counted(objects.len() as u64, "object"),
        show_size(bytes),
        escape(target)
    );
    let title = look.paint(Tone::Title, &shorten_middle(&title, COLUMNS_MAX));
    format!("{title}\n\n{}", lines.collect::<String>())
}
