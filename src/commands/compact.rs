//! `dotctl compact`: a chain of changes as one full checkpoint.

use std::time::Instant;

use serde_json::json;

use dotctl_engine::Result;
use dotctl_engine::chunk::ChunkSize;
use dotctl_stores::drive::{CompactSetting, Compacted, compact};
use dotctl_stores::reference::resolve;

use super::requests::{tell, with_requests};
use super::{CheckpointDocument, elapsed_ms, short_id};
use crate::cli::CompactArgs;
use crate::error::Exit;
use crate::open;
use crate::output::Output;
use crate::render::Bar;
use crate::size::{show_count, show_duration, show_size};

pub fn run(args: &CompactArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    let store = open::store_for_rewriting(&args.store, args.object_backend)?;
    let store = store.as_ref();
    let setting = CompactSetting {
        chunk_size: ChunkSize::new(args.chunk_bytes)?,
        grace: args.grace,
        now: open::now()?,
        dry_run: args.dry_run,
    };
    let found = resolve(store, &args.reference)?;
    let compacted = compact(store, found, &setting, &Bar::new(output.progress))?;
    let manifest = &compacted.found.manifest;
    let replaced: Vec<_> =
        compacted.replaced.iter().map(|old| CheckpointDocument::new(old.id(), &old.manifest)).collect();
    let document = json!({
        "dry_run": args.dry_run,
        "checkpoint": CheckpointDocument::new(compacted.found.id(), manifest),
        "replaced": replaced,
        "new_bytes": compacted.new_bytes,
        "new_chunk_count": compacted.new_chunk_count,
        "removed_pack_count": compacted.pruned.removed_pack_count,
        "removed_bytes": compacted.pruned.removed_bytes,
        "waiting_pack_count": compacted.pruned.waiting_pack_count,
        "waiting_bytes": compacted.pruned.waiting_bytes,
        "duration_ms": elapsed_ms(begun),
    });
    tell(store, output);
    output.result(&with_requests(document, store), || human(&compacted, args.dry_run, elapsed_ms(begun)))?;
    Ok(Exit::Done)
}

fn human(compacted: &Compacted, dry_run: bool, duration_ms: u64) -> String {
    let manifest = &compacted.found.manifest;
    let id = short_id(compacted.found.id());
    let Some(old) = compacted.replaced.first() else {
        return format!("checkpoint {id} of {} is a full one already", manifest.namespace);
    };
    let runs = old.manifest.content_runs().count();
    let freed = show_size(compacted.pruned.removed_bytes);
    if dry_run {
        return format!(
            "would rewrite checkpoint {} of {}, {} in {runs} runs, as one run of {} raw, and free {freed}",
            short_id(old.id()),
            manifest.namespace,
            show_size(old.manifest.stored_bytes()),
            show_size(manifest.raw_bytes),
        );
    }
    let waiting = match compacted.pruned.waiting_pack_count {
        0 => String::new(),
        count => format!(
            "\n{} packs ({}) that no checkpoint names wait for a prune after the grace",
            show_count(count),
            show_size(compacted.pruned.waiting_bytes)
        ),
    };
    format!(
        "checkpoint {id} of {}, was {}\n{runs} runs of {} are one of {}, in {}\n{} new, {freed} freed\ncontent \
         SHA-256 {}{waiting}",
        manifest.namespace,
        short_id(old.id()),
        show_size(old.manifest.stored_bytes()),
        show_size(manifest.stored_bytes()),
        show_duration(duration_ms),
        show_size(compacted.new_bytes),
        manifest.content_sha256,
    )
}
