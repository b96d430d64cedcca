//! The moment that a checkpoint shows, and what is read of it: all, or what has changed.

use std::collections::VecDeque;

use dotctl_engine::id::CheckpointId;
use dotctl_engine::rows::table_prefix;
use dotctl_engine::{Error, ErrorKind, Result};

use crate::rows::{
    ENTRIES_TABLE, METADATA_TABLE, Scan, ScannedTable, Schema, TouchedScan, Tracked, WatchedForm, forget,
    go_on_from, is_tracked, pause, triggers, unwatch, watch,
};
use crate::storage::Storage;

/// A part of an object's keys in which changes are looked for.
pub enum Stretch {
    /// The rows of a table that were touched.
    Touched(TouchedScan),
    /// Everything from `low` on, which is none once that has begun, below `high`.
    Whole {
        /// The first possible key.
        low: Option<Vec<u8>>,
        /// The first key behind.
        high: Vec<u8>,
        /// What is there now.
        scan: Box<Scan>,
    },
}

/// What the keys of rows begin with; those of definitions come before.
const ROWS_LOW: &[u8] = b"row/";

/// A moment of the object: whatever is written since then, this is what can be read.
pub struct Capture {
    /// The schema that a scan goes by.
    schema: Schema,
    forms: Vec<WatchedForm>,
    /// The number of the first table that keeps rows as they were.
    first: usize,
    has_entries: bool,
    triggers: Vec<u8>,
    /// What is known of changes until this moment.
    pub tracked: Option<Tracked>,
    /// The object's alarm at that moment, in Unix milliseconds.
    pub alarm: Option<f64>,
}

impl Capture {
    /// Begins: this is the moment. Nothing is awaited, so nothing is written meanwhile.
    pub fn begin(storage: &Storage) -> Result<Self> {
        let schema = Schema::read(storage)?;
        let forms = schema.watched_forms(storage)?;
        let has_entries = schema.tables().any(|table| table.name == ENTRIES_TABLE);
        let (first, tracked) = storage.transaction(|| {
            let first = watch(storage, &forms, has_entries)?;
            Ok((first, pause(storage, &schema, &forms, first)?))
        })?;
        let triggers = triggers(storage)?;
        Ok(Capture { schema, forms, first, has_entries, triggers, tracked, alarm: None })
    }

    /// Refuses to go on where something was missed since it began.
    pub fn check(&self, storage: &Storage) -> Result<()> {
        let changed = storage.guard().emptied()
            || triggers(storage)? != self.triggers
            || !Schema::read(storage)?.is_like(&self.schema);
        if changed {
            return Err(Error::new(
                ErrorKind::Busy,
                "the object's tables were changed while the checkpoint was made",
            )
            .hint("make it again"));
        }
        match storage.guard().missed() {
            Some(missed) => Err(Error::unsupported(missed)),
            None => Ok(()),
        }
    }

    fn scanned(&self, (number, (form, way)): (usize, &WatchedForm)) -> ScannedTable {
        ScannedTable { form: form.clone(), watched: Some((number, *way)) }
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &WatchedForm)> {
        (self.first..).zip(&self.forms)
    }

    /// All of it.
    pub fn scan(&self) -> Scan {
        let tables = self.numbered().map(|table| self.scanned(table)).collect();
        Scan::new(&self.schema, tables, self.has_entries, self.alarm)
    }

    /// Where it may differ from the checkpoint since which changes are `tracked`, in the order of the keys.
    pub fn stretches(&self, tracked: &Tracked) -> VecDeque<Stretch> {
        let mut stretches = Vec::new();
        for (position, table) in self.numbered().enumerate() {
            let (number, watched) = table;
            let low = table_prefix(&watched.0.name);
            let stretch = match is_tracked(watched) {
                true => {
                    Stretch::Touched(TouchedScan::new(watched.0.clone(), tracked.first + position, number))
                }
                false => whole_table(&low, Scan::of_table(self.scanned(table))),
            };
            stretches.push((low, stretch));
        }
        for table in self.schema.tables() {
            let scan = match table.name.as_str() {
                ENTRIES_TABLE => Scan::of_entries(self.has_entries),
                METADATA_TABLE => Scan::of_alarm(self.alarm),
                _ => continue,
            };
            let low = table_prefix(&table.name);
            let stretch = whole_table(&low, scan);
            stretches.push((low, stretch));
        }
        stretches.sort_by(|one, other| one.0.cmp(&other.0));
        let definitions = Stretch::Whole {
            low: Some(Vec::new()),
            high: ROWS_LOW.to_vec(),
            scan: Box::new(Scan::of_definitions(&self.schema)),
        };
        std::iter::once(definitions).chain(stretches.into_iter().map(|(_, stretch)| stretch)).collect()
    }

    /// The checkpoint is there: ends the watch, and begins to track changes since then if that is wanted.
    pub fn end(&self, storage: &Storage, made: &CheckpointId, tracks_changes: bool) -> Result<()> {
        storage.transaction(|| {
            // It is whole, but what was missed since belongs to the next one.
            match tracks_changes && self.check(storage).is_ok() {
                true => go_on_from(storage, made, &self.schema, &self.forms, self.first)?,
                false => forget(storage)?,
            }
            unwatch(storage)
        })
    }
}

fn whole_table(prefix: &str, scan: Scan) -> Stretch {
    // A prefix ends with a slash, and a nought comes behind it.
    let high = [prefix.strip_suffix('/').unwrap_or(prefix).as_bytes(), b"0"].concat();
    Stretch::Whole { low: Some(prefix.as_bytes().to_vec()), high, scan: Box::new(scan) }
}
