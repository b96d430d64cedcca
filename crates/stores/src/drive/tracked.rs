//! What a tracker says has changed, into a checkpoint: nothing else is read.

use std::collections::BTreeSet;

use dotctl_engine::checkpoint::{DeltaAssembler, Foundation, PackSink, RowChange};
use dotctl_engine::chunk::{ChunkReader, PackBorder};
use dotctl_engine::format::Manifest;
use dotctl_engine::format::delta::DeltaChunk;
use dotctl_engine::rows::RowsSum;
use dotctl_engine::{Error, Result};

use super::chunks::RunReader;
use super::get::LineLookup;
use super::{Increment, SnapshotSetting};
use crate::buffer::AlignedBuffer;
use crate::store::Store;

/// Keys of runs that are joined with the new one; with more, everything is compared.
const JOINED_BYTES_MAX: usize = 8 << 20;

/// A row's line as it is now, without a line feed, by its key; none where there is no such row.
pub type CurrentLine<'a> = dyn FnMut(&[u8]) -> Result<Option<Vec<u8>>> + 'a;

/// Lays what has become of the rows with `keys` over `foundation`, which was taken from `base`.
pub fn increment_tracked(
    store: &dyn Store,
    base: &Manifest,
    foundation: &Foundation,
    keys: &BTreeSet<Vec<u8>>,
    current: &mut CurrentLine<'_>,
    setting: &SnapshotSetting,
    sink: &mut dyn PackSink,
) -> Result<Increment> {
    // Runs of the base that become one with the new one.
    let joined: Vec<_> = base.delta_runs().skip(foundation.runs.len() - 1).collect();
    let mut all = BTreeSet::new();
    let mut joined_bytes = 0;
    for run in &joined {
        let mut chunks = RunReader::new(store, run);
        let (mut reader, mut stored, mut raw) = (ChunkReader::new()?, Vec::new(), AlignedBuffer::default());
        while let Some(plan) = chunks.next_chunk()? {
            plan.read(&mut reader, &mut stored, &mut raw, 0)?;
            let delta = DeltaChunk::read(raw.to_vec(), plan.entry().record_count)
                .map_err(|error| error.at(plan.location()))?;
            for position in 0..delta.record_count() {
                joined_bytes += delta.key(position).len();
                all.insert(delta.key(position).to_vec());
            }
            if joined_bytes > JOINED_BYTES_MAX {
                return Ok(Increment::Outgrown);
            }
        }
    }
    let sum = RowsSum::resume(base.content_sha256, base.record_count, base.raw_bytes);
    let border = PackBorder::FOLDER;
    let mut assembler = DeltaAssembler::of_rows(foundation, sum, setting.codec, setting.chunk_size, border)?;
    let mut base_lines = LineLookup::new(store, &base.runs)?;
    let mut older_lines = match joined.is_empty() {
        true => None,
        false => Some(LineLookup::new(store, &foundation.runs)?),
    };
    for key in all.union(keys) {
        let in_base = base_lines.find(key)?;
        let older = match &mut older_lines {
            Some(lines) => lines.find(key)?,
            None => in_base.clone(),
        };
        let new = if keys.contains(key) { current(key)? } else { in_base.clone() };
        if new.as_deref().is_some_and(|line| line.contains(&b'\n')) {
            return Err(Error::malformed("a row's line has a line feed"));
        }
        let change =
            RowChange { key, base: in_base.as_deref(), older: older.as_deref(), new: new.as_deref() };
        let taken = assembler.change(&change, sink);
        if assembler.outgrown {
            return Ok(Increment::Outgrown);
        }
        taken?;
    }
    let facts = assembler.finish(None, sink)?;
    Ok(match facts.content_sha256() == base.content_sha256 {
        true => Increment::Equal,
        false => Increment::Changed(facts),
    })
}
