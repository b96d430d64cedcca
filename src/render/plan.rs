//! A plan, for people.

use dotctl_engine::limits::LimitStatus;
use dotctl_engine::plan::{Alternative, Claim, Forecast, Item, Standing, Thresholds};

use super::entries::{counted, titled};
use super::estimate::{painted, show_usd, status};
use super::look::{Look, Tone};
use super::name::wrap;
use super::table::{Align, COLUMNS_MAX, fitted, wrapped_facts};
use crate::commands::PlanReport;
use crate::size::{show_count, show_duration, show_size};

/// The whole plan.
pub fn show(report: &PlanReport, look: Look) -> String {
    let mut text = design(report);
    text += &titled(look, "Days until each limit", &limits(&report.forecasts, look));
    text += &wrap(&first(report), COLUMNS_MAX);
    text += &costs(report, look);
    text += &recovery(report, look);
    text += &titled(look, "The claim, and what is billed, of one object", &claims(report));
    text += &profiles(report, look);
    text += &packs(report, look);
    text += &partitions(report, look);
    if let Some(trace) = &report.trace {
        text += &super::plan_trace::show(trace, look);
    }
    if let Some(path) = &report.html {
        text += &format!("\nwritten: {path}\n");
    }
    text
}

/// A number with a decimal, if it has any.
fn tenths(number: f64) -> String {
    if number.fract() == 0.0 { number.to_string() } else { format!("{number:.1}") }
}

fn rounded(number: f64) -> String {
    show_count(number.round().max(0.0) as u64)
}

fn counted_entries(count: u64) -> String {
    format!("{} {}", show_count(count), if count == 1 { "entry" } else { "entries" })
}

fn design(report: &PlanReport) -> String {
    let design = &report.design;
    wrapped_facts(&[
        (
            "fleet",
            format!(
                "{} with {} each: raw {}, compressed {}",
                counted(design.objects, "object"),
                counted_entries(design.entries),
                show_size(report.raw_bytes),
                show_size(report.compressed_bytes)
            ),
        ),
        (
            "load",
            format!(
                "{} writes and {} reads a second, {} % of the time; {} more entries a day",
                tenths(design.writes_per_second),
                tenths(design.reads_per_second),
                tenths(design.active_percent),
                tenths(design.growth_per_day)
            ),
        ),
        (
            "profiles",
            format!(
                "checkpoints {}, compaction {}, tiering {}, cache {}",
                design.profile.name, design.compaction.name, design.tiering.name, design.cache.name
            ),
        ),
    ])
}

fn limits(forecasts: &[Forecast], look: Look) -> String {
    let columns = [
        ("LIMIT", Align::Left),
        ("TODAY", Align::Right),
        ("ALLOWED", Align::Right),
        ("DAYS", Align::Right),
        ("STATUS", Align::Left),
        ("THEN", Align::Left),
    ];
    let rows = forecasts.iter().map(|forecast| {
        let (today, allowed) = amounts(forecast);
        vec![
            forecast.limit.to_owned(),
            today,
            allowed,
            days(forecast.days),
            status(forecast.status).to_owned(),
            forecast.then.to_owned(),
        ]
    });
    let table = fitted(&columns, rows.collect(), 5);
    let lines = table.lines().enumerate().map(|(line, text)| {
        let found = line.checked_sub(1).and_then(|row| forecasts.get(row));
        painted(look, found.map_or(LimitStatus::Ok, |found| found.status), text) + "\n"
    });
    lines.collect()
}

/// What there is and what may be, in the unit of the limit.
pub fn amounts(forecast: &Forecast) -> (String, String) {
    if let (Some(actual), Some(limit)) = (forecast.actual_bytes, forecast.limit_bytes) {
        (show_size(actual), show_size(limit))
    } else if let (Some(actual), Some(limit)) = (forecast.actual_ms, forecast.limit_ms) {
        (show_duration(actual), show_duration(limit))
    } else {
        let rate = |number: Option<f64>| format!("{}/s", tenths(number.unwrap_or(0.0)));
        (rate(forecast.actual_per_second), rate(forecast.limit_per_second))
    }
}

/// From here on nobody counts days.
const CENTURY_DAYS: f64 = 36_525.0;

