//! An image where there was none.

use std::path::Path;

use dotctl_engine::Result;
use dotctl_engine::event::{Fold, Last, entity_hash, sort_events};

use super::built::BuiltTable;
use super::fold::{Rows, by_entity};
use super::image::Image;
use super::keys::{KeyBuckets, KeyReport, settle_keys};
use super::partition::Partitions;
use super::placer::Placer;
use super::spill::{Spill, SpillWriter};
use super::{
    COLUMNAR_THRESHOLD, EntityNote, KEY_MEMORY_BYTES, Read, Report, Request, Watch, entities,
    merged_namespaces,
};
use crate::drive::Progress;
use crate::pipeline::{self, Slot};
use crate::target::Target;

/// Notes of a kind that are shown.
pub const NOTES_MAX: usize = 10;

/// Bytes of entities in memory whose types turned out to have rows of their own.
const LATE_MEMORY_BYTES: usize = 8 << 20;

/// Memory for entities on their way to their buckets.
const ENTITY_BUFFER_BYTES: usize = 2 << 20;

/// Makes the image of what was read.
pub fn make(request: &Request<'_>, folder: &Path, read: Read, progress: &dyn Progress) -> Result<Report> {
    let threshold = request.columnar_threshold.unwrap_or(COLUMNAR_THRESHOLD);
    if request.dry_run {
        return fill(None, threshold, folder, read, progress);
    }
    let target = Target::begin(request.into, 0, false)?;
    let mut report = fill(Some(target.partial()), threshold, folder, read, progress)?;
    let mut watch = Watch::begin();
    target.publish()?;
    watch.done("making it durable");
    report.phases.append(&mut watch.phases);
    Ok(report)
}

/// Where there is nothing to remember.
struct Nowhere;

