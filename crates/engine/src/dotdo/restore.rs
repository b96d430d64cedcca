//! One checkpoint's bytes.

use super::catalogue::{Body, Catalogue, Checkpoint, Form, as_damage};
use super::checksum::Checksum;
use super::content::{Content, ContentFacts, RawFacts, Sink};
use super::incremental::Chains;
use super::overlay::{Merge, Overlay};
use super::record::{
    CHECKPOINT_PREFIX, CHUNK_INFIX, ChunkedManifest, Incremental, ManagerRecord, Record, recognise,
};
use super::{Catalogue as Found, Source, Value};
use crate::error::{Damage, Error, ErrorKind, Result};
use crate::id::Hash;

/// What a checksum was found to be taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covers {
    /// The bytes as stored, compressed or not.
    Stored,
    /// The bytes before they were compressed.
    Content,
    /// A delta's own JSON text.
    Delta,
    /// The state that results from the delta.
    Result,
    /// Nothing: there is none, and gzip's own was right if there is gzip.
    Nothing,
}

impl Covers {
    /// Its name in reports; `None` where there is no checksum.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Covers::Stored => Some("stored"),
            Covers::Content => Some("content"),
            Covers::Delta => Some("delta"),
            Covers::Result => Some("result"),
            Covers::Nothing => None,
        }
    }
}

/// What was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Bytes.
    pub raw_bytes: u64,
    /// Their SHA-256.
    pub sha256: Hash,
    /// What the checkpoint's checksum was taken of.
    pub covers: Covers,
}

/// Gives the bytes of `checkpoint` to `sink`: those that were compressed, or those that were stored
/// where nothing was. Only once it has returned are they known to be right.
///
/// # Errors
/// Corrupt where anything is not what it should be; missing where the bytes are in a bucket that
/// `source` does not have, or there are none; those of the source and of `sink`.
pub fn restore(
    source: Source<'_>,
    catalogue: &Catalogue,
    checkpoint: &Checkpoint,
    sink: &mut Sink<'_>,
) -> Result<Restored> {
    let restored = match &checkpoint.body {
        Body::Incremental => restore_chain(source, catalogue, checkpoint, sink),
        Body::Manager(record) => restore(source, catalogue, snapshot_of(catalogue, record, source)?, sink),
        _ => restore_full(source, checkpoint, sink),
    };
    restored.map_err(|error| match error.kind() {
        // A record that was read before and is none any more.
        ErrorKind::Malformed => as_damage(error).at(checkpoint.key.clone()),
        _ => error,
    })
}

/// The bytes of a checkpoint that builds on no other.
fn restore_full(source: Source<'_>, checkpoint: &Checkpoint, sink: &mut Sink<'_>) -> Result<Restored> {
    let expected = stated(checkpoint)?;
    let mut content =
        Content::new(expected.unwrap_or(Checksum::Sha256(Hash::default())), may_be_gzip(checkpoint), sink);
    let size = read_stored(source, checkpoint, &mut |part| match part {
        Part::Bytes(bytes) => content.write(bytes),
        Part::Problem(target, error) => Err(error.at(target)),
        Part::Chunk => Ok(()),
    })?;
    judge(content.finish()?, expected, size).map_err(|error| error.at(checkpoint.key.clone()))
}

/// The checksum that `checkpoint` states.
pub(super) fn stated(checkpoint: &Checkpoint) -> Result<Option<Checksum>> {
    let Some(text) = &checkpoint.checksum else {
        return Ok(None);
    };
    Checksum::parse(text).map(Some).ok_or_else(|| {
        Error::corrupt(format!("its checksum `{text}` is neither SHA-256 nor MurmurHash3"))
            .at(checkpoint.key.clone())
    })
}

/// Whether stored bytes that begin as gzip does are to be decompressed.
pub(super) fn may_be_gzip(checkpoint: &Checkpoint) -> bool {
    match &checkpoint.body {
        Body::Chunked(manifest) => manifest.compressed,
        _ => true,
    }
}

/// A piece of what is stored, or what is wrong with it.
pub(super) enum Part<'p> {
    /// The next bytes.
    Bytes(&'p [u8]),
    /// The bytes before were a chunk, and it is right.
    Chunk,
    /// What is wrong, and with which record.
    Problem(String, Error),
}

