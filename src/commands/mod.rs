//! One verb a file: read the words, call the engine, render.

mod budget;
mod compact;
mod completions;
mod convert;
mod copy;
mod diff;
mod estimate;
mod foreign;
mod get;
mod inspect;
mod layout;
mod list;
mod live;
mod man;
mod plan;
mod prune;
mod replay;
mod requests;
mod restore;
mod sample;
mod show;
mod sink;
mod snapshot;
mod tag;
mod verify;

pub use budget::{BudgetReport, Growths, ObjectReport};
pub use estimate::{BudgetDocument, CodecCost};
pub use plan::{PlanReport, TraceSection};

use serde::Serialize;

use dotctl_engine::codec::Codec;
use dotctl_engine::format::{CheckpointKind, Document, Manifest, Place, Run};
use dotctl_engine::id::{CheckpointId, Hash, Namespace, Time};
use dotctl_engine::tag::{Tag, Tagged};
use dotctl_engine::{Error, Result};
use dotctl_stores::reference::Seen;

use crate::cli::{Command, Format};
use crate::error::Exit;
use crate::output::Output;

/// Runs one command.
pub fn run(command: &Command, output: &Output) -> Result<Exit> {
    let is_for_budget = matches!(output.format, Format::Github | Format::Markdown);
    if is_for_budget && !matches!(command, Command::Budget(_)) {
        return Err(Error::malformed("this command prints for people or as JSON, not in that format")
            .hint("--format github and --format markdown go with `dotctl budget`"));
    }
    match command {
        Command::Snapshot(args) => snapshot::run(args, output),
        Command::Restore(args) => restore::run(args, output),
        Command::Verify(args) => verify::run(args, output),
        Command::Copy(args) => copy::run(args, output),
        Command::List(args) => list::run(args, output),
        Command::Show(args) => show::run(args, output),
        Command::Get(args) => get::run(args, output),
        Command::Diff(args) => diff::run(args, output),
        Command::Tag(args) => tag::run(args, output),
        Command::Prune(args) => prune::run(args, output),
        Command::Compact(args) => compact::run(args, output),
        Command::Inspect(args) => inspect::run(args, output),
        Command::Estimate(args) => estimate::run(args, output),
        Command::Budget(args) => budget::run(args, output),
        Command::Plan(args) => plan::run(args, output),
        Command::Replay(args) => replay::run(args, output),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    }
}

/// A checkpoint as every command's JSON describes it. Of one that is sealed and was not opened, what nobody can
/// see is left open.
#[derive(Debug, Serialize)]
struct CheckpointDocument<'a> {
    id: CheckpointId,
    /// `native`, beside the `dotdo` of checkpoints that TypeScript wrote.
    layout: &'static str,
    namespace: &'a Namespace,
    sequence: u64,
    kind: Option<CheckpointKind>,
    created_at: Time,
    base: Option<CheckpointId>,
    codec: Option<Codec>,
    /// Where the packs lie, if not beside the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
    record_count: Option<u64>,
    raw_bytes: Option<u64>,
    stored_bytes: u64,
    chunk_count: Option<u64>,
    pack_count: Option<usize>,
    content_sha256: Option<Hash>,
    /// Left out where it is not.
    #[serde(skip_serializing_if = "is_false")]
    sealed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_bytes: Option<u32>,
    /// Of `stored_bytes`, those of an image's directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    directory_bytes: Option<u64>,
    /// What changes over a full run cost; left out of full checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<ChainDocument>,
    /// Where they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<Tag>>,
}

impl<'a> CheckpointDocument<'a> {
    fn new(id: CheckpointId, manifest: &'a Manifest) -> Self {
        CheckpointDocument {
            id,
            layout: "native",
            namespace: &manifest.namespace,
            sequence: manifest.sequence,
            kind: Some(manifest.kind),
            created_at: manifest.created_at,
            base: manifest.base,
            codec: manifest.runs.first().map(|run| run.codec),
            place: manifest.runs.first().and_then(|run| run.place),
            record_count: Some(manifest.record_count),
            raw_bytes: Some(manifest.raw_bytes),
            stored_bytes: manifest.stored_bytes(),
            chunk_count: Some(manifest.chunk_count()),
            pack_count: Some(manifest.content_packs().count()),
            content_sha256: Some(manifest.content_sha256),
            sealed: manifest.envelope().is_some(),
            page_bytes: manifest.page_bytes,
            directory_bytes: manifest
                .directory()
                .map(|run| run.packs.iter().map(|pack| pack.stored_bytes).sum()),
            chain: ChainDocument::of(manifest),
            tags: None,
        }
    }

    /// As much of it as can be seen.
    fn seen(seen: &'a Seen) -> Self {
        let sealed = match &seen.document {
            Document::Open(manifest) => return CheckpointDocument::new(seen.id(), manifest),
            Document::Sealed(sealed) => sealed,
        };
        CheckpointDocument {
            id: seen.id(),
            layout: "native",
            namespace: &sealed.namespace,
            sequence: sealed.sequence,
            kind: None,
            created_at: sealed.created_at,
            base: None,
            codec: None,
            place: sealed.place,
            record_count: None,
            raw_bytes: None,
            stored_bytes: sealed.stored_bytes(),
            chunk_count: None,
            pack_count: None,
            content_sha256: None,
            sealed: true,
            page_bytes: None,
            directory_bytes: None,
            chain: None,
            tags: None,
        }
    }

    /// With those of `tags` that are its own.
    fn tagged(mut self, tags: &[Tagged]) -> Self {
        self.tags = Some(tags_of(tags, self.id));
        self
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // Serde's to say.
fn is_false(value: &bool) -> bool {
    !value
}

/// The runs of a checkpoint that is a full run and changes to it.
#[derive(Debug, Serialize)]
struct ChainDocument {
    delta_run_count: usize,
    /// Of the full run.
    full_bytes: u64,
    /// Of all runs of changes.
    delta_bytes: u64,
    /// What a restore reads: all of them.
    restore_bytes: u64,
}

impl ChainDocument {
    fn of(manifest: &Manifest) -> Option<Self> {
        let stored_bytes = |run: &Run| run.packs.iter().map(|pack| pack.stored_bytes).sum::<u64>();
        let full_bytes = manifest.full_run().map_or(0, stored_bytes);
        let delta_bytes = manifest.delta_runs().map(stored_bytes).sum();
        manifest.is_chain().then(|| ChainDocument {
            delta_run_count: manifest.delta_runs().count(),
            full_bytes,
            delta_bytes,
            restore_bytes: full_bytes.saturating_add(delta_bytes),
        })
    }
}

/// Those of `tags` that the checkpoint has.
fn tags_of(tags: &[Tagged], id: CheckpointId) -> Vec<Tag> {
    tags.iter().filter(|one| one.checkpoint == id).map(|one| one.tag.clone()).collect()
}

/// The digits of an id that people get to see; enough to be unique in any store they have.
fn short_id(id: CheckpointId) -> String {
    id.to_string().chars().take(12).collect()
}

/// Milliseconds since `begun`.
fn elapsed_ms(begun: std::time::Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
