//! Reading the log: every thread takes a unit of it, parses its events and hands them to partitions.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use dotctl_engine::event::{
    Event, EventKind, EventParser, EventRecord, Identity, Item, KeyRecord, ParseStop, SequenceSet,
    entity_hash,
};
use dotctl_engine::{Error, ErrorKind, Result};

use super::marks::UNIT_BITS;
use super::partition::Splitters;
use super::source::LogFile;
use super::spill::{Spill, SpillWriter};
use crate::drive::Progress;
use crate::input::Input;
use crate::{interrupt, pipeline};

/// Bytes of a plain file that are one unit of work.
const UNIT_BYTES: u64 = 1 << 20;

/// Bytes of a line, or of another JSON value, at most.
pub const VALUE_BYTES_MAX: usize = 32 << 20;

/// Malformed places that are shown.
const SHOWN_MAX: usize = 10;

/// Unknown verbs that are named, and characters of each.
const VERBS_MAX: usize = 100;
const VERB_CHARACTERS_MAX: usize = 80;

/// Namespaces in one log at most: their names and positions are in memory.
const NAMESPACES_MAX: usize = 100_000;

/// Memory for sequence numbers, for each thread; beyond it gaps are not told.
const SEQUENCE_BYTES_MAX: usize = 16 << 20;

/// Bits of a position's unit that count parts of a file; the file's number is above them.
const PART_BITS: u32 = 20;

/// Which events count, and how.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Only this namespace's.
    pub namespace: Option<String>,
    /// Only those up to this time, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// An emitter's update without `isDelta` is a delta too.
    pub merge_updates: bool,
}

/// A place in the log that holds no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedPlace {
    /// The file's name.
    pub file: String,
    /// The line in it, from 1 on; for an array the element.
    pub line: u64,
    /// What is wrong.
    pub reason: String,
}

/// What the log says of one namespace.
#[derive(Debug, Clone, Default)]
pub struct NamespaceFacts {
    /// Its name.
    pub name: String,
    /// Events of this run that count.
    pub events: u64,
    /// The sequence numbers that were there; nothing if there were too many stretches of them.
    pub sequences: Option<SequenceSet>,
    /// The latest time, in milliseconds since 1970.
    pub last_time_ms: Option<i64>,
    /// Whether transactions begin or end in it.
    pub(super) has_transactions: bool,
}

/// What reading came to.
#[derive(Debug, Default)]
pub struct Ingested {
    /// Bytes of the log, decompressed.
    pub raw_bytes: u64,
    /// Events of every kind.
    pub events_read: u64,
    /// Of those, the ones of other namespaces or later times.
    pub filtered: u64,
    /// Of those, where transactions begin or end.
    pub controls: u64,
    /// Of those, the ones of transactions without a commit.
    pub uncommitted: u64,
    /// Verbs that say nothing of entities, with their number.
    pub unknown: BTreeMap<String, u64>,
    /// What was no event.
    pub malformed: u64,
    /// The first of those.
    pub malformed_places: Vec<MalformedPlace>,
    /// By the number that records have.
    pub namespaces: Vec<NamespaceFacts>,
}

/// Where events go.
pub struct Sinks<'a> {
    /// Records by ranges of entities.
    pub events: &'a Spill,
    /// Which range is whose.
    pub splitters: &'a Splitters,
    /// Key records by their hash, 256 partitions.
    pub keys: &'a Spill,
}

/// Unit of work.
enum Unit {
    /// Lines that begin in this part of a plain file.
    Part { file: usize, part: u64 },
    /// A whole file, from its beginning.
    Whole { file: usize },
}

/// How values follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One in each line.
    Lines,
    /// Elements of an array.
    Array,
    /// One after another, over several lines.
    Values,
}

