//! `dotctl replay`: event logs into a local image.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use dotctl_engine::format::CheckpointKind;
use dotctl_engine::id::Time;
use dotctl_engine::{Error, Result};
use dotctl_stores::bucket::BucketObjects;
use dotctl_stores::drive::{RestoreForm, restore};
use dotctl_stores::reference::{Found, resolve};
use dotctl_stores::replay::{
    EntityNote, LogFile, NamespaceFacts, Report, Request, Rules, compare, is_pattern, replay,
};
use dotctl_stores::store::Store;
use dotctl_stores::target::Target;

use super::elapsed_ms;
use crate::cli::ReplayArgs;
use crate::error::Exit;
use crate::open::{self, bucket_setting};
use crate::output::Output;
use crate::render::{Bar, counted};
use crate::size::{show_count, show_duration, show_size};

/// Stretches of missing sequence numbers that a namespace's report names.
const GAPS_SHOWN: usize = 100;

pub fn run(args: &ReplayArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    let files = log_files(args)?;
    let rules = Rules {
        namespace: args.namespace.clone(),
        until_ms: args.until.map(Time::unix_ms),
        merge_updates: args.merge_updates,
    };
    if let Some(image) = &args.check {
        return check(args, &files, rules, image, begun, output);
    }
    let Some(into) = &args.into else {
        return Err(Error::malformed("--into names the image to make or to bring up to date"));
    };
    let bar = Bar::new(output.progress);
    let from = args.from.as_deref().map(|reference| checkpoint(args, reference)).transpose()?;
    let write = |target: &Target| -> Result<()> {
        let Some((store, found)) = &from else { return Ok(()) };
        let write_at = |offset: u64, bytes: &[u8]| target.write_at(offset, bytes);
        restore(
            store.as_ref(),
            &found.manifest,
            RestoreForm::Database,
            Some(&write_at),
            &mut |_| Ok(()),
            None,
            &bar,
        )
        .map(|_| ())
    };
    let request = Request {
        files: &files,
        rules,
        into,
        columnar_threshold: args.columnar_threshold,
        strict: args.strict,
        dry_run: args.dry_run,
        from: if from.is_some() { Some(&write) } else { None },
    };
    let report = replay(&request, &bar)?;
    for (phase, time) in &report.phases {
        output.explain(|| format!("{phase}: {} ms", time.as_millis()));
    }
    warn(&report, output);
    tell(&report, into, args.dry_run, elapsed_ms(begun), output)?;
    Ok(Exit::Done)
}

/// The checkpoint that a new image begins with.
fn checkpoint(args: &ReplayArgs, reference: &str) -> Result<(Box<dyn Store>, Found)> {
    let store = open::store(&args.store)?;
    let found = resolve(store.as_ref(), reference)?;
    if found.manifest.kind != CheckpointKind::Image {
        return Err(Error::unsupported("a checkpoint of state is no image that events can be applied to")
            .at(reference.to_owned())
            .hint("name a checkpoint of a database with the tables `things` and `collections`"));
    }
    Ok((store, found))
}

/// Compares an image with the log.
fn check(
    args: &ReplayArgs,
    files: &[LogFile],
    rules: Rules,
    image: &Path,
    begun: Instant,
    output: &Output,
) -> Result<Exit> {
    let scratch = open::scratch_folder();
    let compared = compare(files, rules, image, args.strict, &scratch, &Bar::new(output.progress))?;
    warn(&compared.report, output);
    let duration_ms = elapsed_ms(begun);
    let ok = compared.differences.is_empty();
    let differences: Vec<Value> = compared
        .differences
        .iter()
        .map(|one| json!({"id": one.id, "kind": one.kind.name(), "detail": one.detail}))
        .collect();
    let document = json!({
        "ok": ok,
        "image": image.display().to_string(),
        "events_read": compared.report.events_read,
        "events_applied": compared.report.events_applied,
        "duplicates": compared.report.duplicates,
        "malformed": compared.report.malformed,
        "skipped": compared.report.skipped(),
        "conflicts": compared.report.conflicts,
        "things": compared.report.things,
        "image_things": compared.entities,
        "namespaces": compared.report.namespaces.iter().map(namespace_document).collect::<Vec<_>>(),
        "difference_count": compared.differences.len(),
        "differences": differences,
        "duration_ms": duration_ms,
    });
    output.result(&document, || {
        let mut lines: Vec<String> = compared
            .differences
            .iter()
            .map(|one| format!("{} {}: {}", one.kind.name(), shown(&one.id), one.detail))
            .collect();
        lines.push(format!(
            "{} in the log, {} in {}: {}, {}",
            entities(compared.report.things),
            show_count(compared.entities),
            image.display(),
            counted(compared.differences.len() as u64, "difference"),
            show_duration(duration_ms)
        ));
        lines.join("\n")
    })?;
    Ok(if ok { Exit::Done } else { Exit::Found })
}

