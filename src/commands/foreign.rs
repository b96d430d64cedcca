//! Checkpoints that TypeScript wrote, as the commands show and restore them.

use std::time::Instant;

use serde_json::{Value, json};

use dotctl_engine::dotdo::{Body, Checkpoint, Restored};
use dotctl_engine::id::{Namespace, Time};
use dotctl_engine::{Error, ErrorKind, Result};
use dotctl_stores::dotdo::Foreign;
use dotctl_stores::reference::{Found, Seen, find_key, see};
use dotctl_stores::store::Store;
use dotctl_stores::target::Target;

use super::elapsed_ms;
use super::list::show_moment;
use super::restore::consequence;
use crate::cli::{RestoreArgs, StoreArgs};
use crate::error::Exit;
use crate::open::{self, Stores};
use crate::output::{Output, print};
use crate::render::{Align, facts, shorten, table};
use crate::size::{show_count, show_duration, show_size};

/// Bytes that are gathered before they are written: a delta's result comes in small pieces.
const WRITE_BYTES: usize = 256 << 10;

/// The checkpoint that `reference` names among those of `foreign`.
pub fn find<'f>(
    foreign: Option<&'f Foreign>,
    reference: &str,
) -> Result<Option<(&'f Foreign, &'f Checkpoint)>> {
    let Some(foreign) = foreign else {
        return Ok(None);
    };
    Ok(foreign.catalogue().find(reference)?.map(|found| (foreign, found)))
}

/// A checkpoint of either kind, and where it is.
pub enum Named<Native = Found> {
    /// One of ours.
    Native(Box<dyn Store>, Native),
    /// One that TypeScript wrote.
    Foreign(Box<Foreign>, Box<Checkpoint>),
}

impl Named<Seen> {
    /// The same with its manifest.
    ///
    /// # Errors
    /// Sealed where no key is at hand that opens it.
    pub fn found(self) -> Result<Named> {
        Ok(match self {
            Named::Native(store, seen) => {
                let found = seen.found(store.as_ref())?;
                Named::Native(store, found)
            }
            Named::Foreign(foreign, found) => Named::Foreign(foreign, found),
        })
    }
}

/// The checkpoint that `reference` names in the store of `args`, with its manifest.
pub fn resolve_in(args: &StoreArgs, reference: &str) -> Result<Named> {
    see_in(args, reference)?.found()
}

/// The checkpoint that `reference` names in the store of `args`, opened if it is sealed and can be.
pub fn see_in(args: &StoreArgs, reference: &str) -> Result<Named<Seen>> {
    let Stores { native, foreign, .. } = open::stores(args)?;
    let no_foreign = foreign.is_none();
    if let Some(foreign) = foreign
        && let Some(found) = foreign.catalogue().find(reference)?.cloned()
    {
        return Ok(Named::Foreign(Box::new(foreign), Box::new(found)));
    }
    let store = native.ok_or_else(|| missing(reference))?;
    let seen = find_key(store.as_ref(), reference).and_then(|key| see(store.as_ref(), key));
    let error = match seen.and_then(|seen| seen.opened(store.as_ref())) {
        Ok(seen) => return Ok(Named::Native(store, seen)),
        Err(error) => error,
    };
    if !matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Missing) {
        return Err(error);
    }
    // Where TypeScript may have written too, an id may look like anything.
    if !no_foreign {
        return Err(missing(reference));
    }
    if let Some(foreign) = open::foreign_in_bucket(args)?
        && let Some(found) = foreign.catalogue().find(reference)?.cloned()
    {
        return Ok(Named::Foreign(Box::new(foreign), Box::new(found)));
    }
    Err(error)
}

/// There is no such checkpoint.
pub fn missing(reference: &str) -> Error {
    Error::new(ErrorKind::Missing, format!("there is no checkpoint {reference} in this store"))
        .hint("`dotctl list` shows the checkpoints there are, by their ids")
}

