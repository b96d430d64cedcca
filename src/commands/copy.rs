//! `dotctl copy`: a checkpoint into another store.

use std::time::Instant;

use serde_json::json;

use dotctl_engine::Result;
use dotctl_stores::drive::copy;
use dotctl_stores::reference::Found;
use dotctl_stores::store::Committed;

use super::foreign::{self, Named};
use super::{CheckpointDocument, convert, elapsed_ms, short_id};
use crate::cli::CopyArgs;
use crate::error::Exit;
use crate::open;
use crate::output::Output;
use crate::render::Bar;
use crate::size::{show_count, show_duration, show_size};

pub fn run(args: &CopyArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    let (from, found) = match foreign::resolve_in(&args.store, &args.reference)? {
        Named::Native(from, found) => (from, found),
        Named::Foreign(foreign, found) => return convert::run(args, &foreign, &found, begun, output),
    };
    if args.dry_run {
        return plan(args, &found, output);
    }
    let to = open::store_for_writing(&args.to_store, None, &args.store.bucket, args.object_backend)?;
    let committed = copy(from.as_ref(), &found, to.as_ref(), &Bar::new(output.progress))?;
    report(args, &found, committed.as_ref(), elapsed_ms(begun), output)?;
    Ok(Exit::Done)
}

fn plan(args: &CopyArgs, found: &Found, output: &Output) -> Result<Exit> {
    let document = json!({
        "dry_run": true,
        "checkpoint": CheckpointDocument::new(found.id(), &found.manifest),
        "store": args.store.store,
        "to_store": args.to_store,
    });
    output.result(&document, || {
        format!(
            "would copy {} of {} ({} stored) to {}",
            short_id(found.id()),
            found.manifest.namespace,
            show_size(found.manifest.stored_bytes()),
            args.to_store
        )
    })?;
    Ok(Exit::Done)
}

fn report(
    args: &CopyArgs,
    found: &Found,
    committed: Option<&Committed>,
    duration_ms: u64,
    output: &Output,
) -> Result<()> {
    let new_bytes = committed.map_or(0, |committed| committed.new_bytes);
    let new_chunk_count = committed.map_or(0, |committed| committed.new_chunk_count);
    let document = json!({
        "checkpoint": CheckpointDocument::new(found.id(), &found.manifest),
        "store": args.store.store,
        "to_store": args.to_store,
        "existed": committed.is_none(),
        "new_bytes": new_bytes,
        "new_chunk_count": new_chunk_count,
        "duration_ms": duration_ms,
    });
    output.result(&document, || {
        let what = if committed.is_none() { "was there already" } else { "copied" };
        format!(
            "{} of {} {what}: {}\n{} new in {} new chunks, in {}; both sides verified",
            short_id(found.id()),
            found.manifest.namespace,
            args.to_store,
            show_size(new_bytes),
            show_count(new_chunk_count),
            show_duration(duration_ms),
        )
    })
}