/// An id for a terminal.
fn shown(id: &str) -> String {
    id.chars().map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}

fn log_files(args: &ReplayArgs) -> Result<Vec<LogFile>> {
    let mut files = Vec::new();
    for word in &args.logs {
        match bucket_setting(word, &args.store.bucket)? {
            Some(mut setting) => {
                let named = std::mem::take(&mut setting.prefix);
                let parts: Vec<&str> = named.split('/').collect();
                let fixed = parts.iter().take_while(|part| !is_pattern(part)).count();
                let (fixed, wanted) = parts.split_at(fixed);
                setting.prefix = fixed.join("/");
                let wanted = (!wanted.is_empty()).then(|| wanted.join("/"));
                let mut address = format!("{}://{}/{}", setting.scheme, setting.bucket, setting.prefix);
                if !address.ends_with('/') {
                    address.push('/');
                }
                let objects = Arc::new(BucketObjects::open(&setting)?);
                files.extend(LogFile::objects(objects, &address, wanted.as_deref(), word)?);
            }
            None => files.extend(LogFile::find(word)?),
        }
    }
    Ok(files)
}

/// Says on stderr what somebody should look at.
fn warn(report: &Report, output: &Output) {
    for place in &report.malformed_places {
        output.warn(&format!("{}, line {}: {}", place.file, place.line, place.reason));
    }
    let more = report.malformed.saturating_sub(report.malformed_places.len() as u64);
    if more > 0 {
        output.warn(&format!("{} in the log without an event", counted(more, "more place")));
    }
    for (verb, count) in &report.unknown {
        output.warn(&format!("{} of the unknown verb {verb:?} left out", counted(*count, "event")));
    }
    if report.conflicts > 0 {
        output.warn(&format!(
            "{}: different events with one key; they were applied",
            counted(report.conflicts, "conflict")
        ));
        notes(&report.conflict_notes, output);
    }
    if report.uncommitted > 0 {
        output.warn(&format!(
            "{} of transactions without a commit left out",
            counted(report.uncommitted, "change")
        ));
    }
    if report.invalid > 0 {
        output.warn(&format!("{} not as every entity must be", entities(report.invalid)));
        notes(&report.invalid_notes, output);
    }
    for facts in &report.namespaces {
        match missing(facts) {
            None => output.warn(&format!(
                "{}: its sequence numbers are too scattered to tell which are missing",
                facts.name
            )),
            Some((0, _)) => {}
            Some((count, gaps)) => {
                let shown: Vec<String> = gaps.iter().take(5).map(show_gap).collect();
                let dots = if gaps.len() > 5 { ", …" } else { "" };
                output.warn(&format!(
                    "{}: {} {} missing from the log: {}{dots}",
                    facts.name,
                    counted(count, "sequence number"),
                    if count == 1 { "is" } else { "are" },
                    shown.join(", ")
                ));
            }
        }
    }
}

fn entities(count: u64) -> String {
    format!("{} {}", show_count(count), if count == 1 { "entity" } else { "entities" })
}

fn notes(notes: &[EntityNote], output: &Output) {
    for note in notes {
        output.warn(&format!("  {}: {}", note.id, note.note));
    }
}

fn show_gap((first, last): &(u64, u64)) -> String {
    if first == last { first.to_string() } else { format!("{first}–{last}") }
}