/// Days, or that there are none.
pub fn days(days: Option<f64>) -> String {
    match days {
        None => "never".to_owned(),
        Some(passed) if passed <= 0.0 => "passed".to_owned(),
        Some(days) if days < 10.0 => format!("{days:.1}"),
        Some(days) if days >= CENTURY_DAYS => "> 100 years".to_owned(),
        Some(days) => rounded(days.floor()),
    }
}

fn first(report: &PlanReport) -> String {
    match &report.first_limit {
        None => "no limit that breaks something is ever met".to_owned(),
        Some(first) => {
            let when = match first.days {
                Some(days) if days >= CENTURY_DAYS => "in more than 100 years".to_owned(),
                Some(days) if days > 0.0 => format!("in {} days", self::days(Some(days))),
                _ => "already".to_owned(),
            };
            format!("first to break: {}, {when}: {}; past it {}", first.limit, first.what, first.then)
        }
    }
}

fn costs(report: &PlanReport, look: Look) -> String {
    let columns = [
        ("ALTERNATIVE", Align::Left),
        ("ROWS/DAY", Align::Right),
        ("ROWS", Align::Right),
        ("STORAGE", Align::Right),
        ("R2 PUTS", Align::Right),
        ("SINK", Align::Right),
        ("$/MONTH", Align::Right),
    ];
    let best = report.recommendation.as_ref().map(|recommendation| recommendation.alternative);
    let rows = report.alternatives.iter().map(|alternative| {
        let sum = |names: &[&str]| -> String {
            let of = alternative.items.iter().filter(|item| names.contains(&item.item));
            money(of.map(|item| item.usd).sum())
        };
        let mark = if best == Some(alternative.name) { " *" } else { "" };
        vec![
            format!("{}{mark}", alternative.name),
            show_count(u64::try_from(alternative.rows_per_day).unwrap_or(u64::MAX)),
            sum(&["do-rows-written", "do-rows-read"]),
            sum(&["do-storage", "r2-storage"]),
            sum(&["r2-class-a"]),
            sum(&["pipeline-ingress", "pipeline-sink-json"]),
            if alternative.impossible.is_some() { "no".to_owned() } else { money(alternative.usd_per_month) },
        ]
    });
    let mut text = titled(look, "Cost of the fleet for a month", &fitted(&columns, rows.collect(), 0));
    // Whatever is chosen, requests come and objects are in memory.
    let shared = |item: &&Item| ["do-requests", "do-duration"].contains(&item.item);
    let shared = report
        .alternatives
        .first()
        .map_or(0.0, |one| one.items.iter().filter(shared).map(|item| item.usd).sum());
    text += &wrap(&format!("each with {} for requests and time in memory", show_usd(shared)), COLUMNS_MAX);
    for alternative in &report.alternatives {
        if let Some(reason) = &alternative.impossible {
            text += &wrap(&format!("{}: not possible, {reason}", alternative.name), COLUMNS_MAX);
        }
    }
    match &report.recommendation {
        Some(best) => text += &wrap(&format!("* {}: {}", best.alternative, best.reason), COLUMNS_MAX),
        None => text += "nothing that is possible loses so little\n",
    }
    text + "what is free each month is taken off, the rest is rounded up to whole units\n"
}

/// US dollars in few columns; the JSON and the page have every cent.
fn money(usd: f64) -> String {
    match usd {
        0.0 => "-".to_owned(),
        small if small < 100_000.0 => format!("{small:.2}"),
        some if some < 1e7 => format!("{some:.0}"),
        many if many < 1e9 => format!("{:.1} M", many / 1e6),
        many if many < 1e12 => format!("{:.1} B", many / 1e9),
        many => format!("{:.1e}", many),
    }
}

fn recovery(report: &PlanReport, look: Look) -> String {
    let says = |alternative: &Alternative| match alternative.recovery_point_ms {
        none if none <= 0.0 => alternative.loses.to_owned(),
        some => format!("up to {}: {}", show_duration(some.ceil() as u64), alternative.loses),
    };
    // Those that lose the same share a line.
    let mut groups: Vec<(Vec<&str>, String)> = Vec::new();
    for alternative in &report.alternatives {
        let said = says(alternative);
        match groups.iter_mut().find(|(_, other)| *other == said) {
            Some((names, _)) => names.push(alternative.name),
            None => groups.push((vec![alternative.name], said)),
        }
    }
    let line =
        |(names, says): &(Vec<&str>, String)| wrap(&format!("{}: {says}", names.join(", ")), COLUMNS_MAX);
    let text: String = groups.iter().map(line).collect();
    titled(look, "What is lost if an object stops now", &text)
}

