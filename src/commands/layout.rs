//! `dotctl copy --to-layout`: a checkpoint into a layout that TypeScript reads.

use std::time::Instant;

use serde_json::{Value, json};

use dotctl_engine::checkpoint::StateForm;
use dotctl_engine::dotdo::CONTENT_BYTES_MAX;
use dotctl_engine::format::CheckpointKind;
use dotctl_engine::{Error, ErrorKind, Result};
use dotctl_stores::dotdo::write::{Content, Facts, Layout, too_large};
use dotctl_stores::drive::{RestoreForm, restore};

use super::foreign::{self, Named};
use super::requests::{tell_of, with_requests_of};
use super::{CheckpointDocument, elapsed_ms};
use crate::cli::{CopyArgs, ToLayout};
use crate::error::Exit;
use crate::open;
use crate::output::Output;
use crate::render::Bar;
use crate::size::{show_duration, show_size};

/// Copies `named`: verified as it is read, written, and read back.
pub fn run(args: &CopyArgs, named: Named, begun: Instant, output: &Output) -> Result<Exit> {
    let layout = match args.to_layout {
        ToLayout::Chunked => Layout::Chunked,
        ToLayout::Hybrid => Layout::Hybrid,
        ToLayout::Incremental => Layout::Incremental,
        ToLayout::Manager => Layout::Manager,
        ToLayout::StateSnapshot => Layout::StateSnapshot,
        ToLayout::Dotctl => return Err(Error::unsupported("dotctl's layout is not one of TypeScript's")),
    };
    if args.placement.is_some() || args.config.is_some() {
        return Err(Error::malformed("--placement and --config are for dotctl's own layout")
            .hint("--to-layout hybrid places by the compressed size: below 1 MiB in the object"));
    }
    let facts = facts(layout, &named)?;
    let original = match &named {
        Named::Native(_, found) => json!(CheckpointDocument::new(found.id(), &found.manifest)),
        Named::Foreign(foreign, found) => foreign::document(foreign, found),
    };
    let destination = open::destination(args, layout)?;
    if args.dry_run {
        return plan(args, layout, &facts, original, output);
    }
    let content = Content::spool(&destination.scratch_folder(), layout.is_compressed(), |sink| {
        read(&named, sink, output).map_err(|error| match error.kind() {
            ErrorKind::Corrupt(_) => error.hint("the original does not verify, nothing was copied"),
            _ => error,
        })
    })?;
    // It may lie in the very file that is written to.
    drop(named);
    let (existed, written) = destination.write(layout, &facts, &content, foreign::document)?;
    // A chain that was there is gone on with by its next delta alone.
    let is_delta = written["sequence"].as_u64().is_some_and(|sequence| sequence > 0);
    let stored_bytes = match &written["stored_bytes"] {
        Value::Number(bytes) if is_delta => bytes.as_u64().unwrap_or_default(),
        _ => content.stored_bytes,
    };
    let document = json!({
        "checkpoint": written,
        "original": original,
        "store": args.store.store,
        "to_store": args.to_store,
        "to_layout": layout.name(),
        "existed": existed,
        "raw_bytes": content.raw_bytes,
        "stored_bytes": stored_bytes,
        "content_sha256": content.raw_sha256,
        "duration_ms": elapsed_ms(begun),
    });
    let requests = destination.requests();
    tell_of(requests, output);
    output.result(&with_requests_of(document, requests), || {
        let what = match (existed, is_delta) {
            (true, _) => "was there already",
            (false, true) => "copied, as the next delta of a chain,",
            (false, false) => "copied",
        };
        format!(
            "{} of {} {what} in the layout {}: {}\n{} raw, {} stored, in {}; both sides verified\ncontent SHA-256 {}",
            facts.id,
            facts.namespace,
            layout.name(),
            args.to_store,
            show_size(content.raw_bytes),
            show_size(stored_bytes),
            show_duration(elapsed_ms(begun)),
            content.raw_sha256
        )
    })?;
    Ok(Exit::Done)
}

/// What is written beside the content.
fn facts(layout: Layout, named: &Named) -> Result<Facts> {
    match named {
        Named::Native(_, found) => {
            let manifest = &found.manifest;
            if manifest.kind == CheckpointKind::Rows {
                return Err(Error::unsupported("TypeScript's layouts hold a database or state, not rows")
                    .at(found.id().to_string())
                    .hint("restore it first, and capture that database with --kind image"));
            }
            if manifest.kind == CheckpointKind::Image && layout.is_of_state() {
                return Err(Error::unsupported(format!(
                    "the layout {} holds state entries, and this checkpoint is the image of a database",
                    layout.name()
                ))
                .at(found.id().to_string())
                .hint("--to-layout chunked, hybrid or manager take any bytes"));
            }
            if manifest.raw_bytes > CONTENT_BYTES_MAX {
                return Err(too_large().at(found.id().to_string()));
            }
            Ok(Facts {
                id: found.id().to_string(),
                namespace: manifest.namespace.as_str().to_owned(),
                created_at_ms: u64::try_from(manifest.created_at.unix_ms()).unwrap_or_default(),
                entry_count: (manifest.kind == CheckpointKind::State).then_some(manifest.record_count),
                schema_version: None,
            })
        }
        Named::Foreign(_, found) if layout.is_of_state() => Err(Error::unsupported(format!(
            "the layout {} holds state entries, and nothing says that this checkpoint is made of them",
            layout.name()
        ))
        .at(found.id.clone())
        .hint("copy it into a store of dotctl's first, which reads its entries, and from there")),
        Named::Foreign(foreign, found) => Ok(Facts {
            id: found.id.clone(),
            namespace: foreign.namespace(found).unwrap_or("dotdo").to_owned(),
            created_at_ms: match found.created_at_ms {
                Some(created_at_ms) => created_at_ms,
                None => u64::try_from(open::now()?.unix_ms()).unwrap_or_default(),
            },
            entry_count: None,
            schema_version: found.schema_version,
        }),
    }
}

/// Gives the content to `sink`, every hash checked.
fn read(named: &Named, sink: &mut dyn FnMut(&[u8]) -> Result<()>, output: &Output) -> Result<()> {
    match named {
        Named::Native(store, found) => {
            let form = match found.manifest.kind {
                CheckpointKind::Image => RestoreForm::Database,
                CheckpointKind::State | CheckpointKind::Rows => RestoreForm::State(StateForm::Array),
            };
            let bar = Bar::new(output.progress);
            restore(store.as_ref(), &found.manifest, form, None, sink, None, &bar).map(drop)
        }
        Named::Foreign(foreign, found) => foreign.restore(found, sink).map(drop),
    }
}

fn plan(args: &CopyArgs, layout: Layout, facts: &Facts, original: Value, output: &Output) -> Result<Exit> {
    let document = json!({
        "dry_run": true,
        "original": original,
        "store": args.store.store,
        "to_store": args.to_store,
        "to_layout": layout.name(),
    });
    output.result(&document, || {
        format!(
            "would copy {} of {} to {} in the layout {}",
            facts.id,
            facts.namespace,
            args.to_store,
            layout.name()
        )
    })?;
    Ok(Exit::Done)
}
