//! `dotctl show`: what a manifest says.

use serde_json::json;

use dotctl_engine::format::{Manifest, Place};
use dotctl_engine::tag::Tag;
use dotctl_engine::{Error, Result};

use super::CheckpointDocument;
use super::foreign::{self, Named};
use crate::cli::ShowArgs;
use crate::error::Exit;
use crate::output::Output;
use crate::render::facts;
use crate::size::{show_count, show_size};

pub fn run(args: &ShowArgs, output: &Output) -> Result<Exit> {
    let (store, found) = match foreign::resolve_in(&args.store, &args.reference)? {
        Named::Native(store, found) => (store, found),
        Named::Foreign(_, found) if args.packs => {
            return Err(Error::unsupported("a checkpoint in this layout has no packs").at(found.id));
        }
        Named::Foreign(foreign, found) => {
            output.result(&foreign::document(&foreign, &found), || foreign::facts_of(&foreign, &found))?;
            return Ok(Exit::Done);
        }
    };
    let manifest = &found.manifest;
    let locations: Vec<String> =
        manifest.content_packs().map(|pack| store.pack_location(&pack.sha256)).collect();
    if args.packs {
        if manifest.is_chain() {
            output
                .warn("its changes lie over a full run: docs/FORMAT.md, section 12, says how to merge them");
        }
        output.result(&json!({ "checkpoint": found.id(), "packs": locations }), || locations.join("\n"))?;
        return Ok(Exit::Done);
    }
    let document = CheckpointDocument::new(found.id(), manifest).tagged(&store.tags()?);
    output.result(&document, || {
        let mut lines = vec![
            ("id", found.id().to_string()),
            ("namespace", manifest.namespace.to_string()),
            ("sequence", manifest.sequence.to_string()),
            ("kind", manifest.kind.name().to_owned()),
            ("created", manifest.created_at.to_string()),
            ("base", manifest.base.map_or("none, a full checkpoint".to_owned(), |base| base.to_string())),
            ("records", show_count(manifest.record_count)),
            ("raw", with_bytes(manifest.raw_bytes)),
            ("stored", with_bytes(manifest.stored_bytes())),
            ("packs lie", place(manifest).to_owned()),
            ("codec", document.codec.map_or("", |codec| codec.name()).to_owned()),
            ("chunks", format!("{} in {} packs", show_count(document.chunk_count), document.pack_count)),
            ("content SHA-256", manifest.content_sha256.to_string()),
        ];
        let tags: Vec<_> = document.tags.iter().flatten().map(Tag::as_str).collect();
        if !tags.is_empty() {
            lines.push(("tags", tags.join(", ")));
        }
        if let Some(chain) = &document.chain {
            lines.push(("full run", with_bytes(chain.full_bytes)));
            let runs = if chain.delta_run_count == 1 { "run" } else { "runs" };
            lines.push((
                "changes",
                format!("{} in {} {runs}", with_bytes(chain.delta_bytes), chain.delta_run_count),
            ));
            lines.push(("restore reads", with_bytes(chain.restore_bytes)));
        }
        if let Some(bytes) = document.directory_bytes {
            lines.push(("directory", with_bytes(bytes)));
        }
        if let Some(page_bytes) = manifest.page_bytes {
            lines.push(("page", format!("{page_bytes} bytes")));
        }
        facts(&lines)
    })?;
    Ok(Exit::Done)
}

fn place(manifest: &Manifest) -> &'static str {
    match manifest.runs.first().and_then(|run| run.place) {
        Some(Place::Overflow) => "in the second store (--overflow)",
        None => "beside the manifest",
    }
}

fn with_bytes(bytes: u64) -> String {
    format!("{} ({} bytes)", show_size(bytes), show_count(bytes))
}