fn claims(report: &PlanReport) -> String {
    let columns = [
        ("WRITES/DAY", Align::Right),
        ("EVERY", Align::Right),
        ("CLAIMED", Align::Right),
        ("LESS", Align::Right),
        ("ROWS BILLED", Align::Right),
        ("LESS", Align::Right),
        ("AT 100 DIRTY", Align::Right),
    ];
    let row = |claim: &Claim| {
        vec![
            rounded(claim.writes_per_day),
            show_duration(claim.interval_ms),
            rounded(claim.claimed_writes_per_day),
            format!("{:.2} %", claim.claimed_reduction_percent),
            rounded(claim.billed_rows_per_day),
            format!("{:.2} %", claim.billed_reduction_percent),
            rounded(claim.billed_rows_with_threshold_per_day),
        ]
    };
    let rows = vec![row(&report.claim.as_made), row(&report.claim.of_design)];
    fitted(&columns, rows, 0)
        + &wrap(
            "the claim counts checkpoints, the bill counts the rows in them: one for each entry that changed; \
             and 100 dirty entries make a checkpoint at once, unless that threshold is raised",
            COLUMNS_MAX,
        )
}

fn profiles(report: &PlanReport, look: Look) -> String {
    let mark = |name: &str, chosen: bool| if chosen { format!("{name} *") } else { name.to_owned() };
    let columns = [
        ("CHECKPOINTS", Align::Left),
        ("EVENTS", Align::Right),
        ("EVERY", Align::Right),
        ("BYTES", Align::Right),
        ("A DAY", Align::Right),
        ("LOSES", Align::Right),
        ("FOR", Align::Left),
    ];
    let rows = report.profiles.checkpoint.iter().map(|choice| {
        vec![
            mark(choice.profile.name, choice.chosen),
            show_count(choice.profile.events),
            show_duration(choice.profile.interval_ms),
            show_size(choice.profile.bytes),
            rounded(choice.checkpoints_per_day),
            show_duration(choice.recovery_point_ms.ceil() as u64),
            choice.profile.purpose.to_owned(),
        ]
    });
    let mut text = titled(look, "Profiles", &fitted(&columns, rows.collect(), 6));
    text += "without a Pipeline a stop loses as much; one in good order loses nothing\n\n";
    let columns = [
        ("COMPACTION", Align::Left),
        ("FROM FILES", Align::Right),
        ("TO", Align::Right),
        ("AT MOST", Align::Right),
        ("AGE", Align::Right),
        ("HOURS", Align::Left),
        ("FOR", Align::Left),
    ];
    let rows = report.profiles.compaction.iter().map(|profile| {
        let hours: Vec<String> = profile.hours.iter().map(u8::to_string).collect();
        vec![
            mark(profile.name, *profile == report.design.compaction),
            show_count(profile.files_min),
            show_size(profile.target_file_bytes),
            show_count(profile.files_max),
            hours_of(profile.partition_age_min_ms),
            hours.join(","),
            profile.purpose.to_owned(),
        ]
    });
    text += &fitted(&columns, rows.collect(), 6);
    let columns = [
        ("TIERING", Align::Left),
        ("HOT FOR", Align::Right),
        ("AT MOST", Align::Right),
        ("KEEPS", Align::Right),
        ("CACHED", Align::Right),
        ("FOR", Align::Left),
    ];
    let rows = report.profiles.tiering.iter().map(|choice| {
        vec![
            mark(choice.profile.name, choice.chosen),
            hours_of(choice.profile.hot_age_max_ms),
            show_size(choice.profile.hot_bytes_max),
            show_size(choice.hot_bytes),
            hours_of(choice.profile.cache_ttl_ms),
            choice.profile.purpose.to_owned(),
        ]
    });
    text + "\n" + &fitted(&columns, rows.collect(), 5)
}

