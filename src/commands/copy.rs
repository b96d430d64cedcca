//! `dotctl copy`: a checkpoint into another store.

use std::time::Instant;

use serde_json::json;

use dotctl_engine::Result;
use dotctl_stores::drive::copy;
use dotctl_stores::reference::Found;
use dotctl_stores::store::{Committed, Store};

use super::foreign::{self, Named};
use super::requests::{tell, with_requests};
use super::{CheckpointDocument, convert, elapsed_ms, layout, short_id};
use crate::cli::{CopyArgs, ToLayout};
use crate::config;
use crate::error::Exit;
use crate::open;
use crate::output::Output;
use crate::render::Bar;
use crate::size::{show_count, show_duration, show_size};

pub fn run(args: &CopyArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    let named = foreign::resolve_in(&args.store, &args.reference)?;
    if args.to_layout != ToLayout::Dotctl {
        return layout::run(args, named, begun, output);
    }
    let (from, found) = match named {
        Named::Native(from, found) => (from, found),
        Named::Foreign(foreign, found) => return convert::run(args, &foreign, &found, begun, output),
    };
    if args.dry_run {
        return plan(args, &found, output);
    }
    let to = open_target(args)?;
    let committed = copy(from.as_ref(), &found, to.as_ref(), &Bar::new(output.progress))?;
    report(args, to.as_ref(), &found, committed.as_ref(), elapsed_ms(begun), output)?;
    Ok(Exit::Done)
}

/// The store that is copied to.
pub fn open_target(args: &CopyArgs) -> Result<Box<dyn Store>> {
    let overflow = config::overflow(args.to_overflow.as_deref(), args.config.as_deref(), args.placement)?;
    open::store_for_writing(&args.to_store, overflow, &args.store.bucket, args.object_backend, args.repair)
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
    to: &dyn Store,
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
    tell(to, output);
    output.result(&with_requests(document, to), || {
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
