//! Live objects as source, target and what is inspected: by the door that their worker opens.

use std::time::Instant;

use serde::Serialize;
use serde_json::json;

use dotctl_engine::checkpoint::ChainPolicy;
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::codec::CodecSetting;
use dotctl_engine::format::CheckpointKind;
use dotctl_engine::id::Time;
use dotctl_engine::rows::ObjectReport;
use dotctl_engine::{Error, Result};
use dotctl_stores::base::Base;
use dotctl_stores::door::{DoorAddress, LiveObject};
use dotctl_stores::drive::{SnapshotSetting, inspect_rows};
use dotctl_stores::reference::{Found, read, resolve};
use dotctl_stores::source::{Captured, capture_stored};
use dotctl_stores::store::Store;

use super::foreign::{self, Named};
use super::requests::{tell, with_requests};
use super::restore::tell_plan;
use super::{CheckpointDocument, elapsed_ms, short_id};
use crate::cli::{InspectArgs, Kind, RestoreArgs, SnapshotArgs};
use crate::error::Exit;
use crate::open;
use crate::output::Output;
use crate::render::live::Live;
use crate::render::{self, Bar};
use crate::size::{show_count, show_duration, show_size};

/// A live object that is to be captured.
pub struct Capture<'a> {
    args: &'a SnapshotArgs,
    address: &'a DoorAddress,
}

impl<'a> Capture<'a> {
    /// Of the object at `address`. Nothing is asked of it yet.
    pub fn of(args: &'a SnapshotArgs, address: &'a DoorAddress) -> Result<Self> {
        match args.kind {
            None | Some(Kind::Rows) => Ok(Capture { args, address }),
            Some(Kind::Image) => Err(Error::unsupported("nobody can read the pages of a live object")
                .at(address.as_str())
                .hint("leave out --kind: its rows are captured")),
        }
    }

    /// Says what would be done.
    pub fn plan(&self, output: &Output) -> Result<Exit> {
        let document = json!({
            "dry_run": true,
            "store": self.args.store.store,
            "checkpoints": [{
                "namespace": self.args.namespace,
                "source": self.address.as_str(),
                "kind": CheckpointKind::Rows,
            }],
        });
        output.result(&document, || {
            let namespace = self.args.namespace.as_ref().map_or("its own namespace", |given| given.as_str());
            format!(
                "would have the live object {} make a checkpoint of its rows, and capture that as {namespace}\ninto the \
                 store {}",
                self.address.as_str(),
                self.args.store.store
            )
        })?;
        Ok(Exit::Done)
    }

    /// Has the object make a checkpoint, and captures its rows.
    pub fn capture(
        &self,
        store: &dyn Store,
        codec: CodecSetting,
        chunk_size: ChunkSize,
        chain: ChainPolicy,
        base: &Base,
        output: &Output,
    ) -> Result<Captured> {
        let object = open(self.address)?;
        output.explain(|| format!("{} makes a checkpoint", self.address.as_str()));
        let found = read(&object, object.checkpoint()?)?;
        require_rows(&found, &object)?;
        let manifest = &found.manifest;
        let setting = SnapshotSetting {
            namespace: self.args.namespace.clone().unwrap_or_else(|| manifest.namespace.clone()),
            // The moment that the object's checkpoint shows.
            created_at: manifest.created_at,
            codec,
            chunk_size,
            chain,
        };
        output.explain(|| {
            format!(
                "capturing {} of {} as {}",
                short_id(found.id()),
                self.address.as_str(),
                setting.namespace
            )
        });
        capture_stored(store, &object, manifest, &setting, base, &Bar::new(output.progress))
    }
}

fn open(address: &DoorAddress) -> Result<LiveObject> {
    let none = || Error::malformed("this is no live object").at(address.as_str());
    open::live_object(address.as_str())?.ok_or_else(none)
}

fn require_rows(found: &Found, object: &LiveObject) -> Result<()> {
    match found.manifest.kind {
        CheckpointKind::Rows => Ok(()),
        kind => Err(Error::unsupported(format!(
            "checkpoint {} is of the kind {}, not of rows",
            short_id(found.id()),
            kind.name()
        ))
        .at(object.location())),
    }
}

