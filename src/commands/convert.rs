//! `dotctl copy` of a checkpoint that TypeScript wrote: what it holds becomes a checkpoint of ours.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Instant;

use serde_json::json;

use dotctl_engine::Result;
use dotctl_engine::checkpoint::codec_setting;
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::codec::Codec;
use dotctl_engine::dotdo::Checkpoint;
use dotctl_engine::finding::Checked;
use dotctl_engine::format::CheckpointKind;
use dotctl_engine::format::layout::ManifestKey;
use dotctl_engine::id::{Namespace, Time};
use dotctl_stores::base::{Base, check_open};
use dotctl_stores::database::is_database;
use dotctl_stores::dotdo::Foreign;
use dotctl_stores::drive::{SnapshotSetting, refuse_first, require_whole};
use dotctl_stores::source::{capture_database, capture_state};
use dotctl_stores::store::{Committed, Store};

use super::copy::open_target;
use super::requests::{tell, with_requests};
use super::{CheckpointDocument, elapsed_ms, foreign, short_id};
use crate::cli::CopyArgs;
use crate::error::Exit;
use crate::open;
use crate::output::Output;
use crate::render::Bar;
use crate::size::{show_duration, show_size};

/// Copies `found` out of `foreign`: verified there, captured anew, and verified where it then is.
pub fn run(
    args: &CopyArgs,
    foreign: &Foreign,
    found: &Checkpoint,
    begun: Instant,
    output: &Output,
) -> Result<Exit> {
    let namespace = foreign.namespace(found).map_or_else(|| Namespace::new("dotdo"), Namespace::new)?;
    if args.dry_run {
        return plan(args, foreign, found, &namespace, output);
    }
    let findings = foreign.verify(Some(found), false, &mut Checked::default())?;
    refuse_first(findings, "the original does not verify, nothing was copied")?;
    let to = open_target(args)?;
    check_open(to.as_ref(), &namespace)?;
    let committed = capture(foreign, found, namespace, to.as_ref(), output)?;
    let Committed { id, manifest, .. } = &committed;
    let key = ManifestKey { namespace: manifest.namespace.clone(), sequence: manifest.sequence, id: *id };
    require_whole(to.as_ref(), &key, "the copy does not verify", &Bar::new(output.progress))?;
    report(args, to.as_ref(), foreign, found, &committed, elapsed_ms(begun), output)?;
    Ok(Exit::Done)
}

/// Captures what `found` holds, by way of a temporary file.
fn capture(
    foreign: &Foreign,
    found: &Checkpoint,
    namespace: Namespace,
    to: &dyn Store,
    output: &Output,
) -> Result<Committed> {
    let scratch = to.scratch_folder();
    let folder = tempfile::tempdir_in(&scratch)
        .map_err(|error| dotctl_stores::io_error("create a temporary folder in", &scratch, &error))?;
    let path = folder.path().join("content");
    let failed = |error| dotctl_stores::io_error("write", &path, &error);
    let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
    foreign.restore(found, &mut |bytes| file.write_all(bytes).map_err(failed))?;
    file.flush().map_err(failed)?;
    let created_at = match found.created_at_ms.and_then(|unix_ms| i64::try_from(unix_ms).ok()) {
        Some(unix_ms) => Time::from_unix_ms(unix_ms)?,
        None => open::now()?,
    };
    let bar = Bar::new(output.progress);
    let setting = |kind| -> Result<SnapshotSetting> {
        let codec = codec_setting(kind, Codec::Zstd, None)?;
        Ok(SnapshotSetting {
            namespace: namespace.clone(),
            created_at,
            codec,
            chunk_size: ChunkSize::DEFAULT,
            chain: dotctl_engine::checkpoint::ChainPolicy::DEFAULT,
        })
    };
    if is_database(&path)? {
        let setting = setting(CheckpointKind::Image)?;
        return capture_database(to, &path, &setting, &Base::None, &bar).map(|captured| captured.committed);
    }
    match capture_state(to, &path, &setting(CheckpointKind::State)?, &Base::None, &bar) {
        Ok(captured) => Ok(captured.committed),
        Err(error) => Err(error.without_place().at(found.id.clone()).hint(
            "only state entries and databases become checkpoints of ours; `dotctl restore` gives the bytes",
        )),
    }
}

fn plan(
    args: &CopyArgs,
    foreign: &Foreign,
    found: &Checkpoint,
    namespace: &Namespace,
    output: &Output,
) -> Result<Exit> {
    let document = json!({
        "dry_run": true,
        "original": foreign::document(foreign, found),
        "namespace": namespace,
        "store": args.store.store,
        "to_store": args.to_store,
    });
    output.result(&document, || {
        format!("would make a checkpoint of {namespace} out of {} in {}", found.id, args.to_store)
    })?;
    Ok(Exit::Done)
}

fn report(
    args: &CopyArgs,
    to: &dyn Store,
    foreign: &Foreign,
    found: &Checkpoint,
    committed: &Committed,
    duration_ms: u64,
    output: &Output,
) -> Result<()> {
    let document = json!({
        "checkpoint": CheckpointDocument::new(committed.id, &committed.manifest),
        "original": foreign::document(foreign, found),
        "store": args.store.store,
        "to_store": args.to_store,
        "existed": false,
        "new_bytes": committed.new_bytes,
        "new_chunk_count": committed.new_chunk_count,
        "duration_ms": duration_ms,
    });
    tell(to, output);
    output.result(&with_requests(document, to), || {
        format!(
            "{} became {} of {} in {}\n{} new, in {}; both sides verified",
            found.id,
            short_id(committed.id),
            committed.manifest.namespace,
            args.to_store,
            show_size(committed.new_bytes),
            show_duration(duration_ms),
        )
    })
}