/// The layout of text that begins with `head`.
pub fn layout_of(head: &[u8]) -> Layout {
    let parsed = |text: &[u8]| EventParser::default().parse(text, 0, &mut |_| ());
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = text.trim_ascii_start();
    match text.first() {
        Some(b'[') => Layout::Array,
        Some(b'{') => {
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let next = text.get(line.len()..).unwrap_or_default().trim_ascii_start();
            if next.is_empty() || parsed(line) != Err(ParseStop::More) {
                return Layout::Lines;
            }
            if next.first() != Some(&b'{') {
                return Layout::Values;
            }
            // An object follows: one of its own after a torn line, or a part of the value that this line begins,
            // such as a segment's first change. Lines put together are no JSON for long.
            let second = next.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
            match parsed(text) {
                Ok(_) => Layout::Values,
                Err(ParseStop::More) if parsed(second) != Ok(second.len()) => Layout::Values,
                Err(_) => Layout::Lines,
            }
        }
        _ => Layout::Lines,
    }
}

/// A malformed place before its line is known.
#[derive(Debug, Clone)]
struct Sample {
    position: u64,
    file: usize,
    /// Line from 1 on, or the byte at which it begins.
    line: std::result::Result<u64, u64>,
    reason: String,
}

/// Reads all of `files`.
///
/// # Errors
/// Those of reading; what is no event is counted, not an error.
pub fn ingest(
    files: &[LogFile],
    rules: &Rules,
    sinks: &Sinks<'_>,
    waiting: &Spill,
    progress: &dyn Progress,
) -> Result<Ingested> {
    let units = plan(files)?;
    let next = AtomicUsize::new(0);
    let names: Mutex<HashMap<Vec<u8>, u32>> = Mutex::default();
    let workers = pipeline::worker_count_for(units.len() as u64).max(1);
    let readers = std::thread::scope(|scope| {
        let spawned: Vec<_> = (0..workers)
            .map(|_| {
                scope.spawn(|| -> Result<Taken> {
                    let mut reader = Reader {
                        files,
                        parser: EventParser::default(),
                        taker: Taker::new(rules, sinks, waiting, &names, workers),
                        block: Vec::new(),
                        open: None,
                        progress,
                    };
                    reader.parser.merge_updates = rules.merge_updates;
                    while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                        interrupt::check()?;
                        reader.unit(unit)?;
                    }
                    reader.taker.finish()
                })
            })
            .collect();
        let died = || Err(Error::new(ErrorKind::Io, "a reading thread died"));
        spawned.into_iter().map(|thread| thread.join().unwrap_or_else(|_| died())).collect::<Vec<_>>()
    });
    let mut ingested = Ingested::default();
    let mut samples = Vec::new();
    let mut transactions: HashMap<u64, bool> = HashMap::new();
    let names = names.into_inner().unwrap_or_else(PoisonError::into_inner);
    ingested.namespaces.resize_with(names.len(), NamespaceFacts::default);
    for (name, number) in names {
        if let Some(facts) = ingested.namespaces.get_mut(number as usize) {
            facts.name = String::from_utf8_lossy(&name).into_owned();
            facts.sequences = Some(SequenceSet::default());
        }
    }
    for taken in readers {
        let taken = taken?;
        ingested.raw_bytes += taken.raw_bytes;
        ingested.events_read += taken.events_read;
        ingested.filtered += taken.filtered;
        ingested.controls += taken.controls;
        ingested.malformed += taken.malformed;
        samples.extend(taken.samples);
        for (verb, count) in taken.unknown {
            *ingested.unknown.entry(verb).or_default() += count;
        }
        for (id, committed) in taken.transactions {
            *transactions.entry(id).or_default() |= committed;
        }
        for (facts, more) in ingested.namespaces.iter_mut().zip(taken.facts) {
            facts.events += more.events;
            facts.last_time_ms = facts.last_time_ms.max(more.last_time_ms);
            facts.has_transactions |= more.has_transactions;
            match (&mut facts.sequences, more.sequences) {
                (Some(all), Some(more)) => all.merge(&more),
                (all, _) => *all = None,
            }
        }
    }
    samples.sort_by_key(|sample| sample.position);
    samples.truncate(SHOWN_MAX);
    ingested.malformed_places = samples.into_iter().map(|sample| place(files, sample)).collect();
    settle(waiting, sinks, &transactions, &mut ingested)?;
    Ok(ingested)
}

