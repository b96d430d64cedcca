//! `dotctl show`: what a manifest says.

use serde_json::json;

use dotctl_engine::format::{Manifest, Place};
use dotctl_engine::id::Hash;
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
    let (store, seen) = match foreign::see_in(&args.store, &args.reference)? {
        Named::Native(store, seen) => (store, seen),
        Named::Foreign(_, found) if args.packs => {
            return Err(Error::unsupported("a checkpoint in this layout has no packs").at(found.id));
        }
        Named::Foreign(foreign, found) => {
            output.result(&foreign::document(&foreign, &found), || foreign::facts_of(&foreign, &found))?;
            return Ok(Exit::Done);
        }
    };
    let manifest = seen.document.manifest();
    if args.packs {
        let packs: Vec<Hash> = match manifest {
            Some(manifest) => manifest.content_packs().map(|pack| pack.sha256).collect(),
            None => seen.document.packs().iter().map(|pack| pack.sha256).collect(),
        };
        let locations: Vec<String> = packs.iter().map(|pack| store.pack_location(pack)).collect();
        if seen.document.is_sealed() {
            output.warn("its packs are sealed: `age -d` opens each; docs/FORMAT.md, section 15, says how");
        }
        if manifest.is_some_and(Manifest::is_chain) {
            output
                .warn("its changes lie over a full run: docs/FORMAT.md, section 12, says how to merge them");
        }
        output.result(&json!({ "checkpoint": seen.id(), "packs": locations }), || locations.join("\n"))?;
        return Ok(Exit::Done);
    }
    let document = CheckpointDocument::seen(&seen).tagged(&store.tags()?);
    output.result(&document, || {
        // Sealed, and there is no key.
        let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let base = |manifest: &Manifest| {
            manifest.base.map_or("none, a full checkpoint".to_owned(), |base| base.to_string())
        };
        let chunks = |manifest: &Manifest| {
            let packs = manifest.content_packs().count();
            format!("{} in {packs} packs", show_count(manifest.chunk_count()))
        };
        let mut lines = vec![
            ("id", seen.id().to_string()),
            ("namespace", seen.key.namespace.to_string()),
            ("sequence", seen.key.sequence.to_string()),
            ("kind", known(manifest.map(|manifest| manifest.kind.name().to_owned()))),
            ("created", seen.document.created_at().to_string()),
            ("base", known(manifest.map(base))),
            ("records", known(manifest.map(|manifest| show_count(manifest.record_count)))),
            ("raw", known(manifest.map(|manifest| with_bytes(manifest.raw_bytes)))),
            ("stored", with_bytes(seen.document.stored_bytes())),
            ("packs lie", place(seen.document.place()).to_owned()),
            ("codec", known(document.codec.map(|codec| codec.name().to_owned()))),
            ("chunks", known(manifest.map(chunks))),
            ("content SHA-256", known(manifest.map(|manifest| manifest.content_sha256.to_string()))),
        ];
        if seen.document.is_sealed() {
            let sealed = match manifest {
                Some(_) => "yes, and opened with your key",
                None => "yes: who has the key sees more, with --identity FILE",
            };
            lines.push(("sealed", sealed.to_owned()));
        }
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
        if let Some(page_bytes) = document.page_bytes {
            lines.push(("page", format!("{page_bytes} bytes")));
        }
        facts(&lines)
    })?;
    Ok(Exit::Done)
}

fn place(place: Option<Place>) -> &'static str {
    match place {
        Some(Place::Overflow) => "in the second store (--overflow)",
        None => "beside the manifest",
    }
}

fn with_bytes(bytes: u64) -> String {
    format!("{} ({} bytes)", show_size(bytes), show_count(bytes))
}
