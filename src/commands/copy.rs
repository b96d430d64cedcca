//! `dotctl copy`: a checkpoint into another store.

use std::time::Instant;

use serde_json::json;

use dotctl_engine::Result;
use dotctl_stores::drive::copy;
use dotctl_stores::reference::Seen;
use dotctl_stores::store::{Adopted, Store};

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
    let named = foreign::see_in(&args.store, &args.reference)?;
    if args.to_layout != ToLayout::Dotctl {
        return layout::run(args, named.found()?, begun, output);
    }
    let (from, seen) = match named {
        Named::Native(from, seen) => (from, seen),
        Named::Foreign(foreign, found) => return convert::run(args, &foreign, &found, begun, output),
    };
    if args.dry_run {
        open::refuse_read_only_at(&args.to_store)?;
        return plan(args, &seen, output);
    }
    let to = open_target(args)?;
    let adopted = copy(from.as_ref(), &seen, to.as_ref(), &Bar::new(output.progress))?;
    if seen.document.manifest().is_none() {
        output.warn("the checkpoint is sealed and no key was given: its packs are as they were, what they hold was not looked at");
    }
    report(args, to.as_ref(), &seen, adopted.as_ref(), elapsed_ms(begun), output)?;
    Ok(Exit::Done)
}

/// The store that is copied to.
pub fn open_target(args: &CopyArgs) -> Result<Box<dyn Store>> {
    let overflow = config::overflow(args.to_overflow.as_deref(), args.config.as_deref(), args.placement)?;
    let keys = open::identities(&args.store.key)?;
    let bucket = &args.store.bucket;
    open::store_for_writing(&args.to_store, overflow, bucket, args.object_backend, args.repair, keys)
}

fn plan(args: &CopyArgs, seen: &Seen, output: &Output) -> Result<Exit> {
    let document = json!({
        "dry_run": true,
        "checkpoint": CheckpointDocument::seen(seen),
        "store": args.store.store,
        "to_store": args.to_store,
    });
    output.result(&document, || {
        format!(
            "would copy {} of {} ({} stored) to {}",
            short_id(seen.id()),
            seen.key.namespace,
            show_size(seen.document.stored_bytes()),
            args.to_store
        )
    })?;
    Ok(Exit::Done)
}

fn report(
    args: &CopyArgs,
    to: &dyn Store,
    seen: &Seen,
    adopted: Option<&Adopted>,
    duration_ms: u64,
    output: &Output,
) -> Result<()> {
    let new_bytes = adopted.map_or(0, |adopted| adopted.new_bytes);
    let new_chunk_count = adopted.map_or(Some(0), |adopted| adopted.new_chunk_count);
    let document = json!({
        "checkpoint": CheckpointDocument::seen(seen),
        "store": args.store.store,
        "to_store": args.to_store,
        "existed": adopted.is_none(),
        "new_bytes": new_bytes,
        "new_chunk_count": new_chunk_count,
        "duration_ms": duration_ms,
    });
    tell(to, output);
    output.result(&with_requests(document, to), || {
        let what = if adopted.is_none() { "was there already" } else { "copied" };
        format!(
            "{} of {} {what}: {}\n{} new{}, in {}; both sides verified",
            short_id(seen.id()),
            seen.key.namespace,
            args.to_store,
            show_size(new_bytes),
            new_chunk_count.map_or(String::new(), |count| format!(" in {} new chunks", show_count(count))),
            show_duration(duration_ms),
        )
    })
}