impl KeyBuckets for Nowhere {
    fn read(&mut self, _: u16) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn write(&mut self, _: u16, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// A partition on its way.
#[derive(Default)]
struct PartSlot {
    bytes: Vec<u8>,
    rows: Rows,
    entities: Vec<u8>,
    tally: Tally,
}

impl Slot for PartSlot {
    fn held_bytes(&self) -> usize {
        self.bytes.len() + self.rows.held_bytes().max(self.bytes.len())
    }
}

/// What folding counts.
#[derive(Default)]
pub struct Tally {
    pub applied: u64,
    pub orphans: u64,
    pub deleted: u64,
    pub invalid: u64,
    pub invalid_notes: Vec<EntityNote>,
    pub conflict_notes: Vec<EntityNote>,
}

impl Tally {
    /// Adds what another counted.
    pub fn add_to(&mut self, report: &mut Report) {
        report.events_applied += self.applied;
        report.orphans += self.orphans;
        report.deleted += self.deleted;
        report.invalid += self.invalid;
        note(&mut report.invalid_notes, &mut self.invalid_notes);
        note(&mut report.conflict_notes, &mut self.conflict_notes);
    }

    /// Takes what was wrong with an entity.
    pub fn check(&mut self, fold: &Fold<'_>, id: &[u8]) {
        let faults = fold.faults();
        if !faults.is_empty() {
            self.invalid += 1;
            if self.invalid_notes.len() < NOTES_MAX {
                self.invalid_notes.push(EntityNote { id: shown(id), note: faults.join("; ") });
            }
        }
    }

    /// Notes the event of a conflict.
    pub fn conflict(&mut self, id: &[u8], verb: &str, time_ms: i64) {
        let time = dotctl_engine::id::Time::from_unix_ms(time_ms)
            .map_or_else(|_| time_ms.to_string(), |time| time.to_string());
        self.conflict_notes
            .push(EntityNote { id: shown(id), note: format!("{verb} at {time} has another event's key") });
    }
}

fn note(all: &mut Vec<EntityNote>, more: &mut Vec<EntityNote>) {
    all.append(more);
    all.truncate(NOTES_MAX);
}

/// An id for people: not too long, without control characters.
pub fn shown(id: &[u8]) -> String {
    let text = String::from_utf8_lossy(id);
    let mut shown: String =
        text.chars().take(80).map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// The word for what an event does.
pub fn verb(kind: dotctl_engine::event::EventKind) -> &'static str {
    use dotctl_engine::event::EventKind;
    match kind {
        EventKind::Created => "created",
        EventKind::Updated { .. } => "updated",
        EventKind::Deleted => "deleted",
        EventKind::Begin | EventKind::Commit | EventKind::Rollback | EventKind::Unknown => "other",
    }
}

fn work(slot: &mut PartSlot, keys: &KeyReport, namespace_hashes: &[u32]) {
    let PartSlot { bytes, rows, entities, tally } = slot;
    rows.clear();
    entities.clear();
    *tally = Tally::default();
    let mut records = by_entity(bytes, &keys.repeated);
    let mut fold = Fold::default();
    for events in records.chunk_by_mut(|one, other| one.id == other.id) {
        let time_ms = sort_events(events);
        let (Some(first), Some(last)) = (events.first(), events.last()) else { continue };
        let id = first.id;
        fold.begin(None);
        for event in events.iter() {
            fold.apply(event);
            if keys.conflicts > 0 && keys.conflict_positions.contains(&event.position) {
                tally.conflict(id, verb(event.kind), event.time_ms);
            }
        }
        let count = fold.count();
        tally.applied += count.applied;
        tally.orphans += count.orphans;
        tally.deleted += u64::from(!fold.is_live() && count.applied > 0);
        let last = Last {
            time_ms,
            sequence: last.sequence.unwrap_or(u64::MAX),
            namespace: namespace_hashes.get(last.namespace as usize).copied().unwrap_or(0),
            count: u32::try_from(events.len()).unwrap_or(u32::MAX),
        };
        entities.extend_from_slice(&entities::to_bytes(entity_hash(id), &last));
        if fold.is_live() {
            tally.check(&fold, id);
            rows.push(id, fold.type_name(), |into| fold.write(into));
        }
    }
}

fn fill(
    path: Option<&Path>,
    threshold: u64,
    folder: &Path,
    read: Read,
    progress: &dyn Progress,
) -> Result<Report> {
    let Read { mut ingested, events, keys: key_spill, namespace_hashes, mut watch } = read;
    let late = Spill::new(folder, 1, LATE_MEMORY_BYTES);
    let mut table = None;
    let mut keys = match path {
        None => settle_keys(&key_spill, true, &mut Nowhere)?,
        Some(path) => {
            let image = Image::create(path, threshold)?;
            let keys = settle_keys(&key_spill, true, &mut image.buckets("replay_keys"))?;
            let root = image.things_root()?;
            image.commit()?;
            table = Some(BuiltTable::begin(path, root)?);
            keys
        }
    };
    drop(key_spill);
    watch.done("finding duplicates");
    let mut report = Report::of(&mut ingested, &mut keys);
    let mut placer = match &mut table {
        None => Placer::counting(threshold),
        Some(table) => Placer::building(table, &late, threshold),
    };
    let known = Spill::new(folder, 256, KEY_MEMORY_BYTES);
    let mut remember = SpillWriter::new(&known, ENTITY_BUFFER_BYTES);
    progress.begin("writing the image", None);
    let mut partitions = Partitions::new(events, folder);
    let workers = pipeline::worker_count();
    pipeline::run(
        workers,
        workers + 2,
        |slot: &mut PartSlot| partitions.next(&mut slot.bytes),
        || Ok(()),
        |(), slot| {
            work(slot, &keys, &namespace_hashes);
            Ok(())
        },
        |slot| {
            for row in slot.rows.each() {
                placer.insert(row)?;
            }
            for entity in slot.entities.as_chunks::<{ entities::ENTITY_BYTES }>().0 {
                let partition = usize::from(entity.first().copied().unwrap_or(0));
                remember.push(partition, entity.len(), |into| into.extend_from_slice(entity))?;
            }
            slot.tally.add_to(&mut report);
            progress.advance(slot.bytes.len() as u64);
            Ok(())
        },
    )?;
    remember.finish()?;
    report.things = placer.entities();
    let types = placer.built()?;
    report.namespaces = merged_namespaces(Vec::new(), ingested.namespaces);
    if let (Some(table), Some(path)) = (table, path) {
        table.finish()?;
        watch.done("folding and building");
        let image = Image::open(path, false)?;
        Placer::completing(&image, types, &late)?.finish()?;
        watch.done("placing types");
        entities::merge(&known, true, &mut image.buckets("replay_entities"))?;
        image.set_namespaces(&report.namespaces)?;
        image.commit()?;
        watch.done("remembering entities and positions");
    }
    progress.end();
    report.phases = watch.phases;
    Ok(report)
}
