//! Replay: logs of events become a local image, or bring one up to date.
//!
//! 1. `ingest` reads the log on all threads. Events go to partitions of entities, by ranges of
//!    their ids; their keys go to partitions of their own.
//! 2. `keys` finds what was there before, in this log or in the image.
//! 3. Each partition is sorted by entity and order and folded; since partitions are ranges, entities
//!    come out in the order of their ids, in which SQLite takes them five times as fast.
//! 4. `placer` decides what is a row of its own, `image` keeps what a later run must know.
//!
//! `docs/REPLAY.md` says what events mean.

mod adopt;
mod built;
mod compare;
mod entities;
mod extend;
mod fold;
mod fresh;
mod image;
mod ingest;
mod keys;
mod marks;
mod object_blocks;
pub(crate) mod parquet;
mod partition;
mod placer;
mod source;
mod spill;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use dotctl_engine::event::{SequenceSet, entity_hash};
use dotctl_engine::{Error, ErrorKind, Result};

use crate::drive::Progress;
use crate::target::Target;
use ingest::{Ingested, Sinks};
use keys::{KEY_PARTITIONS, KeyReport};
use partition::Splitters;
use spill::Spill;

pub use compare::{Comparison, Difference, DifferenceKind, compare};
pub(crate) use ingest::{Layout, layout_of};
pub use ingest::{MalformedPlace, NamespaceFacts, Rules};
pub use source::{LogFile, is_pattern};

/// Types with fewer entities than this are kept in one row, as the checkpointer of the seeds does.
pub const COLUMNAR_THRESHOLD: u64 = 50;

/// Bytes of events that partitions aim at.
const PARTITION_BYTES: u64 = 4 << 20;

/// Partitions at most: each takes a buffer for every thread.
const PARTITIONS_MAX: u64 = 1024;

/// Bytes of events that stay in memory before a temporary file is made.
const MEMORY_BYTES: usize = 24 << 20;

/// Bytes of keys, and of entities to be remembered, that stay in memory.
const KEY_MEMORY_BYTES: usize = 16 << 20;

/// What is to be replayed, and how.
pub struct Request<'a> {
    /// The log, in order.
    pub files: &'a [LogFile],
    /// Which events count.
    pub rules: Rules,
    /// The image: made if it is not there, else brought up to date.
    pub into: &'a Path,
    /// Types with fewer entities are one row; as the image has it, or [`COLUMNAR_THRESHOLD`].
    pub columnar_threshold: Option<u64>,
    /// What is no event stops the run.
    pub strict: bool,
    /// Nothing is written.
    pub dry_run: bool,
    /// Writes what a new image begins with: the database of a checkpoint.
    pub from: Option<Beginning<'a>>,
}

/// Writes the database that a new image begins with.
pub type Beginning<'a> = &'a dyn Fn(&Target) -> Result<()>;

/// Something about an entity that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntityNote {
    /// The entity.
    pub id: String,
    /// What there is to say.
    pub note: String,
}

/// What a replay came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Whether the image was there before.
    pub existed: bool,
    /// Bytes of the log, decompressed.
    pub raw_bytes: u64,
    /// Events of every kind.
    pub events_read: u64,
    /// Events that changed something.
    pub events_applied: u64,
    /// Events that came before, in this log or an earlier one.
    pub duplicates: u64,
    /// Of those, the ones that the image had already.
    pub known: u64,
    /// Different events that share a key with another; they are applied.
    pub conflicts: u64,
    /// The first of them.
    pub conflict_notes: Vec<EntityNote>,
    /// What was no event.
    pub malformed: u64,
    /// The first of those.
    pub malformed_places: Vec<MalformedPlace>,
    /// Events of other namespaces or later times.
    pub filtered: u64,
    /// Events of transactions without a commit.
    pub uncommitted: u64,
    /// Where transactions begin or end.
    pub controls: u64,
    /// Updates and deletes of what was not there.
    pub orphans: u64,
    /// Verbs that say nothing of entities.
    pub unknown: BTreeMap<String, u64>,
    /// Entities that the image has now.
    pub things: u64,
    /// Entities that events of this run deleted for good.
    pub deleted: u64,
    /// Entities that are not what every entity must be.
    pub invalid: u64,
    /// The first of them.
    pub invalid_notes: Vec<EntityNote>,
    /// Entities whose events came late and that were made anew from the whole log.
    pub rebuilt: u64,
    /// Namespaces as the image knows them now.
    pub namespaces: Vec<NamespaceFacts>,
    /// How long each part of the work took.
    pub phases: Vec<(&'static str, Duration)>,
}

/// Tells how long each part of the work takes.
struct Watch {
    begun: Instant,
    phases: Vec<(&'static str, Duration)>,
}

impl Watch {
    fn begin() -> Self {
        Watch { begun: Instant::now(), phases: Vec::new() }
    }

    fn done(&mut self, phase: &'static str) {
        let now = Instant::now();
        self.phases.push((phase, now.duration_since(self.begun)));
        self.begun = now;
    }
}

impl Report {
    /// Events that are neither applied nor duplicates.
    pub fn skipped(&self) -> u64 {
        let unknown: u64 = self.unknown.values().sum();
        self.filtered + self.uncommitted + self.controls + self.orphans + unknown
    }