fn hours_of(ms: u64) -> String {
    match ms / 60_000 {
        0 => "0".to_owned(),
        minutes if minutes < 60 => format!("{minutes} min"),
        minutes if minutes < 48 * 60 => format!("{} h", minutes / 60),
        minutes => format!("{} days", minutes / 1440),
    }
}

fn packs(report: &PlanReport, look: Look) -> String {
    let columns = [
        ("PACK", Align::Right),
        ("PACKS", Align::Right),
        ("PUTS/MONTH", Align::Right),
        ("$/MONTH", Align::Right),
    ];
    let rows = report.packs.iter().map(|choice| {
        vec![
            show_size(choice.pack_bytes),
            show_count(choice.packs),
            show_count(u64::try_from(choice.class_a_per_month).unwrap_or(u64::MAX)),
            show_usd(choice.usd_per_month),
        ]
    });
    titled(look, "Pack size of full checkpoints in R2", &fitted(&columns, rows.collect(), 0))
        + "one entry is read by its range, whatever the pack\n"
}

fn partitions(report: &PlanReport, look: Look) -> String {
    let fleet = &report.partitions.fleet;
    let wide = |number: u128| show_count(u64::try_from(number).unwrap_or(u64::MAX));
    let size = |number: u128| show_size(u64::try_from(number).unwrap_or(u64::MAX));
    let mut lines = vec![
        (
            "data",
            format!(
                "{} in {} partitions of {} at most, {} levels below {} roots, {} only forward",
                size(fleet.data_bytes),
                wide(fleet.holding),
                show_size(report.partitions.setting.partition_bytes),
                fleet.levels,
                show_count(report.partitions.setting.roots),
                wide(fleet.forwarding)
            ),
        ),
        ("topology", format!("{} bits, {}", wide(fleet.topology_bits), size(fleet.topology_bytes))),
        (
            "answers",
            format!(
                "{} reads, {} to {} writes a second",
                wide(fleet.reads_per_second),
                wide(fleet.writes_per_second_min),
                wide(fleet.writes_per_second_max)
            ),
        ),
    ];
    for reference in &report.partitions.references {
        lines.push((
            "for scale",
            format!(
                "{} partitions, {}: topology {}, filter of as many promoted keys {}",
                show_count(reference.partitions),
                size(reference.data_bytes),
                size(reference.topology_bytes),
                show_size(reference.filter_bytes)
            ),
        ));
    }
    let files = &report.files;
    let partitioned = match files.recommended {
        dotctl_engine::plan::Partitioned::Hour => "an hour".to_owned(),
        dotctl_engine::plan::Partitioned::Day => "a day".to_owned(),
        dotctl_engine::plan::Partitioned::Month => "a month".to_owned(),
        dotctl_engine::plan::Partitioned::Bucket { bucket_count } => {
            format!("one of {bucket_count} buckets of tenants")
        }
    };
    lines.push(("R2 files", format!("a partition is {partitioned}: {}", files.reason)));
    for measured in &files.guidelines {
        let is_bytes = measured.guideline.metric == "file-bytes";
        let show = |number: u64| if is_bytes { show_size(number) } else { show_count(number) };
        lines.push((
            "",
            format!(
                "{}: {}, best {} to {}: {}",
                measured.guideline.metric,
                show(measured.actual as u64),
                show(measured.guideline.optimal_from),
                show(measured.guideline.optimal_to),
                standing(measured.standing)
            ),
        ));
    }
    titled(look, "The fleet's data as one, in partitions", &wrapped_facts(&lines))
}

/// How a number stands, in words.
pub fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::TooFew => "too little",
        Standing::Few => "little",
        Standing::Optimal => "good",
        Standing::Many => "much",
        Standing::TooMany => "too much",
    }
}

/// Thresholds in a few words.
pub fn thresholds(thresholds: &Thresholds) -> String {
    format!(
        "{} {} {}",
        short(thresholds.interval_ms),
        show_count(thresholds.dirty_count),
        show_size(thresholds.dirty_bytes)
    )
}

/// Seconds, without what is behind the point where that is nothing.
fn short(ms: u64) -> String {
    format!("{}s", ms as f64 / 1000.0)
}

/// A title that stands out.
pub fn loud(look: Look, text: &str) -> String {
    look.paint(Tone::Alarm, text)
}