/// How many sequence numbers are missing, and which.
fn missing(facts: &NamespaceFacts) -> Option<(u64, Vec<(u64, u64)>)> {
    let gaps = facts.sequences.as_ref()?.missing();
    let count =
        gaps.iter().map(|(first, last)| (last - first).saturating_add(1)).fold(0, u64::saturating_add);
    Some((count, gaps))
}

fn time(unix_ms: Option<i64>) -> Option<Time> {
    unix_ms.and_then(|unix_ms| Time::from_unix_ms(unix_ms).ok())
}

fn namespace_document(facts: &NamespaceFacts) -> Value {
    let ranges = facts.sequences.as_ref().map(dotctl_engine::event::SequenceSet::ranges).unwrap_or_default();
    let missing = missing(facts);
    let gaps = missing
        .as_ref()
        .map(|(_, gaps)| gaps.iter().take(GAPS_SHOWN).map(|(first, last)| [first, last]).collect::<Vec<_>>());
    json!({
        "namespace": facts.name,
        "events": facts.events,
        "first_sequence": ranges.first().map(|(first, _)| first),
        "last_sequence": ranges.last().map(|(_, last)| last),
        "last_event_at": time(facts.last_time_ms),
        "missing_sequence_count": missing.as_ref().map(|(count, _)| count),
        "missing_sequences": gaps,
    })
}

fn tell(report: &Report, into: &Path, dry_run: bool, duration_ms: u64, output: &Output) -> Result<()> {
    let latest = time(report.namespaces.iter().filter_map(|facts| facts.last_time_ms).max());
    let last_sequence = match report.namespaces.as_slice() {
        [only] => only.sequences.as_ref().and_then(|set| set.ranges().last().map(|(_, last)| *last)),
        _ => None,
    };
    let notes = |notes: &[EntityNote]| -> Vec<Value> {
        notes.iter().map(|note| json!({"id": note.id, "detail": note.note})).collect()
    };
    let mut document = json!({
        "events_read": report.events_read,
        "events_applied": report.events_applied,
        "duplicates": report.duplicates,
        "malformed": report.malformed,
        "skipped": report.skipped(),
        "things": report.things,
        "deleted": report.deleted,
        "namespaces": report.namespaces.iter().map(namespace_document).collect::<Vec<_>>(),
        "position": {"time": latest, "sequence": last_sequence},
        "image": into.display().to_string(),
        "updated": report.existed,
        "raw_bytes": report.raw_bytes,
        "already_applied": report.known,
        "conflicts": report.conflicts,
        "conflict_events": notes(&report.conflict_notes),
        "orphans": report.orphans,
        "filtered": report.filtered,
        "uncommitted": report.uncommitted,
        "unknown_verbs": report.unknown,
        "rebuilt": report.rebuilt,
        "invalid": report.invalid,
        "invalid_entities": notes(&report.invalid_notes),
        "malformed_places": report.malformed_places.iter().map(|place| {
            json!({"file": place.file, "line": place.line, "detail": place.reason})
        }).collect::<Vec<_>>(),
        "duration_ms": duration_ms,
    });
    if dry_run {
        document["dry_run"] = json!(true);
    }
    output.result(&document, || {
        let would = if dry_run { "would apply" } else { "applied" };
        let now = if dry_run { "would have" } else { "has" };
        let mut lines = vec![
            format!(
                "{would} {} of {} ({}) in {}",
                show_count(report.events_applied),
                counted(report.events_read, "event"),
                show_size(report.raw_bytes),
                show_duration(duration_ms)
            ),
            format!(
                "{}, {} left out, {} malformed, {}",
                counted(report.duplicates, "duplicate"),
                show_count(report.skipped()),
                show_count(report.malformed),
                counted(report.conflicts, "conflict")
            ),
            format!(
                "{} {now} {}; deleted: {}",
                into.display(),
                entities(report.things),
                show_count(report.deleted)
            ),
        ];
        if let Some(latest) = latest {
            lines.push(format!("as of {latest}"));
        }
        lines.join("\n")
    })
}