/// Those of `namespace`, newest first; those without a time come last.
pub fn list<'f>(foreign: &'f Foreign, namespace: Option<&Namespace>, output: &Output) -> Vec<&'f Checkpoint> {
    let catalogue = foreign.catalogue();
    for finding in &catalogue.broken {
        output.warn(&format!("{}: {}; `dotctl verify` tells more", finding.target, finding.error));
    }
    if !catalogue.stray_chunks.is_empty() {
        let count = catalogue.stray_chunks.len();
        output.warn(&format!("{count} chunks belong to no checkpoint; `dotctl verify` tells more"));
    }
    let mut listed: Vec<_> = catalogue
        .checkpoints
        .iter()
        .filter(|found| namespace.is_none_or(|wanted| foreign.namespace(found) == Some(wanted.as_str())))
        .collect();
    listed.sort_by_key(|found| std::cmp::Reverse(found.created_at_ms));
    listed
}

fn created_at(found: &Checkpoint) -> Option<Time> {
    let unix_ms = i64::try_from(found.created_at_ms?).ok()?;
    Time::from_unix_ms(unix_ms).ok()
}

/// Where a checkpoint's bytes lie: `object` or `bucket`.
fn location(found: &Checkpoint) -> &'static str {
    let in_bucket = match &found.body {
        Body::Hybrid(manifest) => manifest.in_bucket,
        Body::Bare { in_bucket } => *in_bucket,
        Body::BucketSnapshot(_) => true,
        Body::Chunked(_) | Body::Incremental | Body::Manager(_) | Body::Snapshot => false,
    };
    if in_bucket { "bucket" } else { "object" }
}

/// A checkpoint as JSON.
pub fn document(foreign: &Foreign, found: &Checkpoint) -> Value {
    json!({
        "id": found.id,
        "layout": "dotdo",
        "form": found.form.name(),
        "namespace": foreign.namespace(found),
        "sequence": found.sequence,
        "created_at": created_at(found),
        "base": found.base,
        "snapshot": found.snapshot,
        "stored_bytes": found.stored_bytes,
        "chunk_count": found.chunk_count,
        "checksum": found.checksum,
        "schema_version": found.schema_version,
        "location": location(found),
        "key": found.key,
    })
}

/// An id as far as it tells checkpoints apart: one of ours has 64 digits, and a chain's base a word more.
fn shown_id(id: &str) -> String {
    match id.split_at_checked(64) {
        Some((digits, rest)) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            let ellipsis = if rest.is_empty() { "" } else { "…" };
            format!("{}{ellipsis}{rest}", digits.get(..12).unwrap_or(digits))
        }
        _ => id.to_owned(),
    }
}

/// Checkpoints for people: wider than 80 columns where ids are long, which are to be copied.
pub fn table_of(foreign: &Foreign, listed: &[&Checkpoint]) -> String {
    if listed.is_empty() {
        return "no checkpoints in this store\n".to_owned();
    }
    let columns = [
        ("ID", Align::Whole),
        ("CREATED", Align::Whole),
        ("FORM", Align::Whole),
        ("CHUNKS", Align::Right),
        ("STORED", Align::Right),
        ("NAMESPACE", Align::Whole),
    ];
    let rows = listed.iter().map(|found| {
        vec![
            shown_id(&found.id),
            created_at(found).map_or("unknown".to_owned(), |time| show_moment(&time.to_string())),
            found.form.name().to_owned(),
            found.chunk_count.map_or(String::new(), show_count),
            found.stored_bytes.map_or(String::new(), show_size),
            shorten(foreign.namespace(found).unwrap_or("unknown"), 14),
        ]
    });
    table(&columns, rows)
}

