//! One checkpoint being made: what a scan gives, into packs.

use dotctl_engine::checkpoint::{Assembler, CheckpointFacts, PackSink, codec_setting, shape_content};
use dotctl_engine::chunk::{ChunkSize, ChunkWriter, PackBorder, RawState, StateChunker, StoredChunk};
use dotctl_engine::codec::Codec;
use dotctl_engine::format::{CheckpointKind, PackEntry};
use dotctl_engine::{Error, ErrorKind, Result};

use crate::rows::{Scan, ScannedTable, Schema, TableForm, triggers, watch};
use crate::storage::Storage;

/// Packs on their way to where they are kept: one at most, the pipeline's caller takes it away.
#[derive(Default)]
pub struct Sink {
    open: Vec<Vec<u8>>,
    /// Packs that are whole, in order.
    pub sealed: Vec<(PackEntry, Vec<Vec<u8>>)>,
}

impl PackSink for Sink {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.open.push(bytes.to_vec());
        Ok(())
    }

    fn seal(&mut self, pack: &PackEntry) -> Result<()> {
        self.sealed.push((pack.clone(), std::mem::take(&mut self.open)));
        Ok(())
    }
}

/// A checkpoint of which some chunks are made.
pub struct Capture {
    scan: Scan,
    chunker: StateChunker,
    raw: RawState,
    waiting: bool,
    writer: ChunkWriter,
    stored: StoredChunk,
    assembler: Option<Assembler>,
    /// The schema that the scan goes by, and the triggers that watch.
    schema: Schema,
    triggers: Vec<u8>,
    /// Packs that are to be taken away.
    pub sink: Sink,
}

impl Capture {
    /// Begins: the checkpoint shows this moment. Nothing is awaited, so nothing is written meanwhile.
    pub fn begin(storage: &Storage, chunk_size: ChunkSize) -> Result<Self> {
        let schema = Schema::read(storage)?;
        let mut forms: Vec<(TableForm, bool)> = Vec::new();
        for form in schema.forms(storage)? {
            // What no trigger can be hung on is copied while nothing else happens.
            let copies = form.replaces_unseen
                || form.name.starts_with("sqlite_")
                || schema.is_shadow(storage, &form.name)?;
            forms.push((form, copies));
        }
        let has_entries = schema.tables().any(|table| table.name == "_cf_KV");
        let first = storage.transaction(|| watch(storage, &forms, has_entries))?;
        let tables = forms
            .into_iter()
            .zip(first..)
            .map(|((form, copied), number)| ScannedTable { form, watched: Some(number), copied })
            .collect();
        let setting = codec_setting(CheckpointKind::Rows, Codec::Zstd, None)?;
        Ok(Capture {
            scan: Scan::new(&schema, tables, has_entries),
            triggers: triggers(storage)?,
            chunker: StateChunker::new(chunk_size),
            raw: RawState::default(),
            waiting: false,
            writer: ChunkWriter::new(setting)?,
            stored: StoredChunk::default(),
            assembler: Some(Assembler::new(CheckpointKind::Rows, Codec::Zstd, PackBorder::FOLDER)),
            schema,
            sink: Sink::default(),
        })
    }

    /// Says what the object's alarm was at that moment, in Unix milliseconds.
    pub fn set_alarm(&mut self, alarm: Option<f64>) {
        self.scan.alarm = alarm;
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

    /// Makes the next chunk; gives the facts after the last one.
    pub fn step(&mut self, storage: &Storage) -> Result<Option<CheckpointFacts>> {
        self.raw.ndjson.clear();
        while self.waiting || self.scan.advance(storage)? {
            let (key, line) = self.scan.line();
            self.waiting = !self.chunker.push(&mut self.raw, key, line)?;
            if self.waiting {
                break;
            }
        }
        let Some(assembler) = &mut self.assembler else {
            return Ok(None);
        };
        if !self.raw.ndjson.is_empty() {
            self.stored.first_key.clone_from(&self.raw.first_key);
            self.stored.record_count = self.raw.record_count;
            self.writer.write(&self.raw.ndjson, &mut self.stored)?;
            shape_content(CheckpointKind::Rows, &mut self.raw.ndjson);
            assembler.add(&self.stored, &self.raw.ndjson, &mut self.sink)?;
        }
        if self.waiting {
            return Ok(None);
        }
        self.assembler.take().map(|assembler| assembler.finish(None, &mut self.sink)).transpose()
    }

    /// Raw bytes of the chunk made last.
    pub fn chunk_bytes(&self) -> usize {
        self.raw.ndjson.len()
    }
}
