//! An image that is there, brought up to date.

use std::path::Path;

use dotctl_engine::event::{EventRecord, Fold, Last, bucket_of, entity_hash, sort_events};
use dotctl_engine::{Error, ErrorKind, Result};

use super::fold::{Row, by_entity};
use super::fresh::{Tally, shown, verb};
use super::image::{Buckets, Image};
use super::keys::{KeyReport, settle_keys};
use super::partition::Partitions;
use super::placer::Placer;
use super::spill::{Spill, SpillWriter};
use super::{
    COLUMNAR_THRESHOLD, KEY_MEMORY_BYTES, Read, Report, Request, adopt, check_until, entities,
    merged_namespaces,
};
use crate::drive::Progress;
use crate::interrupt;
use crate::target::Target;

/// Applies what is new to the image at `request.into`.
pub fn extend(request: &Request<'_>, folder: &Path, read: Read, progress: &dyn Progress) -> Result<Report> {
    if !request.dry_run {
        Target::clean_up(request.into)?;
    }
    let image = Image::open(request.into, true)?;
    let report = apply(request, &image, folder, read, progress)?;
    if !request.dry_run {
        // Dropped without it, the transaction is rolled back.
        image.commit()?;
    }
    Ok(report)
}

/// Makes a new image that begins with what `write` writes, a database with `things` and `collections`.
pub fn begin_with(
    write: &dyn Fn(&Target) -> Result<()>,
    request: &Request<'_>,
    folder: &Path,
    read: Read,
    progress: &dyn Progress,
) -> Result<Report> {
    let target = Target::begin(request.into, 0, false).map_err(|error| match error.kind() {
        // There is no --force here.
        ErrorKind::Exists => error.hint("--from begins a new image: choose another path"),
        _ => error,
    })?;
    write(&target)?;
    adopt::adopt(target.partial(), request.columnar_threshold.unwrap_or(COLUMNAR_THRESHOLD))?;
    let image = Image::open(target.partial(), false)?;
    let report = apply(request, &image, folder, read, progress)?;
    image.commit()?;
    if !request.dry_run {
        target.publish()?;
    }
    Ok(report)
}

fn apply(
    request: &Request<'_>,
    image: &Image,
    folder: &Path,
    read: Read,
    progress: &dyn Progress,
) -> Result<Report> {
    let Read { mut ingested, events, keys: key_spill, namespace_hashes, mut watch } = read;
    let before = image.namespaces()?;
    check_until(&request.rules, &before)?;
    let mut keys = settle_keys(&key_spill, false, &mut image.buckets("replay_keys"))?;
    drop(key_spill);
    watch.done("finding duplicates");
    let mut report = Report::of(&mut ingested, &mut keys);
    report.existed = true;
    let threshold = match request.columnar_threshold {
        Some(threshold) => threshold,
        None => image.columnar_threshold()?,
    };
    let mut world = World {
        placer: Placer::existing(image, threshold)?,
        lasts: image.buckets("replay_entities"),
        keys,
        namespace_hashes,
        tally: Tally::default(),
        rebuilt: 0,
        included: 0,
        late: 0,
        first_late: None,
    };
    let known = Spill::new(folder, 256, KEY_MEMORY_BYTES);
    let mut remember = SpillWriter::new(&known, 2 << 20);
    progress.begin("updating the image", None);
    let mut partitions = Partitions::new(events, folder);
    let mut held = Vec::new();
    while partitions.next(&mut held)? {
        interrupt::check()?;
        let mut records = by_entity(&held, &world.keys.repeated);
        for events in records.chunk_by_mut(|one, other| one.id == other.id) {
            if let Some(entity) = world.entity(events)? {
                let partition = usize::from(entity.first().copied().unwrap_or(0));
                remember.push(partition, entity.len(), |into| into.extend_from_slice(&entity))?;
            }
        }
        progress.advance(held.len() as u64);
    }
    remember.finish()?;
    if let Some(first) = world.first_late {
        return Err(Error::new(
            ErrorKind::Missing,
            format!(
                "events of {} entities come before others that the image has already, the first of {first}; without \
                 those others they cannot be applied in order",
                world.late
            ),
        )
        .at(&*image.place)
        .hint("give the whole log, from its beginning, or replay it into a new image"));
    }
    world.tally.add_to(&mut report);
    report.rebuilt = world.rebuilt;
    report.duplicates += world.included;
    report.known += world.included;
    report.things = world.placer.entities();
    world.placer.finish()?;
    entities::merge(&known, false, &mut image.buckets("replay_entities"))?;
    report.namespaces = merged_namespaces(before, ingested.namespaces);
    image.set_namespaces(&report.namespaces)?;
    progress.end();
    watch.done("folding and updating");
    report.phases = watch.phases;
    Ok(report)
}