/// Puts a checkpoint in the place of a live object's state.
pub fn restore(args: &RestoreArgs, begun: Instant, output: &Output) -> Result<Exit> {
    let wrong = |what: &str| Err(Error::unsupported(what));
    if args.form.is_some() {
        return wrong("a live object takes rows as they are: leave out --as");
    }
    if args.key_prefix.is_some() {
        return wrong("a live object takes the whole state: leave out --key-prefix");
    }
    let (store, found) = match foreign::resolve_in(&args.store, &args.reference)? {
        Named::Native(store, found) => (store, found),
        Named::Foreign(_, found) => {
            return Err(Error::unsupported(
                "a checkpoint that TypeScript wrote cannot be put into a live object",
            )
            .at(found.id)
            .hint("`dotctl restore --to FILE` writes it as a file"));
        }
    };
    let object = open::live_object_at(&args.to)?.ok_or_else(|| Error::malformed("this is no live object"))?;
    let to = args.to.display().to_string();
    if args.dry_run {
        let exists = object.state()?.has_rows;
        return tell_plan(args, &found, &to, &format!("into the live object {to}"), exists, output);
    }
    let bar = Bar::new(output.progress);
    let uploaded = object.restore(store.as_ref(), &found.manifest, args.force, &bar)?;
    let duration_ms = elapsed_ms(begun);
    let document = json!({
        "checkpoint": found.id(),
        "to": to,
        "record_count": uploaded.record_count,
        "raw_bytes": uploaded.raw_bytes,
        "sha256": uploaded.content_sha256,
        "duration_ms": duration_ms,
    });
    tell(store.as_ref(), output);
    output.result(&with_requests(document, store.as_ref()), || {
        format!(
            "restored {} of {} into the live object {to}\n{} rows and definitions, {} in {}, read back by the object\n\
             content SHA-256 {}",
            short_id(found.id()),
            found.manifest.namespace,
            show_count(uploaded.record_count),
            show_size(uploaded.raw_bytes),
            show_duration(duration_ms),
            uploaded.content_sha256
        )
    })?;
    Ok(Exit::Done)
}

/// A report with how large the object is now.
#[derive(Serialize)]
struct Inspected<'a> {
    target: &'a str,
    kind: &'static str,
    database_bytes: u64,
    checkpoint: CheckpointDocument<'a>,
    checkpoint_count: usize,
    #[serde(flatten)]
    report: &'a ObjectReport,
    duration_ms: u64,
}

/// What a live object holds, as its newest checkpoint shows it. One that has none makes one.
pub fn inspect(
    args: &InspectArgs,
    object: LiveObject,
    now: Time,
    begun: Instant,
    output: &Output,
) -> Result<Exit> {
    let mut checkpoint_count = object.manifests()?.keys.len();
    if checkpoint_count == 0 {
        object.checkpoint()?;
        output.warn("the object had no checkpoint to be inspected by, and has made one");
        checkpoint_count = 1;
    }
    let database_bytes = object.state()?.database_bytes;
    let store = open::with_identities(Box::new(object), &args.key)?;
    let found = resolve(store.as_ref(), "latest")?;
    if found.manifest.kind != CheckpointKind::Rows {
        return Err(Error::unsupported("its newest checkpoint is not of rows")
            .at(store.location())
            .hint("`dotctl show latest --store` with its address tells what it is"));
    }
    let bar = Bar::new(output.progress);
    let report = inspect_rows(store.as_ref(), &found.manifest, now.unix_ms(), Some(database_bytes), &bar)?;
    let target = args.target.display().to_string();
    let document = Inspected {
        target: &target,
        kind: "live-object",
        database_bytes,
        checkpoint: CheckpointDocument::new(found.id(), &found.manifest),
        checkpoint_count,
        report: &report,
        duration_ms: elapsed_ms(begun),
    };
    output.result(&document, || {
        let live = Live {
            target: &target,
            database_bytes,
            checkpoint_count,
            id: &short_id(found.id()),
            manifest: &found.manifest,
        };
        render::live::show(&live, &report, output.look)
    })?;
    Ok(Exit::Done)
}
