//! `dotctl list`: the checkpoints of a store, newest first.

use std::collections::HashMap;

use serde_json::{Value, json};

use dotctl_engine::Result;
use dotctl_engine::format::Manifest;
use dotctl_engine::tag::{Tag, Tagged};
use dotctl_stores::reference::{Seen, see_each};

use super::requests::{tell, with_requests};
use super::{ChainDocument, CheckpointDocument, foreign, short_id, tags_of};
use crate::cli::ListArgs;
use crate::error::Exit;
use crate::open;
use crate::output::Output;
use crate::render::{Align, shorten, table};
use crate::size::show_size;

pub fn run(args: &ListArgs, output: &Output) -> Result<Exit> {
    let mut stores = open::stores(&args.store)?;
    if let Some(warning) = &stores.warning {
        output.warn(warning);
    }
    let mut found: Vec<Seen> = Vec::new();
    let mut tags = Vec::new();
    if let Some(store) = &stores.native {
        let mut keys = store.manifests()?.keys;
        if keys.is_empty() && stores.foreign.is_none() {
            stores.foreign = open::foreign_in_bucket(&args.store)?;
        }
        keys.retain(|key| args.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace));
        for checkpoint in see_each(store.as_ref(), &keys) {
            match checkpoint.and_then(|seen| seen.opened(store.as_ref())) {
                Ok(checkpoint) => found.push(checkpoint),
                Err(error) => output.warn(&format!("{error}; `dotctl verify` tells more")),
            }
        }
        if !found.is_empty() {
            tags = store.tags()?;
        }
    }
    newest_first(&mut found);
    let mut documents: Vec<Value> = Vec::new();
    for found in &found {
        let document = serde_json::to_value(CheckpointDocument::seen(found).tagged(&tags));
        documents.push(document.unwrap_or_default());
    }
    let mut text = String::new();
    if let Some(foreign) = &stores.foreign {
        let listed = foreign::list(foreign, args.namespace.as_ref(), output);
        documents.extend(listed.iter().map(|found| foreign::document(foreign, found)));
        if !listed.is_empty() || stores.native.is_none() {
            text = foreign::table_of(foreign, &listed);
        }
    }
    let mut document = json!({ "checkpoints": documents });
    if let Some(store) = &stores.native {
        tell(store.as_ref(), output);
        document = with_requests(document, store.as_ref());
    }
    output.result(&document, || match found.is_empty() && !text.is_empty() {
        true => text,
        false => human(&found, &tags) + &text,
    })?;
    Ok(Exit::Done)
}

/// By the clock across namespaces, by sequence within one: a clock that was set back puts no
/// checkpoint before an earlier one.
fn newest_first(found: &mut [Seen]) {
    let mut latest = HashMap::new();
    let mut order = HashMap::new();
    // Listed by namespace and sequence.
    for checkpoint in found.iter() {
        let created_at = checkpoint.document.created_at();
        let moment = latest.entry(&checkpoint.key.namespace).or_insert(created_at);
        *moment = (*moment).max(created_at);
        order.insert(checkpoint.id(), (*moment, checkpoint.key.sequence));
    }
    found
        .sort_by_key(|checkpoint| std::cmp::Reverse((order.get(&checkpoint.id()).copied(), checkpoint.id())));
}

fn human(found: &[Seen], tags: &[Tagged]) -> String {
    if found.is_empty() {
        return "no checkpoints yet; `dotctl snapshot SOURCE` makes one".to_owned();
    }
    let has_chains = found.iter().any(|found| found.document.manifest().is_some_and(Manifest::is_chain));
    let mut columns = vec![
        ("ID", Align::Left),
        ("CREATED", Align::Left),
        // A left column is never narrower than 8.
        ("KIND", if has_chains { Align::Right } else { Align::Left }),
        ("RAW", Align::Right),
        ("STORED", Align::Right),
    ];
    if has_chains {
        columns.push(("CHANGES", Align::Right));
    }
    columns.push(("NAMESPACE", Align::Left));
    let has_tags = found.iter().any(|found| !tags_of(tags, found.id()).is_empty());
    if has_tags {
        columns.push(("TAGS", Align::Left));
    }
    let rows = found.iter().map(|found| {
        let manifest = found.document.manifest();
        // Sealed, and there is no key.
        let unknown = || "-".to_owned();
        let mut row = vec![
            short_id(found.id()),
            show_moment(&found.document.created_at().to_string()),
            manifest.map_or_else(unknown, |manifest| manifest.kind.name().to_owned()),
            manifest.map_or_else(unknown, |manifest| show_size(manifest.raw_bytes)),
            show_size(found.document.stored_bytes()),
        ];
        if has_chains {
            let chain = manifest.and_then(ChainDocument::of);
            row.push(match chain {
                Some(chain) => format!("{} in {}", show_size(chain.delta_bytes), chain.delta_run_count),
                None => String::new(),
            });
        }
        row.push(shorten(found.key.namespace.as_str(), 14));
        if has_tags {
            let tags = tags_of(tags, found.id());
            row.push(tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(", "));
        }
        row
    });
    table(&columns, rows)
}

/// `2026-11-21T12:34:56.789Z` without what a table has no room for.
pub(super) fn show_moment(rfc3339: &str) -> String {
    rfc3339.chars().take(16).map(|letter| if letter == 'T' { ' ' } else { letter }).collect()
}
