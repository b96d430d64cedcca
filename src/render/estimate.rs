//! An estimate, for people.

use dotctl_engine::budget::{BudgetFinding, Measure};
use dotctl_engine::estimate::{Backend, Estimate};
use dotctl_engine::limits::LimitStatus;
use dotctl_engine::placement::{Placement, PlacementPolicy};
use dotctl_stores::drive::{CodecReport, SampleReport};

use super::entries::{counted, titled};
use super::limits::limits;
use super::look::{Look, Tone};
use super::name::wrap;
use super::table::{Align, COLUMNS_MAX, facts, fitted};
use crate::commands::{BudgetDocument, CodecCost};
use crate::size::{show_count, show_duration, show_size};

/// The whole estimate.
pub fn show(estimate: &Estimate, budget: &BudgetDocument, policy: &PlacementPolicy, look: Look) -> String {
    let mut lines = vec![
        ("entries", show_count(estimate.entries)),
        ("raw", size(estimate.raw_bytes)),
        ("compressed", size(estimate.compressed_bytes)),
        ("goes", placement(estimate, policy)),
    ];
    if let (Some(least), Some(most)) = (estimate.stored_bytes_min, estimate.stored_bytes_max) {
        lines.push((
            "stored",
            format!("{} to {} with the records around chunks", show_size(least), show_size(most)),
        ));
    }
    lines.push(("budget", verdict(budget)));
    let mut text = facts(&lines);
    if !budget.findings.is_empty() {
        let kind = budget.operator.as_deref().unwrap_or_default();
        text += &titled(look, &format!("Budget of {kind}"), &findings(&budget.findings, look));
    }
    text + &limits(&estimate.limits, look)
}

/// What each codec makes of the sample.
pub fn codecs(
    report: &SampleReport,
    costs: &[CodecCost],
    best: &CodecCost,
    source_entries: u64,
    look: Look,
) -> String {
    let columns = [
        ("CODEC", Align::Left),
        ("SIZE", Align::Right),
        ("AT LEAST", Align::Right),
        ("AT MOST", Align::Right),
        ("RATIO", Align::Right),
        ("TIME", Align::Right),
        ("OBJECT/MONTH", Align::Right),
        ("R2/MONTH", Align::Right),
    ];
    let is_best =
        |cost: &CodecCost| (cost.report.codec, cost.report.level) == (best.report.codec, best.report.level);
    let rows = costs.iter().map(|cost| {
        let CodecReport { codec, level, bounds, compress_ms, .. } = cost.report;
        let mark = if is_best(cost) { " *" } else { "" };
        vec![
            if level == 0 { format!("{codec}{mark}") } else { format!("{codec} {level}{mark}") },
            show_size(bounds.compressed_bytes),
            show_size(bounds.low_bytes),
            show_size(bounds.high_bytes),
            format!("{:.3}", cost.ratio),
            show_duration(compress_ms.ceil() as u64),
            show_usd(cost.object_usd_per_month),
            show_usd(cost.r2_usd_per_month),
        ]
    });
    let learnt = match report.sampled_chunk_count == report.chunk_count {
        true => format!("all {} were compressed", counted(report.chunk_count, "chunk")),
        false => format!(
            "{} of {} chunks were compressed, and a run of each: {}; 95 % intervals",
            show_count(report.sampled_chunk_count),
            show_count(report.chunk_count),
            show_size(report.sampled_bytes)
        ),
    };
    let source = format!(
        "* best; learnt from {}: {learnt}",
        match source_entries {
            1 => "1 entry".to_owned(),
            many => format!("{} entries", show_count(many)),
        }
    );
    titled(look, "As a checkpoint", &fitted(&columns, rows.collect(), 0)) + &wrap(&source, COLUMNS_MAX)
}

/// US dollars, as many figures as a small price needs.
pub fn show_usd(usd: f64) -> String {
    match usd {
        0.0 => "$0".to_owned(),
        small if small < 0.0001 => "< $0.0001".to_owned(),
        small if small < 1.0 => format!("${small:.4}"),
        large => format!("${large:.2}"),
    }
}

