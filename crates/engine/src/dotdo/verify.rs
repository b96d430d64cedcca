//! Everything that is wrong with checkpoints.

use super::catalogue::{Body, Catalogue, Checkpoint, SNAPSHOT_PREFIX, as_damage, is_damage};
use super::checksum::Checksum;
use super::content::Content;
use super::incremental::Chains;
use super::record::{CHECKPOINT_PREFIX, CHUNK_INFIX, ManagerRecord};
use super::restore::{
    Part, delta_checksums, judge, may_be_gzip, read_delta, read_stored, restore, snapshot_of, stated,
};
use super::spell::SNAPSHOT_METADATA;
use super::{BucketObject, Source};
use crate::error::{Damage, Error, Result};
use crate::finding::{Checked, Finding};
use crate::id::Hash;

/// What concerns no checkpoint by itself: records that are broken, chunks whose manifest is gone,
/// chains that do not hold together.
pub fn verify_strays(catalogue: &Catalogue, findings: &mut Vec<Finding>) {
    findings.extend(catalogue.broken.iter().cloned());
    for key in &catalogue.stray_chunks {
        let owner =
            key.strip_prefix(CHECKPOINT_PREFIX).and_then(|name| Some(name.rsplit_once(CHUNK_INFIX)?.0));
        let is_there = owner.is_some_and(|owner| {
            catalogue
                .checkpoints
                .iter()
                .any(|checkpoint| checkpoint.id == owner && matches!(checkpoint.body, Body::Chunked(_)))
        });
        let what = match is_there {
            true => "a manifest that names this chunk (it was left by another attempt of the same id)",
            false => "the manifest of this chunk",
        };
        let error = Error::damaged(Damage::Missing, what, "a manifest", "none");
        findings.push(Finding { target: key.clone(), error });
    }
    for (target, error) in Chains::of(catalogue).problems() {
        findings.push(Finding { target, error });
    }
}

/// Reads all of `checkpoint` and adds what is wrong to `findings`. `quick`: what hashes to the checksum
/// that it states is not decompressed.
///
/// # Errors
/// Those of the source that say nothing about the checkpoint.
pub fn verify(
    source: Source<'_>,
    catalogue: &Catalogue,
    checkpoint: &Checkpoint,
    quick: bool,
    findings: &mut Vec<Finding>,
    checked: &mut Checked,
) -> Result<()> {
    checked.checkpoints += 1;
    let found = match &checkpoint.body {
        Body::Incremental => verify_delta(source, catalogue, checkpoint, checked),
        Body::Manager(record) => verify_record(source, catalogue, checkpoint, record, findings),
        _ if quick && is_as_stored(source, checkpoint, checked) => Ok(()),
        _ => verify_full(source, checkpoint, may_be_gzip(checkpoint), findings, checked),
    };
    match found {
        Err(error) if is_damage(&error) => {
            let mut error = as_damage(error);
            // The place is the finding's target.
            if error.place() == Some(checkpoint.key.as_str()) {
                error = error.without_place();
            }
            findings.push(Finding { target: checkpoint.key.clone(), error });
            Ok(())
        }
        other => other,
    }
}

/// Whether the stored bytes hash to a checksum that was taken of them, and nothing else is wrong that
/// can be seen without decompressing; then `checked` counts them.
fn is_as_stored(source: Source<'_>, checkpoint: &Checkpoint, checked: &mut Checked) -> bool {
    let (mut findings, mut seen) = (Vec::new(), *checked);
    let is_right = matches!(stated(checkpoint), Ok(Some(_)))
        && verify_full(source, checkpoint, false, &mut findings, &mut seen).is_ok()
        && findings.is_empty();
    if is_right {
        *checked = seen;
    }
    is_right
}