/// One checkpoint for people.
pub fn facts_of(foreign: &Foreign, found: &Checkpoint) -> String {
    let mut lines = vec![("id", found.id.clone()), ("form", found.form.name().to_owned())];
    let mut add = |name, value: Option<String>| lines.extend(value.map(|value| (name, value)));
    add("namespace", foreign.namespace(found).map(str::to_owned));
    add("created", created_at(found).map(|time| time.to_string()));
    add("base", found.base.clone());
    add("sequence", found.sequence.map(|sequence| sequence.to_string()));
    add("snapshot", found.snapshot.clone());
    add(
        "stored",
        found.stored_bytes.map(|bytes| format!("{} ({} bytes)", show_size(bytes), show_count(bytes))),
    );
    add("chunks", found.chunk_count.map(show_count));
    add("checksum", found.checksum.clone());
    add("schema version", found.schema_version.map(|version| version.to_string()));
    add("location", Some(location(found).to_owned()));
    add("key", Some(found.key.clone()));
    facts(&lines)
}

/// Restores one: exactly the bytes that were compressed.
pub fn restore(
    args: &RestoreArgs,
    foreign: &Foreign,
    found: &Checkpoint,
    begun: Instant,
    output: &Output,
) -> Result<Exit> {
    if args.form.is_some() {
        return Err(Error::unsupported("a checkpoint in this layout comes back byte for byte as it was")
            .at(found.id.clone())
            .hint("leave out --as"));
    }
    let to = args.to.display().to_string();
    if args.dry_run {
        return plan(args, foreign, found, &to, output);
    }
    if to == "-" {
        foreign.restore(found, &mut |bytes| print(bytes)).map_err(|error| {
            error.hint("what was written to stdout so far is not to be trusted; run `dotctl verify`")
        })?;
        return Ok(Exit::Done);
    }
    // How much comes out of compressed bytes is not known before.
    let target = Target::begin(&args.to, 0, args.force)?;
    let mut gathered = Gathered { target: &target, bytes: Vec::new(), offset: 0 };
    let restored = foreign
        .restore(found, &mut |bytes| gathered.take(bytes))
        .map_err(|error| super::restore::refuse(error, &to))?;
    gathered.flush()?;
    target.publish()?;
    report(found, &to, &restored, elapsed_ms(begun), output)?;
    Ok(Exit::Done)
}

/// Small pieces on their way to a file.
struct Gathered<'t> {
    target: &'t Target,
    bytes: Vec<u8>,
    offset: u64,
}

impl Gathered<'_> {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.target.write_at(self.offset, &self.bytes)?;
        self.offset += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }
}

fn plan(
    args: &RestoreArgs,
    foreign: &Foreign,
    found: &Checkpoint,
    to: &str,
    output: &Output,
) -> Result<Exit> {
    let exists = args.to.symlink_metadata().is_ok();
    let document = json!({
        "dry_run": true,
        "checkpoint": found.id,
        "to": to,
        "stored_bytes": found.stored_bytes,
        "target_exists": exists,
    });
    output.result(&document, || {
        let consequence = consequence(exists, args.force);
        let namespace = foreign.namespace(found).unwrap_or("an unknown namespace");
        format!("would restore {} of {namespace} to {to}{consequence}", found.id)
    })?;
    Ok(Exit::Done)
}

fn report(
    found: &Checkpoint,
    to: &str,
    restored: &Restored,
    duration_ms: u64,
    output: &Output,
) -> Result<()> {
    let document = json!({
        "checkpoint": found.id,
        "to": to,
        "raw_bytes": restored.raw_bytes,
        "sha256": restored.sha256,
        "checksum_covers": restored.covers.name(),
        "duration_ms": duration_ms,
    });
    output.result(&document, || {
        let checked = match restored.covers.name() {
            Some(covers) => format!("its checksum (of the {covers}) is right"),
            None => "it has no checksum".to_owned(),
        };
        format!(
            "restored {} to {to}\n{} in {}, {checked}\nSHA-256 {}",
            found.id,
            show_size(restored.raw_bytes),
            show_duration(duration_ms),
            restored.sha256
        )
    })
}