/// Hands on the events of transactions that count.
fn settle(
    waiting: &Spill,
    sinks: &Sinks<'_>,
    transactions: &HashMap<u64, bool>,
    ingested: &mut Ingested,
) -> Result<()> {
    let mut events = SpillWriter::new(sinks.events, 4 << 20);
    let mut keys = SpillWriter::new(sinks.keys, 1 << 20);
    waiting.each_extent(0, &mut |extent| {
        let mut rest = extent;
        while let Some((key, after)) = rest.split_first_chunk::<{ KeyRecord::BYTES }>() {
            let Some((record, bytes)) = EventRecord::read(after) else {
                break;
            };
            rest = after.get(bytes..).unwrap_or_default();
            let namespace = ingested.namespaces.get(record.namespace as usize);
            let has_transactions = namespace.is_some_and(|facts| facts.has_transactions);
            // A capture without any control entry tells of committed changes alone.
            if transactions.get(&record.transaction).copied().unwrap_or(!has_transactions) {
                push(&mut events, &mut keys, sinks.splitters, KeyRecord::from_bytes(key), &record)?;
            } else {
                ingested.uncommitted += 1;
            }
        }
        Ok(())
    })?;
    events.finish()?;
    keys.finish()
}

#[inline]
fn push(
    events: &mut SpillWriter<'_>,
    keys: &mut SpillWriter<'_>,
    splitters: &Splitters,
    key: KeyRecord,
    record: &EventRecord<'_>,
) -> Result<()> {
    events.push(splitters.partition(record.id), record.stored_bytes_max(), |into| record.write(into))?;
    keys.push((key.identity.key >> 56) as usize, KeyRecord::BYTES, |into| {
        into.extend_from_slice(&key.to_bytes())
    })
}

/// The units of all files, in order.
fn plan(files: &[LogFile]) -> Result<Vec<Unit>> {
    let mut units = Vec::new();
    for (file, source) in files.iter().enumerate() {
        match source.bytes.filter(|bytes| *bytes > UNIT_BYTES) {
            Some(bytes) if is_lines(source)? => {
                units.extend((0..bytes.div_ceil(UNIT_BYTES)).map(|part| Unit::Part { file, part }));
            }
            // What it is is seen once it is read.
            _ => units.push(Unit::Whole { file }),
        }
    }
    Ok(units)
}

