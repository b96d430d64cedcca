//! How near the largest things are to their limits.

use dotctl_engine::limits::LimitStatus;
use dotctl_engine::measure::LimitFinding;

use super::entries::titled;
use super::look::{Look, Tone};
use super::name::escape;
use super::table::{Align, fitted};
use crate::size::{show_count, show_size};

/// Limits that hold only for objects without SQLite.
const KV_BACKEND: &str = "kv-backend-";

/// A row for each limit; what is near or past it is marked.
pub fn limits(findings: &[LimitFinding], look: Look) -> String {
    let columns = [
        ("LIMIT", Align::Left),
        ("LARGEST", Align::Right),
        ("ALLOWED", Align::Right),
        ("USED", Align::Right),
        ("STATUS", Align::Left),
        ("WHERE", Align::Left),
    ];
    let rows = findings.iter().map(|finding| {
        let (largest, allowed) = match (finding.actual_bytes, finding.limit_bytes) {
            (Some(actual), Some(limit)) => (show_size(actual), show_size(limit)),
            _ => {
                (show_count(finding.actual_count.unwrap_or(0)), show_count(finding.limit_count.unwrap_or(0)))
            }
        };
        vec![
            finding.limit.to_owned(),
            largest,
            allowed,
            share(finding),
            status(finding),
            escape(finding.key.as_deref().unwrap_or_default()),
        ]
    });
    let table = fitted(&columns, rows.collect(), 5);
    // The title's line, then one for each finding.
    let lines = table.lines().enumerate().map(|(line, text)| {
        let finding = line.checked_sub(1).and_then(|row| findings.get(row));
        let painted = match finding.map(|finding| (finding.status, is_kv_backend(finding))) {
            Some((LimitStatus::Exceeded, false)) => look.paint(Tone::Alarm, text),
            Some((LimitStatus::Exceeded, true) | (LimitStatus::Warn, _)) => look.paint(Tone::Warning, text),
            _ => text.to_owned(),
        };
        format!("{painted}\n")
    });
    let mut text = titled(look, "Limits", &lines.collect::<String>());
    if findings.iter().any(is_kv_backend) {
        text += "kv-backend limits hold for objects that are not SQLite-backed\n";
    }
    text
}

/// The limit of SQLite-backed objects that is nearest, and how much of it is used.
pub fn nearest(findings: &[LimitFinding]) -> Option<&LimitFinding> {
    findings.iter().filter(|finding| !is_kv_backend(finding)).max_by(|a, b| used(a).total_cmp(&used(b)))
}

fn is_kv_backend(finding: &LimitFinding) -> bool {
    finding.limit.starts_with(KV_BACKEND)
}

fn used(finding: &LimitFinding) -> f64 {
    let actual = finding.actual_bytes.or(finding.actual_count).unwrap_or(0);
    let limit = finding.limit_bytes.or(finding.limit_count).unwrap_or(0);
    actual as f64 / limit.max(1) as f64
}

/// How much of the limit the largest thing takes.
pub fn share(finding: &LimitFinding) -> String {
    let percent = used(finding) * 100.0;
    if percent > 0.0 && percent < 1.0 { "< 1 %".to_owned() } else { format!("{percent:.0} %") }
}

fn status(finding: &LimitFinding) -> String {
    let many = |word: &str, count: u64| match count {
        0 | 1 => word.to_owned(),
        _ => format!("{word}, {}", show_count(count)),
    };
    match finding.status {
        LimitStatus::Ok => "ok".to_owned(),
        LimitStatus::Warn => many("near", finding.warn_count),
        LimitStatus::Exceeded => many("OVER", finding.exceeded_count),
    }
}
