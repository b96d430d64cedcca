//! A checkpoint back into the object it is restored into: all at once, and only what was read back.
//!
//! First every piece is read, checked and laid into a table of its own, in as many turns as it takes. Then one
//! transaction, during which nothing else happens in the object, takes away what is there, makes the
//! tables, puts the rows in, and reads them back: readers see the old state or the new one.

use dotctl_engine::checkpoint::codec_setting;
use dotctl_engine::chunk::{ChunkReader, ChunkWriter, StoredChunk, raw_bytes};
use dotctl_engine::codec::Codec;
use dotctl_engine::format::{CheckpointKind, ChunkEntry, Manifest, RecordKey};
use dotctl_engine::id::Hash;
use dotctl_engine::rows::{Line, RowKey, RowsSum};
use dotctl_engine::{Damage, Error, Result};

use crate::chain::{ChainLines, Places};
use crate::packed::Reader;
use crate::rows::{
    Build, FullTexts, STATISTICS_TABLE, Scan, ScannedTable, Schema, drop_all, forget, is_runtimes, put_away,
    unwatch,
};
use crate::storage::{Parameter, Storage};

/// Bytes of a row that keeps a part of a piece.
const PART_BYTES: usize = 1_000_000;

/// The table in which the pieces of a checkpoint lie, compressed again, until they are all there.
const STAGED_TABLE: &str = "_dotctl_staged";

/// What was staged.
pub struct Staged {
    /// The table, made as that for what this module stages.
    pub table: &'static str,
    /// Its pieces, numbered from 0.
    pub pieces: usize,
    /// What all lines come to.
    pub sum: RowsSum,
}

/// Makes a table for pieces.
pub fn make_table(storage: &Storage, table: &str) -> Result<()> {
    let columns = "piece INTEGER, part INTEGER, raw_bytes INTEGER, bytes BLOB, PRIMARY KEY (piece, part)";
    storage.execute(&format!("CREATE TABLE IF NOT EXISTS {table} ({columns}) WITHOUT ROWID"), &[])
}

/// Lays a piece into `table`: whole lines, compressed, which have `raw_bytes`.
pub fn lay_piece(
    storage: &Storage,
    table: &str,
    number: usize,
    raw_bytes: usize,
    stored: &[u8],
) -> Result<()> {
    let insert =
        format!("INSERT INTO {table} VALUES (CAST(? AS INTEGER), CAST(? AS INTEGER), CAST(? AS INTEGER), ?)");
    let (number, raw_bytes) = (number.to_string(), raw_bytes.to_string());
    for (part, bytes) in stored.chunks(PART_BYTES).enumerate() {
        let part = part.to_string();
        let [number, part, raw_bytes] = [&number, &part, &raw_bytes].map(|text| Parameter::Text(text));
        storage.execute(&insert, &[number, part, raw_bytes, Parameter::Blob(bytes)])?;
    }
    Ok(())
}

/// Forgets what was staged.
pub fn discard(storage: &Storage) -> Result<()> {
    put_away(storage, STAGED_TABLE)
}

/// Reads and checks all of `manifest`, and keeps it beside the object's state.
pub async fn stage(storage: &Storage, places: &Places, manifest: &Manifest) -> Result<Staged> {
    if manifest.kind != CheckpointKind::Rows {
        return Err(Error::unsupported(format!(
            "a checkpoint of the kind {} cannot be put into an object from inside",
            manifest.kind.name()
        ))
        .hint("a checkpoint of rows can: dotctl snapshot --kind rows makes one of any database"));
    }
    discard(storage)?;
    make_table(storage, STAGED_TABLE)?;
    let mut lines = ChainLines::new(places, manifest).await?;
    let mut writer = ChunkWriter::new(codec_setting(CheckpointKind::Rows, Codec::Zstd, None)?)?;
    let (mut piece, mut stored) = (Vec::new(), StoredChunk::default());
    let mut staged = Staged { table: STAGED_TABLE, pieces: 0, sum: RowsSum::default() };
    while lines.next_piece(&mut piece).await? {
        if piece.is_empty() {
            continue;
        }
        staged.sum.add_lines(&piece);
        writer.write(&piece, &mut stored)?;
        lay_piece(storage, STAGED_TABLE, staged.pieces, piece.len(), &stored.bytes)?;
        staged.pieces += 1;
    }
    let (actual, _) = staged.sum.finish();
    if actual != manifest.content_sha256 {
        return Err(Error::damaged(Damage::Checksum, "the content", manifest.content_sha256, actual));
    }
    Ok(staged)
}