    fn of(ingested: &mut Ingested, keys: &mut KeyReport) -> Self {
        Report {
            raw_bytes: ingested.raw_bytes,
            events_read: ingested.events_read,
            duplicates: keys.repeated.count() + keys.known.count(),
            known: keys.known.count(),
            conflicts: keys.conflicts,
            malformed: ingested.malformed,
            malformed_places: std::mem::take(&mut ingested.malformed_places),
            filtered: ingested.filtered,
            uncommitted: ingested.uncommitted,
            controls: ingested.controls,
            unknown: std::mem::take(&mut ingested.unknown),
            ..Report::default()
        }
    }
}

/// What was read, before anything is made of it.
struct Read {
    ingested: Ingested,
    events: Spill,
    keys: Spill,
    /// By the number that records have.
    namespace_hashes: Vec<u32>,
    watch: Watch,
}

/// Replays.
///
/// # Errors
/// Malformed, with `strict`, for what is no event; Missing, if events come late and the log does not
/// tell the whole story of their entities; those of reading the log and writing the image. The image is
/// as it was then.
pub fn replay(request: &Request<'_>, progress: &dyn Progress) -> Result<Report> {
    let folder = match request.into.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let exists = request.into.symlink_metadata().is_ok();
    let read = read(request, folder, progress)?;
    if request.strict && read.ingested.malformed > 0 {
        return Err(refusal(&read.ingested));
    }
    match request.from {
        Some(write) => extend::begin_with(write, request, folder, read, progress),
        None if exists => extend::extend(request, folder, read, progress),
        None => fresh::make(request, folder, read, progress),
    }
}

fn refusal(ingested: &Ingested) -> Error {
    let error = match ingested.malformed_places.first() {
        Some(place) => {
            Error::malformed(place.reason.clone()).at(format!("{}, line {}", place.file, place.line))
        }
        None => Error::malformed("the log has what is no event"),
    };
    error.hint("without --strict such lines are counted and left out")
}

fn read(request: &Request<'_>, folder: &Path, progress: &dyn Progress) -> Result<Read> {
    let known_bytes: Option<u64> = request.files.iter().map(|file| file.bytes).sum();
    let mut watch = Watch::begin();
    progress.begin("reading events", known_bytes);
    let ids = ingest::sample_ids(request.files)?;
    // What is compressed grows; a pipe's length is anybody's guess.
    let likely_bytes: u64 = request
        .files
        .iter()
        .map(|file| match file.bytes {
            Some(bytes) if file.name.ends_with(".gz") || file.name.ends_with(".zst") => {
                bytes.saturating_mul(8)
            }
            Some(bytes) => bytes,
            None => 1 << 30,
        })
        .fold(0, u64::saturating_add);
    let wanted = (likely_bytes / PARTITION_BYTES).clamp(1, PARTITIONS_MAX);
    let splitters = Splitters::choose(ids, wanted as usize);
    let events = Spill::new(folder, splitters.partitions(), MEMORY_BYTES);
    let keys = Spill::new(folder, KEY_PARTITIONS, KEY_MEMORY_BYTES);
    let waiting = Spill::new(folder, 1, 1 << 20);
    let sinks = Sinks { events: &events, splitters: &splitters, keys: &keys };
    watch.done("looking at samples");
    let ingested = ingest::ingest(request.files, &request.rules, &sinks, &waiting, progress)?;
    progress.end();
    watch.done("reading events");
    let namespace_hashes =
        ingested.namespaces.iter().map(|facts| entity_hash(facts.name.as_bytes()) as u32).collect();
    Ok(Read { ingested, events, keys, namespace_hashes, watch })
}

/// What is known of namespaces after this run.
fn merged_namespaces(before: Vec<NamespaceFacts>, now: Vec<NamespaceFacts>) -> Vec<NamespaceFacts> {
    let mut all: BTreeMap<String, NamespaceFacts> =
        before.into_iter().map(|facts| (facts.name.clone(), facts)).collect();
    for facts in now {
        let known = all.entry(facts.name.clone()).or_insert_with(|| NamespaceFacts {
            name: facts.name.clone(),
            sequences: Some(SequenceSet::default()),
            ..NamespaceFacts::default()
        });
        known.last_time_ms = known.last_time_ms.max(facts.last_time_ms);
        known.events = facts.events;
        match (&mut known.sequences, facts.sequences) {
            (Some(set), Some(more)) => set.merge(&more),
            (set, _) => *set = None,
        }
    }
    all.into_values().collect()
}

/// Refuses to go back in time.
fn check_until(rules: &Rules, known: &[NamespaceFacts]) -> Result<()> {
    let last = known.iter().filter_map(|facts| facts.last_time_ms).max();
    if let (Some(until_ms), Some(last)) = (rules.until_ms, last)
        && last > until_ms
    {
        return Err(Error::new(ErrorKind::Exists, "the image has events after the time of --until")
            .hint("name another file for --into: it is then made as of that time"));
    }
    Ok(())
}