/// Whether it is a plain file of lines, which several threads can read.
fn is_lines(source: &LogFile) -> Result<bool> {
    let Some(file) = source.plain()? else {
        return Ok(false);
    };
    let mut head = vec![0; 64 << 10];
    let filled = read_full(&file, &mut head, 0).map_err(|error| unreadable(source, &error))?;
    head.truncate(filled);
    let is_other = LogFile::is_parquet(&head)
        || head.starts_with(b"\x1f\x8b")
        || head.get(1..4) == Some(b"\xb5\x2f\xfd")
        || matches!(head.as_slice(), [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
    Ok(!is_other && layout_of(&head) == Layout::Lines)
}

fn unreadable(source: &LogFile, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("it cannot be read: {error}")).at(&*source.name)
}

/// Ids from all over the log, for choosing what goes into which partition.
pub fn sample_ids(files: &[LogFile]) -> Result<Vec<Vec<u8>>> {
    const SPOTS: u64 = 96;
    const SPOT_BYTES: usize = 48 << 10;
    let mut ids = Vec::new();
    let mut parser = EventParser::default();
    let mut value = |text: &[u8]| {
        let _ = parser.parse(text, 0, &mut |item| {
            if let Item::Event(event) = item
                && !event.id.is_empty()
                && event.id.len() <= 1024
            {
                ids.push(event.id.to_vec());
            }
        });
    };
    let total_bytes: u64 = files.iter().filter_map(|file| file.bytes).sum();
    let step = (total_bytes / SPOTS).max(UNIT_BYTES);
    let whole_step = files.len().div_ceil(SPOTS as usize);
    for (number, source) in files.iter().enumerate() {
        let bytes = source.bytes.unwrap_or(0);
        let plain = match source.plain()? {
            Some(file) if bytes > UNIT_BYTES => Some(file),
            _ => None,
        };
        let Some(file) = plain else {
            if number % whole_step == 0 {
                let head = source.head()?;
                if LogFile::is_parquet(&head) {
                    parquet_rows(source, &mut value);
                } else {
                    let end = memchr::memrchr(b'\n', &head).unwrap_or(head.len());
                    head.get(..end).unwrap_or_default().split(|byte| *byte == b'\n').for_each(&mut value);
                }
            }
            continue;
        };
        let mut offset = 0;
        let mut block = vec![0; SPOT_BYTES];
        while offset < bytes {
            let read = file.read_at(&mut block, offset).map_err(|error| unreadable(source, &error))?;
            let text = block.get(..read).unwrap_or_default();
            if offset == 0 && LogFile::is_parquet(text) {
                parquet_rows(source, &mut value);
                break;
            }
            // The first and the last line are not whole.
            let start =
                if offset == 0 { 0 } else { memchr::memchr(b'\n', text).map_or(read, |place| place + 1) };
            let end = memchr::memrchr(b'\n', text).unwrap_or(read);
            text.get(start..end).unwrap_or_default().split(|byte| *byte == b'\n').for_each(&mut value);
            offset += step;
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

/// The first rows of a Parquet file; what is wrong with it is told when it is read.
fn parquet_rows(source: &LogFile, value: &mut impl FnMut(&[u8])) {
    const ROWS: u64 = 1000;
    let _ = super::parquet::each_row(source, &mut |number, row| {
        value(row);
        Ok(number < ROWS)
    });
}

/// The file and line of a sample.
fn place(files: &[LogFile], sample: Sample) -> MalformedPlace {
    let source = files.get(sample.file);
    let line = match sample.line {
        Ok(line) => line,
        Err(offset) => source.and_then(|source| line_at(source, offset)).unwrap_or(0),
    };
    MalformedPlace {
        file: source.map_or_else(String::new, |source| source.name.clone()),
        line,
        reason: sample.reason,
    }
}

/// The line of a plain file that begins at `offset`, counted from 1 on.
fn line_at(source: &LogFile, offset: u64) -> Option<u64> {
    let file = source.plain().ok()??;
    let mut block = vec![0; 1 << 20];
    let (mut line, mut at) = (1, 0);
    while at < offset {
        let wanted = usize::try_from(offset - at).unwrap_or(usize::MAX).min(block.len());
        let read = file.read_at(block.get_mut(..wanted)?, at).ok().filter(|read| *read > 0)?;
        line += memchr::memchr_iter(b'\n', block.get(..read)?).count() as u64;
        at += read as u64;
    }
    Some(line)
}

/// One thread at work.
struct Reader<'a> {
    files: &'a [LogFile],
    parser: EventParser,
    taker: Taker<'a>,
    block: Vec<u8>,
    open: Option<(usize, File)>,
    progress: &'a dyn Progress,
}

impl Reader<'_> {
    fn unit(&mut self, unit: &Unit) -> Result<()> {
        match *unit {
            Unit::Part { file, part } => self.part(file, part),
            Unit::Whole { file } => self.whole(file),
        }
    }

    /// The values of one line.
    #[inline]
    fn line(&mut self, line: &[u8], place: std::result::Result<u64, u64>) -> Result<()> {
        let mut at = 0;
        loop {
            while line.get(at).is_some_and(u8::is_ascii_whitespace) {
                at += 1;
            }
            if at >= line.len() {
                return Ok(());
            }
            self.taker.place = place;
            match self.parser.parse(line, at, &mut |item| self.taker.take(item)) {
                Ok(end) => at = end,
                Err(ParseStop::More) => {
                    self.taker.malformed("the line ends inside a JSON value".to_owned());
                    return self.taker.check();
                }
                Err(ParseStop::Malformed { position, expected }) => {
                    self.taker.malformed(format!("no JSON: expected {expected} at byte {}", position + 1));
                    return self.taker.check();
                }
            }
            self.taker.check()?;
        }
    }

    fn part(&mut self, file: usize, part: u64) -> Result<()> {
        let Some(source) = self.files.get(file) else {
            return Ok(());
        };
        let handle = match self.open.take() {
            Some((open, handle)) if open == file => handle,
            _ => match source.plain()? {
                Some(handle) => handle,
                None => return Ok(()),
            },
        };
        let mut block = std::mem::take(&mut self.block);
        let read = self.part_of(source, &handle, file, part, &mut block);
        if block.capacity() > 4 << 20 {
            block = Vec::new();
        }
        self.block = block;
        self.open = Some((file, handle));
        read
    }

    fn part_of(
        &mut self,
        source: &LogFile,
        handle: &File,
        file: usize,
        part: u64,
        block: &mut Vec<u8>,
    ) -> Result<()> {
        let begin = part * UNIT_BYTES;
        // One byte before tells whether a line begins here.
        let start = begin.saturating_sub(1);
        let end = begin + UNIT_BYTES;
        block.resize(usize::try_from(end - start).unwrap_or(0), 0);
        let mut filled = read_full(handle, block, start).map_err(|error| unreadable(source, &error))?;
        block.truncate(filled);
        let ended = start + (filled as u64) < end;
        self.taker.begin_unit(file, part);
        self.progress.advance((filled as u64).saturating_sub(begin - start));
        self.taker.taken.raw_bytes += (filled as u64).saturating_sub(begin - start);
        let mut at = 0;
        if begin > 0 {
            match memchr::memchr(b'\n', block) {
                Some(place) => at = place + 1,
                None => return Ok(()),
            }
        } else if block.starts_with(b"\xef\xbb\xbf") {
            at = 3;
        }
        loop {
            let rest = block.get(at..).unwrap_or_default();
            // A line that begins at the part's end is the next part's.
            if rest.is_empty() {
                return Ok(());
            }
            if let Some(length) = memchr::memchr(b'\n', rest) {
                let line = rest.get(..length).unwrap_or_default();
                self.line(line, Err(start + at as u64))?;
                at += length + 1;
                continue;
            }
            if ended {
                return self.line(rest, Err(start + at as u64));
            }
            // The last line goes on in the next part.
            let mut searched = rest.len();
            loop {
                let more = 64 << 10;
                block.resize(filled + more, 0);
                let room = block.get_mut(filled..).unwrap_or_default();
                let read = read_full(handle, room, start + filled as u64)
                    .map_err(|error| unreadable(source, &error))?;
                filled += read;
                block.truncate(filled);
                let rest = block.get(at..).unwrap_or_default();
                let found = memchr::memchr(b'\n', rest.get(searched..).unwrap_or_default());
                let length = found.map(|place| searched + place).or((read < more).then_some(rest.len()));
                searched = rest.len();
                if let Some(length) = length {
                    let line = rest.get(..length).unwrap_or_default();
                    return self.line(line, Err(start + at as u64));
                }
                if rest.len() > VALUE_BYTES_MAX {
                    self.taker.place = Err(start + at as u64);
                    self.taker.malformed(too_long());
                    return Ok(());
                }
            }
        }
    }

    fn whole(&mut self, file: usize) -> Result<()> {
        let Some(source) = self.files.get(file) else {
            return Ok(());
        };
        self.taker.begin_unit(file, 0);
        self.taker.place = Ok(1);
        let mut window = Window {
            input: source.open()?,
            bytes: std::mem::take(&mut self.block),
            at: 0,
            ended: false,
            failure: None,
            read: 0,
        };
        window.bytes.clear();
        let read = match window.more(self.progress) {
            Ok(()) if LogFile::is_parquet(&window.bytes) => {
                drop(window);
                return self.parquet(file);
            }
            Ok(()) => self.windowed(&mut window),
            Err(error) => Err(error),
        };
        self.taker.taken.raw_bytes += window.read;
        self.block = std::mem::take(&mut window.bytes);
        if self.block.capacity() > 4 << 20 {
            self.block = Vec::new();
        }
        match read {
            // A file that was cut off or damaged: what came before it counts.
            Err(error) if matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Unsupported) => {
                self.taker.malformed(error.message().to_owned());
                self.taker.check()
            }
            read => read,
        }
    }

    fn windowed(&mut self, window: &mut Window) -> Result<()> {
        if window.bytes.starts_with(b"\xff\xfe") || window.bytes.starts_with(b"\xfe\xff") {
            self.taker.malformed("the file is UTF-16, not UTF-8".to_owned());
            return self.taker.check();
        }
        if window.bytes.starts_with(b"\xef\xbb\xbf") {
            window.at = 3;
        }
        match layout_of(window.rest()) {
            Layout::Lines => self.lines(window),
            Layout::Array => self.values(window, true),
            Layout::Values => self.values(window, false),
        }
    }

    fn lines(&mut self, window: &mut Window) -> Result<()> {
        let mut number = 1;
        let mut searched = 0;
        loop {
            let rest = window.rest();
            if let Some(place) = memchr::memchr(b'\n', rest.get(searched..).unwrap_or_default()) {
                let length = searched + place;
                self.line(rest.get(..length).unwrap_or_default(), Ok(number))?;
                window.at += length + 1;
                number += 1;
                searched = 0;
                continue;
            }
            searched = rest.len();
            if window.ended {
                return match window.failure.take() {
                    // The last line may be whole or cut, like the file.
                    Some(failure) => {
                        let last = window.rest();
                        if EventParser::default().parse(last, 0, &mut |_| ()).is_ok() {
                            self.line(last, Ok(number))?;
                        }
                        Err(failure)
                    }
                    None => self.line(window.rest(), Ok(number)),
                };
            }
            if rest.len() > VALUE_BYTES_MAX {
                self.taker.place = Ok(number);
                self.taker.malformed(too_long());
                self.taker.check()?;
                // On to the line's end, without keeping it.
                loop {
                    window.at = window.bytes.len();
                    if window.ended {
                        return Ok(());
                    }
                    window.more(self.progress)?;
                    if let Some(place) = memchr::memchr(b'\n', window.rest()) {
                        window.at += place + 1;
                        break;
                    }
                }
                number += 1;
                searched = 0;
                continue;
            }
            window.more(self.progress)?;
        }
    }

    /// Values one after another; `array` if they are elements of one.
    fn values(&mut self, window: &mut Window, array: bool) -> Result<()> {
        let mut number = 1;
        let mut opened = !array;
        loop {
            while window
                .rest()
                .first()
                .is_some_and(|byte| byte.is_ascii_whitespace() || (array && opened && *byte == b','))
            {
                window.at += 1;
            }
            let Some(first) = window.rest().first().copied() else {
                if window.ended {
                    if let Some(failure) = window.failure.take() {
                        return Err(failure);
                    }
                    if array {
                        self.taker.place = Ok(number);
                        self.taker.malformed("the array has no end; it was cut off".to_owned());
                    }
                    return self.taker.check();
                }
                window.more(self.progress)?;
                continue;
            };
            if !opened {
                window.at += 1;
                opened = true;
                continue;
            }
            if array && first == b']' {
                return Ok(());
            }
            self.taker.place = Ok(number);
            match self.parser.parse(window.rest(), 0, &mut |item| self.taker.take(item)) {
                Ok(end) => {
                    window.at += end;
                    number += 1;
                }
                Err(ParseStop::More) if !window.ended && window.rest().len() <= VALUE_BYTES_MAX => {
                    window.more(self.progress)?;
                }
                Err(ParseStop::More) if window.failure.is_some() => {
                    return window.failure.take().map_or(Ok(()), Err);
                }
                Err(stop) => {
                    let reason = match stop {
                        ParseStop::More if window.ended => "the file ends inside a JSON value".to_owned(),
                        ParseStop::More => too_long(),
                        ParseStop::Malformed { expected, .. } => format!("no JSON: expected {expected}"),
                    };
                    self.taker.malformed(format!("{reason}; the rest of this file cannot be told apart"));
                    return self.taker.check();
                }
            }
            self.taker.check()?;
        }
    }

    fn parquet(&mut self, file: usize) -> Result<()> {
        let Some(source) = self.files.get(file) else {
            return Ok(());
        };
        let (parser, taker, progress) = (&mut self.parser, &mut self.taker, self.progress);
        let read = super::parquet::each_row(source, &mut |number, row| {
            taker.place = Ok(number);
            taker.taken.raw_bytes += row.len() as u64;
            progress.advance(row.len() as u64);
            if parser.parse(row, 0, &mut |item| taker.take(item)).is_err() {
                taker.malformed("a row that is no JSON".to_owned());
            }
            taker.check().map(|()| true)
        });
        match read {
            Err(error) if matches!(error.kind(), ErrorKind::Malformed) => {
                self.taker.malformed(error.message().to_owned());
                self.taker.check()
            }
            read => read,
        }
    }
}

fn too_long() -> String {
    format!("a JSON value of more than {} MiB", VALUE_BYTES_MAX >> 20)
}

fn read_full(file: &File, into: &mut [u8], offset: u64) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = into.get_mut(filled..).filter(|room| !room.is_empty()) {
        match file.read_at(room, offset + filled as u64) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What was read of a stream and not yet used.
struct Window {
    input: Input,
    bytes: Vec<u8>,
    at: usize,
    ended: bool,
    /// Why it ended before its end.
    failure: Option<Error>,
    read: u64,
}

impl Window {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Reads on, by at least as much as there is, so that a long value is not looked at too often.
    fn more(&mut self, progress: &dyn Progress) -> Result<()> {
        interrupt::check()?;
        self.bytes.drain(..self.at);
        self.at = 0;
        let mut filled = self.bytes.len();
        let wanted = filled + filled.max(256 << 10);
        self.bytes.resize(wanted, 0);
        while let Some(room) = self.bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.input.read(room) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(bytes) => {
                    filled += bytes;
                    self.read += bytes as u64;
                    progress.advance(bytes as u64);
                }
                // What came before it counts; it is told once that is used up.
                Err(error) if matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Unsupported) => {
                    self.failure = Some(error);
                    self.ended = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }
}

/// What one thread has seen.
#[derive(Default)]
struct Taken {
    raw_bytes: u64,
    events_read: u64,
    filtered: u64,
    controls: u64,
    malformed: u64,
    samples: Vec<Sample>,
    unknown: BTreeMap<String, u64>,
    transactions: HashMap<u64, bool>,
    facts: Vec<NamespaceFacts>,
}

/// Takes events and puts them where they belong.
struct Taker<'a> {
    rules: &'a Rules,
    sinks: &'a Sinks<'a>,
    events: SpillWriter<'a>,
    keys: SpillWriter<'a>,
    waiting: SpillWriter<'a>,
    names: &'a Mutex<HashMap<Vec<u8>, u32>>,
    known: HashMap<Vec<u8>, u32>,
    last: (Vec<u8>, u32),
    file: usize,
    unit: u64,
    number: u64,
    place: std::result::Result<u64, u64>,
    taken: Taken,
    failure: Option<Error>,
}

impl<'a> Taker<'a> {
    fn new(
        rules: &'a Rules,
        sinks: &'a Sinks<'a>,
        waiting: &'a Spill,
        names: &'a Mutex<HashMap<Vec<u8>, u32>>,
        workers: usize,
    ) -> Self {
        Taker {
            rules,
            sinks,
            events: SpillWriter::new(sinks.events, (40 << 20) / workers),
            keys: SpillWriter::new(sinks.keys, (8 << 20) / workers),
            waiting: SpillWriter::new(waiting, 256 << 10),
            names,
            known: HashMap::new(),
            last: (Vec::new(), u32::MAX),
            file: 0,
            unit: 0,
            number: 0,
            place: Ok(1),
            taken: Taken::default(),
            failure: None,
        }
    }

    fn begin_unit(&mut self, file: usize, part: u64) {
        self.file = file;
        self.unit = (file as u64) << PART_BITS | part;
        self.number = 0;
    }

    fn next_position(&mut self) -> u64 {
        if self.number >> UNIT_BITS != 0 {
            self.unit += 1;
            self.number = 0;
        }
        let position = self.unit << UNIT_BITS | self.number;
        self.number += 1;
        position
    }

    fn check(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn malformed(&mut self, reason: String) {
        let position = self.next_position();
        self.taken.malformed += 1;
        // Units come in order, so the first ones are the ones to keep.
        if self.taken.samples.len() < SHOWN_MAX {
            self.taken.samples.push(Sample { position, file: self.file, line: self.place, reason });
        }
    }

    #[inline]
    fn take(&mut self, item: Item<'_>) {
        match item {
            Item::Event(event) => {
                if let Err(error) = self.event(&event) {
                    self.failure.get_or_insert(error);
                }
            }
            Item::Malformed(reason) => self.malformed(reason.to_owned()),
        }
    }

    #[inline]
    fn event(&mut self, event: &Event<'_>) -> Result<()> {
        self.taken.events_read += 1;
        let position = self.next_position();
        if self.rules.namespace.as_deref().is_some_and(|wanted| wanted.as_bytes() != &*event.namespace) {
            self.taken.filtered += 1;
            return Ok(());
        }
        if self.rules.until_ms.is_some_and(|until_ms| event.time_ms > until_ms) {
            self.taken.filtered += 1;
            return Ok(());
        }
        let namespace = self.namespace(&event.namespace)?;
        let Some(facts) = self.taken.facts.get_mut(namespace as usize) else {
            return Ok(());
        };
        facts.events += 1;
        if !event.time_text.is_empty() {
            facts.last_time_ms = facts.last_time_ms.max(Some(event.time_ms));
        }
        if let Some(sequence) = event.sequence
            && let Some(sequences) = &mut facts.sequences
        {
            sequences.insert(sequence);
            if sequences.memory_bytes() > SEQUENCE_BYTES_MAX {
                facts.sequences = None;
            }
        }
        let transaction = event.transaction.as_ref().map_or(0, |id| {
            let hash = entity_hash(&[id, &b"\0"[..], &event.namespace].concat());
            hash.max(1)
        });
        match event.kind {
            EventKind::Created | EventKind::Updated { .. } | EventKind::Deleted => {}
            EventKind::Begin | EventKind::Commit | EventKind::Rollback => {
                facts.has_transactions = true;
                self.taken.controls += 1;
                *self.taken.transactions.entry(transaction).or_default() |= event.kind == EventKind::Commit;
                return Ok(());
            }
            EventKind::Unknown => {
                self.unknown(&event.verb);
                return Ok(());
            }
        }
        let record = EventRecord::of(event, namespace, position, transaction);
        let key = KeyRecord {
            identity: Identity::of(event),
            sequence: event.sequence.unwrap_or(u64::MAX),
            position,
        };
        if transaction == 0 {
            return push(&mut self.events, &mut self.keys, self.sinks.splitters, key, &record);
        }
        self.waiting.push(0, KeyRecord::BYTES + record.stored_bytes_max(), |into| {
            into.extend_from_slice(&key.to_bytes());
            record.write(into);
        })
    }

    fn unknown(&mut self, verb: &[u8]) {
        let shown: String = String::from_utf8_lossy(verb).chars().take(VERB_CHARACTERS_MAX).collect();
        let room = self.taken.unknown.len() < VERBS_MAX || self.taken.unknown.contains_key(&shown);
        let name = if room { shown } else { "…".to_owned() };
        *self.taken.unknown.entry(name).or_default() += 1;
    }

    #[inline]
    fn namespace(&mut self, name: &[u8]) -> Result<u32> {
        if self.last.1 != u32::MAX && self.last.0 == name {
            return Ok(self.last.1);
        }
        let number = match self.known.get(name) {
            Some(number) => *number,
            None => {
                let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
                let next = names.len();
                if next >= NAMESPACES_MAX {
                    return Err(Error::unsupported(format!(
                        "the log has more than {NAMESPACES_MAX} namespaces"
                    ))
                    .hint("replay them one by one with --namespace"));
                }
                let number = *names.entry(name.to_vec()).or_insert(next as u32);
                self.known.insert(name.to_vec(), number);
                number
            }
        };
        while self.taken.facts.len() <= number as usize {
            let sequences = Some(SequenceSet::default());
            self.taken.facts.push(NamespaceFacts { sequences, ..NamespaceFacts::default() });
        }
        self.last = (name.to_vec(), number);
        Ok(number)
    }

    fn finish(self) -> Result<Taken> {
        self.events.finish()?;
        self.keys.finish()?;
        self.waiting.finish()?;
        Ok(self.taken)
    }
}