/// The image and what is being found out about this log.
struct World<'a> {
    placer: Placer<'a>,
    lasts: Buckets<'a>,
    keys: KeyReport,
    namespace_hashes: Vec<u32>,
    tally: Tally,
    rebuilt: u64,
    /// Events that what the image began with has already.
    included: u64,
    /// Entities whose events come late.
    late: u64,
    first_late: Option<String>,
}

impl World<'_> {
    fn namespace(&self, event: &EventRecord<'_>) -> u32 {
        self.namespace_hashes.get(event.namespace as usize).copied().unwrap_or(0)
    }

    /// Applies an entity's events and gives what is to be remembered of it; nothing where nothing is
    /// new.
    fn entity(&mut self, events: &mut [EventRecord<'_>]) -> Result<Option<[u8; entities::ENTITY_BYTES]>> {
        let again = events.iter().filter(|event| self.keys.known.has(event.position)).count();
        if again == events.len() {
            return Ok(None);
        }
        let Some(id) = events.first().map(|event| event.id) else {
            return Ok(None);
        };
        let hash = entity_hash(id);
        let last = entities::find(self.lasts.look(bucket_of(hash))?, hash);
        let before = self.placer.find(id)?;
        let mut new: Vec<EventRecord<'_>> =
            events.iter().filter(|event| !self.keys.known.has(event.position)).copied().collect();
        if let Some(last) = last.filter(|last| last.count == entities::ADOPTED) {
            // What a checkpoint of somebody else has, it has without telling which events made it.
            let all = new.len();
            new.retain(|event| event.time_ms > last.time_ms);
            self.included += (all - new.len()) as u64;
            if new.is_empty() {
                return Ok(None);
            }
        }
        let mut count = new.len() as u32;
        let mut latest = sort_events(&mut new);
        let adopted = last.is_some_and(|last| last.count == entities::ADOPTED);
        let is_late = !adopted
            && last.is_some_and(|last| new.iter().any(|event| !last.is_before(event, self.namespace(event))));
        let mut fold = Fold::default();
        if let Some(last) = last
            && is_late
        {
            // Every event that made it what it is has to be here.
            if again as u64 != u64::from(last.count) {
                self.late += 1;
                self.first_late.get_or_insert_with(|| shown(id));
                return Ok(None);
            }
            self.rebuilt += 1;
            latest = sort_events(events);
            count = events.len() as u32;
            fold.begin(None);
            new = events.to_vec();
        } else {
            if let Some(last) = last {
                latest = latest.max(last.time_ms);
                count = if adopted { entities::ADOPTED } else { count.saturating_add(last.count) };
            }
            fold.begin(before.as_ref().map(|(name, data)| (name.as_slice(), data.as_slice())));
        }
        let mut applied = 0;
        for event in &new {
            let so_far = fold.count();
            fold.apply(event);
            if self.keys.known.has(event.position) {
                continue;
            }
            applied += fold.count().applied - so_far.applied;
            self.tally.orphans += fold.count().orphans - so_far.orphans;
            if self.keys.conflict_positions.contains(&event.position) {
                self.tally.conflict(id, verb(event.kind), event.time_ms);
            }
        }
        self.tally.applied += applied;
        let now = fold.is_live().then(|| {
            let mut data = Vec::new();
            fold.write(&mut data);
            (fold.type_name().to_vec(), data)
        });
        if fold.is_live() {
            self.tally.check(&fold, id);
        } else {
            self.tally.deleted += u64::from(before.is_some() || applied > 0);
        }
        if before != now {
            if let Some((type_name, data)) = &before {
                self.placer.remove(id, type_name, data)?;
            }
            if let Some((type_name, data)) = &now {
                self.placer.insert(Row { id, type_name, data })?;
            }
        }
        let final_event = new.last();
        let last = Last {
            time_ms: latest,
            sequence: final_event.and_then(|event| event.sequence).unwrap_or(u64::MAX),
            namespace: final_event.map_or(0, |event| self.namespace(event)),
            count,
        };
        Ok(Some(entities::to_bytes(hash, &last)))
    }
}