/// A size in figures that people remember, and to the byte.
pub fn size(bytes: u64) -> String {
    format!("{} ({} bytes)", show_size(bytes), show_count(bytes))
}

/// Where it goes, and why.
pub fn placement(estimate: &Estimate, policy: &PlacementPolicy) -> String {
    let raw = estimate.raw_bytes;
    let pieces = match (estimate.placement, estimate.backend) {
        (Placement::DoRow, Backend::Sqlite) => "into the object, as one row".to_owned(),
        (Placement::DoRow, Backend::Kv) => "into the object, as one value".to_owned(),
        (Placement::DoChunks, _) => {
            let chunks = counted(estimate.chunk_count, "chunk");
            match raw >= policy.chunk_bytes {
                true => {
                    format!("into the object, as {chunks} (raw from {} on)", show_size(policy.chunk_bytes))
                }
                false => format!("into the object, as {chunks}"),
            }
        }
        (Placement::R2, _) if raw >= policy.overflow_raw_bytes => {
            format!("into R2 (raw from {} on)", show_size(policy.overflow_raw_bytes))
        }
        (Placement::R2, _) => "into R2".to_owned(),
        (Placement::Rejected, _) => format!("nowhere: raw is {} or more", show_size(policy.raw_bytes_end)),
    };
    match estimate.warns && estimate.placement != Placement::Rejected {
        true => format!("{pieces}; large: raw is {} or more", show_size(policy.warn_bytes)),
        false => pieces,
    }
}

fn verdict(budget: &BudgetDocument) -> String {
    let object = match &budget.object {
        Some(object) => format!("fits an object of the configuration `{object}`"),
        None => "fits no object's budget".to_owned(),
    };
    match (&budget.operator, budget.status) {
        (None, _) => object,
        (Some(kind), LimitStatus::Ok) => format!("within that of {kind}; {object}"),
        (Some(kind), LimitStatus::Warn) => format!("near that of {kind}; {object}"),
        (Some(kind), LimitStatus::Exceeded) => format!("OVER that of {kind}; {object}"),
    }
}

/// What a number counts, in words.
pub fn measure(measure: Measure) -> &'static str {
    match measure {
        Measure::Raw => "raw",
        Measure::Compressed => "compressed",
        Measure::Entries => "entries",
        Measure::Operators => "operators",
    }
}

/// A number of a finding as people read it.
pub fn amount(finding: &BudgetFinding, number: u64) -> String {
    match finding.budget_bytes {
        _ if number == u64::MAX => "any".to_owned(),
        Some(_) => show_size(number),
        None => show_count(number),
    }
}

/// How near, in a word.
pub fn status(status: LimitStatus) -> &'static str {
    match status {
        LimitStatus::Ok => "ok",
        LimitStatus::Warn => "near",
        LimitStatus::Exceeded => "OVER",
    }
}

/// `text` in the colour of `status`.
pub fn painted(look: Look, status: LimitStatus, text: &str) -> String {
    match status {
        LimitStatus::Ok => text.to_owned(),
        LimitStatus::Warn => look.paint(Tone::Warning, text),
        LimitStatus::Exceeded => look.paint(Tone::Alarm, text),
    }
}

/// A row for each finding.
fn findings(findings: &[BudgetFinding], look: Look) -> String {
    let columns = [
        ("MEASURE", Align::Left),
        ("ESTIMATE", Align::Right),
        ("BUDGET", Align::Right),
        ("USED", Align::Right),
        ("STATUS", Align::Left),
    ];
    let rows = findings.iter().map(|finding| {
        vec![
            measure(finding.measure).to_owned(),
            amount(finding, finding.actual()),
            amount(finding, finding.budget()),
            format!("{} %", finding.used_percent),
            status(finding.status).to_owned(),
        ]
    });
    let table = fitted(&columns, rows.collect(), 0);
    let lines = table.lines().enumerate().map(|(line, text)| {
        let status = line.checked_sub(1).and_then(|row| findings.get(row)).map(|finding| finding.status);
        painted(look, status.unwrap_or(LimitStatus::Ok), text) + "\n"
    });
    lines.collect()
}