fn verify_full(
    source: Source<'_>,
    checkpoint: &Checkpoint,
    may_be_gzip: bool,
    findings: &mut Vec<Finding>,
    checked: &mut Checked,
) -> Result<()> {
    let before = findings.len();
    let mut find = |error: Error| findings.push(Finding { target: checkpoint.key.clone(), error });
    if let Body::Chunked(manifest) = &checkpoint.body
        && manifest.chunk_count != manifest.chunks.len() as u64
    {
        let (stated, listed) = (manifest.chunk_count, manifest.chunks.len());
        let detail = format!("the manifest says {stated} chunks and lists {listed}");
        find(Error::damaged(Damage::Size, "the list of chunks", stated, listed).with_message(detail));
    }
    if let Body::BucketSnapshot(object) = &checkpoint.body {
        check_metadata(object, &mut find);
    }
    // A checksum of no known form is told with the metadata, or the record was never recognised.
    let expected = stated(checkpoint).unwrap_or_default();
    let mut nothing = |_: &[u8]| Ok(());
    let kind = expected.unwrap_or(Checksum::Sha256(Hash::default()));
    let mut content = Content::new(kind, may_be_gzip, &mut nothing);
    let mut is_whole = true;
    let mut stored_bytes = 0_u64;
    let mut problems = Vec::new();
    let size = read_stored(source, checkpoint, &mut |part| match part {
        Part::Bytes(bytes) => {
            stored_bytes += bytes.len() as u64;
            content.write(bytes)
        }
        Part::Chunk => {
            checked.chunks += 1;
            Ok(())
        }
        Part::Problem(target, error) => {
            is_whole = false;
            problems.push(Finding { target, error: as_damage(error) });
            Ok(())
        }
    })?;
    checked.bytes += stored_bytes;
    findings.append(&mut problems);
    let facts = content.finish()?;
    if is_whole {
        // Each part is what it says it is; so if the whole is not, they do not belong together.
        let is_chunked = matches!(checkpoint.body, Body::Chunked(_));
        judge(facts, expected, size).map(|_| ()).map_err(|error| match error.contrast() {
            Some(_) if is_chunked => {
                let detail = format!(
                    "each chunk is right by itself, together they are not what the manifest describes: they \
                     belong to another attempt ({})",
                    error.message()
                );
                error.with_message(detail)
            }
            _ => error,
        })
    } else if let Some(size) = size.filter(|size| *size != stored_bytes)
        && findings.len() > before
        && matches!(checkpoint.body, Body::Chunked(_))
        && facts.raw.as_ref().map_or(true, |raw| raw.raw_bytes != size)
    {
        Err(Error::damaged(Damage::Size, "what the chunks hold", size, stored_bytes))
    } else {
        Ok(())
    }
}

/// The custom metadata of a manager's snapshot.
fn check_metadata(object: &BucketObject, find: &mut dyn FnMut(Error)) {
    if !object.keeps_metadata {
        return;
    }
    for name in SNAPSHOT_METADATA {
        let Some(text) = object.metadata(name) else {
            find(Error::damaged(Damage::Missing, &format!("the custom metadata `{name}`"), name, "nothing"));
            continue;
        };
        let is_right = match name {
            "checksum" => Checksum::parse(text).is_some(),
            "ns" => true,
            _ => text.parse::<u64>().is_ok(),
        };
        if !is_right {
            find(Error::corrupt(format!("the custom metadata `{name}` is `{text}`")));
        }
    }
}

/// A manager's record and the snapshot that it names.
fn verify_record(
    source: Source<'_>,
    catalogue: &Catalogue,
    checkpoint: &Checkpoint,
    record: &ManagerRecord,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    if record.snapshot.is_none() {
        return Ok(());
    }
    let snapshot = snapshot_of(catalogue, record, source)?;
    let mut find = |error: Error| findings.push(Finding { target: checkpoint.key.clone(), error });
    if let Some(namespace) = snapshot.namespace.as_ref().filter(|namespace| **namespace != record.namespace) {
        let what = format!("the namespace of the snapshot {}", snapshot.id);
        find(Error::damaged(Damage::Malformed, &what, &record.namespace, namespace));
    }
    if let (Some(of_record), Some(of_snapshot)) = (record.schema_version, snapshot.schema_version)
        && of_record != of_snapshot
    {
        let what = format!("the schema version of the snapshot {}", snapshot.id);
        find(Error::damaged(Damage::Malformed, &what, of_record, of_snapshot));
    }
    // Its bytes are verified as the snapshot's own.
    let prefixed = format!("{SNAPSHOT_PREFIX}{}", snapshot.id);
    if matches!(snapshot.body, Body::BucketSnapshot(_)) && !snapshot.key.starts_with(&prefixed) {
        find(Error::corrupt(format!("the snapshot {} lies under {}", snapshot.id, snapshot.key)));
    }
    Ok(())
}

/// A delta's own record. Its chain is [`verify_strays`]' affair.
fn verify_delta(
    source: Source<'_>,
    catalogue: &Catalogue,
    checkpoint: &Checkpoint,
    checked: &mut Checked,
) -> Result<()> {
    let delta = read_delta(source, checkpoint)?;
    checked.bytes += delta.delta_json.len() as u64;
    let (expected, actual) = delta_checksums(&delta)?;
    if expected == actual {
        return Ok(());
    }
    drop(delta);
    if Chains::of(catalogue).to(checkpoint).is_err() {
        // The chain's own finding; whether the checksum is of its result cannot be known.
        return Err(Error::damaged(Damage::Checksum, "the delta", expected, actual));
    }
    restore(source, catalogue, checkpoint, &mut |_| Ok(())).map(|_| ())
}