/// Gives what is stored of a full checkpoint to `take`, part by part: the size that it says it has.
pub(super) fn read_stored(
    source: Source<'_>,
    checkpoint: &Checkpoint,
    take: &mut dyn FnMut(Part<'_>) -> Result<()>,
) -> Result<Option<u64>> {
    match &checkpoint.body {
        Body::Chunked(manifest) => read_chunks(source, manifest, take).map(|()| Some(manifest.total_bytes)),
        Body::Hybrid(manifest) => {
            read_payload(source, manifest.in_bucket, &manifest.storage_key, &checkpoint.key, take)?;
            Ok(Some(manifest.stored_bytes))
        }
        Body::Bare { in_bucket } => {
            read_payload(source, *in_bucket, &checkpoint.key, &checkpoint.key, take)?;
            Ok(checkpoint.stored_bytes)
        }
        Body::BucketSnapshot(_) => {
            read_payload(source, true, &checkpoint.key, &checkpoint.key, take)?;
            Ok(checkpoint.stored_bytes)
        }
        Body::Snapshot => read_snapshot(source, checkpoint, take),
        Body::Incremental | Body::Manager(_) => Err(Error::unsupported("it has no bytes of its own")),
    }
}

fn read_chunks(
    source: Source<'_>,
    manifest: &ChunkedManifest,
    take: &mut dyn FnMut(Part<'_>) -> Result<()>,
) -> Result<()> {
    let records = source.records.ok_or_else(no_object)?;
    for (index, key) in (0..).zip(&manifest.chunks) {
        let mut check = |value: &Value<'_>| check_chunk(manifest, index, key, value, take);
        match records.read(key, &mut check) {
            Ok(true) => {}
            Ok(false) => {
                let error = Error::damaged(Damage::Missing, &format!("chunk {index}"), key, "nothing");
                take(Part::Problem(key.clone(), error))?;
            }
            Err(error) if error.kind() == ErrorKind::Malformed => {
                take(Part::Problem(key.clone(), as_damage(error)))?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Checks that `value` is chunk `index` of `manifest`, and gives its bytes on.
fn check_chunk(
    manifest: &ChunkedManifest,
    index: u64,
    key: &str,
    value: &Value<'_>,
    take: &mut dyn FnMut(Part<'_>) -> Result<()>,
) -> Result<()> {
    let mut problem = |error: Error| take(Part::Problem(key.to_owned(), error));
    let chunk = match recognise(value) {
        Ok(Some(Record::Chunk(chunk))) => chunk,
        Ok(_) => return problem(Error::corrupt("this record is no chunk")),
        Err(error) => return problem(as_damage(error)),
    };
    let mut is_right = true;
    let owner = key.strip_prefix(CHECKPOINT_PREFIX).and_then(|name| Some(name.rsplit_once(CHUNK_INFIX)?.0));
    if let Some(owner) = owner.filter(|owner| *owner != manifest.id) {
        is_right = false;
        let what = format!("the owner of chunk {index}");
        problem(Error::damaged(Damage::Malformed, &what, &manifest.id, owner))?;
    }
    if chunk.index != index {
        is_right = false;
        let expected = format!("chunk {index}");
        problem(Error::damaged(Damage::Malformed, "the record", expected, format!("chunk {}", chunk.index)))?;
    }
    let expected = Checksum::parse(&chunk.checksum)
        .ok_or_else(|| Error::corrupt("its checksum is neither SHA-256 nor MurmurHash3"))?;
    let actual = expected.of_same_kind(chunk.data);
    if actual != expected {
        is_right = false;
        problem(Error::damaged(Damage::Checksum, &format!("chunk {index}"), expected, actual))?;
    }
    take(Part::Bytes(chunk.data))?;
    if is_right { take(Part::Chunk) } else { Ok(()) }
}

fn no_object() -> Error {
    Error::new(ErrorKind::Missing, "its record is in an object, and there is only a bucket")
        .hint("name the object's database with --store, and the bucket with --overflow")
}

/// Why what lies in R2 cannot be read.
fn no_bucket(key: &str) -> Error {
    Error::new(ErrorKind::Missing, format!("its bytes are in R2 under {key}, and no bucket was named"))
        .hint("name the bucket with --overflow")
}

fn read_payload(
    source: Source<'_>,
    in_bucket: bool,
    key: &str,
    place: &str,
    take: &mut dyn FnMut(Part<'_>) -> Result<()>,
) -> Result<()> {
    let is_there = if in_bucket {
        let Some(bucket) = source.bucket else {
            return take(Part::Problem(place.to_owned(), no_bucket(key)));
        };
        bucket.read(key, &mut |bytes| take(Part::Bytes(bytes)))?
    } else {
        let records = source.records.ok_or_else(no_object)?;
        let mut is_bytes = true;
        let is_there = records.read(key, &mut |value| match value.bytes() {
            Some(bytes) => take(Part::Bytes(bytes)),
            None => {
                is_bytes = false;
                take(Part::Problem(key.to_owned(), Error::corrupt("this record does not hold bytes")))
            }
        })?;
        if !is_bytes {
            return Ok(());
        }
        is_there
    };
    if !is_there {
        let error = Error::damaged(Damage::Missing, "what it is stored as", key, "nothing");
        take(Part::Problem(place.to_owned(), error))?;
    }
    Ok(())
}

fn read_snapshot(
    source: Source<'_>,
    checkpoint: &Checkpoint,
    take: &mut dyn FnMut(Part<'_>) -> Result<()>,
) -> Result<Option<u64>> {
    let records = source.records.ok_or_else(no_object)?;
    let mut size = None;
    records.read(&checkpoint.key, &mut |value| {
        if let Some(Record::Snapshot(snapshot)) = recognise(value)? {
            size = Some(snapshot.data_bytes);
            take(Part::Bytes(snapshot.data))?;
        }
        Ok(())
    })?;
    size.map(Some).ok_or_else(|| Error::damaged(Damage::Missing, "the record", &checkpoint.key, "nothing"))
}

/// Whether what was read is what was written.
pub(super) fn judge(facts: ContentFacts, expected: Option<Checksum>, size: Option<u64>) -> Result<Restored> {
    let covers = checksum_of(&facts, expected)?;
    let ContentFacts { stored_bytes, raw, .. } = facts;
    let RawFacts { raw_bytes, sha256, .. } = raw?;
    if let Some(size) = size.filter(|size| *size != stored_bytes && *size != raw_bytes) {
        return Err(Error::damaged(Damage::Size, "what is stored", size, stored_bytes));
    }
    Ok(Restored { raw_bytes, sha256, covers })
}

/// What the checksum was taken of: of what is stored, as the spike's code does, or of what was
/// compressed.
fn checksum_of(facts: &ContentFacts, expected: Option<Checksum>) -> Result<Covers> {
    let Some(expected) = expected else {
        return Ok(Covers::Nothing);
    };
    if facts.stored == expected {
        return Ok(Covers::Stored);
    }
    match &facts.raw {
        Ok(raw) if raw.checksum == expected => Ok(Covers::Content),
        _ => Err(Error::damaged(Damage::Checksum, "what is stored", expected, facts.stored)),
    }
}

/// The snapshot that a manager's record names.
pub(super) fn snapshot_of<'c>(
    catalogue: &'c Found,
    record: &ManagerRecord,
    source: Source<'_>,
) -> Result<&'c Checkpoint> {
    let Some(id) = &record.snapshot else {
        return Err(Error::new(
            ErrorKind::Missing,
            "this record names no snapshot, only a position in the log",
        )
        .at(record.id.clone())
        .hint("only records with a snapshot can be restored"));
    };
    let found = catalogue
        .checkpoints
        .iter()
        .find(|checkpoint| checkpoint.form == Form::ManagerSnapshot && checkpoint.id == *id);
    match found {
        Some(found) => Ok(found),
        None if source.bucket.is_none() => Err(no_bucket(id)),
        None => Err(Error::damaged(Damage::Missing, &format!("the snapshot {id}"), id, "nothing")),
    }
}

/// A base and its deltas.
fn restore_chain(
    source: Source<'_>,
    catalogue: &Catalogue,
    checkpoint: &Checkpoint,
    sink: &mut Sink<'_>,
) -> Result<Restored> {
    let chain = Chains::of(catalogue).to(checkpoint)?;
    let mut overlay = Overlay::default();
    let mut last = None;
    // The first delta whose checksum is not that of its text; that of the result may prove it.
    let mut unproven = None;
    for link in &chain.links {
        let mut delta = read_delta(source, link)?;
        let (expected, actual) = delta_checksums(&delta).map_err(|error| error.at(link.key.clone()))?;
        if expected != actual && unproven.is_none() {
            unproven =
                Some(Error::damaged(Damage::Checksum, "the delta", expected, actual).at(link.key.clone()));
        }
        for change in delta.changes.drain(..) {
            overlay.apply(change)?;
        }
        last = Some((expected, expected == actual));
    }
    let (expected, is_of_delta) = last.ok_or_else(|| Error::corrupt("the chain is empty"))?;
    let mut content = Content::new(expected, false, sink);
    let mut out = |bytes: &[u8]| content.write(bytes);
    let mut merge = Merge::new(overlay, &mut out);
    restore(source, catalogue, chain.base, &mut |bytes| merge.write(bytes))
        .map_err(|error| error.hint(format!("it is the base of {}", checkpoint.id)))?;
    merge.finish().map_err(|error| as_damage(error).at(format!("the base {}", chain.base.id)))?;
    let facts = content.finish()?;
    let raw = facts.raw?;
    let covers = match unproven {
        _ if !is_of_delta && raw.checksum == expected => Covers::Result,
        None => Covers::Delta,
        Some(mismatch) => return Err(mismatch),
    };
    Ok(Restored { raw_bytes: raw.raw_bytes, sha256: raw.sha256, covers })
}

/// The delta in the record of `link`.
pub(super) fn read_delta(source: Source<'_>, link: &Checkpoint) -> Result<Incremental> {
    let records = source.records.ok_or_else(no_object)?;
    let mut delta = None;
    records.read(&link.key, &mut |value| {
        if let Some(Record::Incremental(found)) = recognise(value)? {
            delta = Some(found);
        }
        Ok(())
    })?;
    delta.ok_or_else(|| Error::damaged(Damage::Missing, "the record", &link.key, "nothing"))
}

/// The checksum that a delta states, and that of its own text.
pub(super) fn delta_checksums(delta: &Incremental) -> Result<(Checksum, Checksum)> {
    let expected = Checksum::parse(&delta.checksum)
        .ok_or_else(|| Error::corrupt("its checksum is neither SHA-256 nor MurmurHash3"))?;
    Ok((expected, expected.of_same_kind(delta.delta_json.as_bytes())))
}