/// Puts what was staged in the place of the object's state. Gives the alarm that belongs to it, in Unix milliseconds.
pub fn apply(storage: &Storage, staged: &Staged) -> Result<Option<f64>> {
    storage.transaction(|| {
        // Rows come in any order: what they refer to is looked at in the end.
        storage.query("PRAGMA defer_foreign_keys = ON", &[])?;
        unwatch(storage)?;
        forget(storage)?;
        let schema = Schema::read(storage)?;
        drop_all(storage, &schema)?;
        if schema.definitions.iter().any(|definition| definition.name == STATISTICS_TABLE) {
            storage.execute(&format!("DELETE FROM {STATISTICS_TABLE}"), &[])?;
        }
        storage.clear_entries()?;
        let mut build = Build::new(storage);
        for number in 0..staged.pieces {
            for line in piece(storage, staged.table, number)?
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                build.line(line)?;
            }
        }
        let (alarm, written) = build.finish()?;
        if content(storage)?.finish() != written.finish() {
            return Err(Error::unsupported("SQLite does not keep this state as it was")
                .hint("nothing was changed; dotctl restore makes a database file of the checkpoint"));
        }
        discard(storage)?;
        Ok(alarm)
    })
}

/// One staged piece's lines.
fn piece(storage: &Storage, table: &str, number: usize) -> Result<Vec<u8>> {
    let text = number.to_string();
    let select =
        format!("SELECT raw_bytes, bytes FROM {table} WHERE piece = CAST(? AS INTEGER) ORDER BY part");
    let rows = storage.query(&select, &[Parameter::Text(&text)])?;
    let mut reader = Reader::new(&rows);
    let (mut piece_bytes, mut stored) = (0, Vec::new());
    while let Some(bytes) = reader.next()? {
        piece_bytes = bytes.integer()?;
        stored.extend_from_slice(reader.value()?.bytes()?);
    }
    let wrong = |_| Error::corrupt("a staged piece is not as it was written");
    decode(&stored, u32::try_from(piece_bytes).map_err(wrong)?)
}

/// The lines that are compressed in `stored`, and have `lines_bytes`.
pub fn decode(stored: &[u8], lines_bytes: u32) -> Result<Vec<u8>> {
    let chunk = ChunkEntry {
        stored_offset: 0,
        stored_bytes: u32::try_from(stored.len()).unwrap_or(u32::MAX),
        raw_bytes: lines_bytes,
        record_count: 0,
        sha256: Hash::of(stored),
        first_key: RecordKey::default(),
    };
    let mut raw = vec![0; raw_bytes(&chunk)?];
    ChunkReader::new()?.read(Codec::Zstd, &chunk, stored, &mut raw)?;
    Ok(raw)
}

/// What the object's state comes to, without what the runtime and FTS5 make by themselves.
fn content(storage: &Storage) -> Result<RowsSum> {
    let schema = Schema::read(storage)?;
    let full_texts = FullTexts::of(&schema.definitions)?;
    let mut forms = schema.forms(storage)?;
    forms.retain(|form| !full_texts.is_derived_table(&form.name));
    let tables = forms.into_iter().map(|form| ScannedTable { form, watched: None }).collect();
    let mut scan = Scan::new(&schema, tables, false, None);
    scan.take_any_order();
    let mut sum = RowsSum::default();
    while scan.advance(storage)? {
        let (_, line) = scan.line();
        let parsed = Line::parse(line)?;
        let key = RowKey::parse(&parsed.key)?;
        if !is_runtimes(&key) && !full_texts.is_derived(&key) {
            sum.add(line);
        }
    }
    Ok(sum)
}
