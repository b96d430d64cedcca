//! `dotctl snapshot`: sources into checkpoints.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use serde_json::json;

use dotctl_engine::checkpoint::codec_setting;
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::codec::Codec;
use dotctl_engine::format::CheckpointKind;
use dotctl_engine::id::Namespace;
use dotctl_engine::{Error, ErrorKind, Result};
use dotctl_stores::drive::SnapshotSetting;
use dotctl_stores::objects::{LocalObject, object_namespace};
use dotctl_stores::reference::resolve;
use dotctl_stores::sealed::{Keys, Recipients};
use dotctl_stores::source::{Captured, capture_database, capture_rows, capture_state};
use dotctl_stores::store::{Committed, Store};

use super::requests::{tell, with_requests};
use super::{CheckpointDocument, elapsed_ms, live, short_id};
use crate::cli::{Base, Kind, SnapshotArgs};
use crate::config;
use crate::error::{self, Exit};
use crate::open::{self, Source};
use crate::output::Output;
use crate::render::{Align, Bar, table};
use crate::size::{show_count, show_duration, show_size};

#[derive(Serialize)]
struct MadeDocument<'a> {
    #[serde(flatten)]
    checkpoint: CheckpointDocument<'a>,
    new_bytes: u64,
    new_chunk_count: u64,
    /// Whether the source was in another order than its keys' and has been sorted.
    reordered: bool,
}

impl<'a> MadeDocument<'a> {
    fn new(made: &'a Captured) -> Self {
        let committed = &made.committed;
        MadeDocument {
            checkpoint: CheckpointDocument::new(committed.id, &committed.manifest),
            new_bytes: committed.new_bytes,
            new_chunk_count: committed.new_chunk_count,
            reordered: made.reordered,
        }
    }
}

pub fn run(args: &SnapshotArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    let source = open::source(&args.source)?;
    let chunk_size = ChunkSize::new(args.chunk_bytes)?;
    if matches!((&source, args.kind), (Source::State(_), Some(_))) {
        return Err(Error::malformed("only a database has pages and rows to capture")
            .at(args.source.display().to_string())
            .hint("leave out --kind for a state snapshot"));
    }
    // Before anything is written.
    let codec = args.codec.unwrap_or(Codec::Zstd);
    codec_setting(CheckpointKind::State, codec, args.level)?;
    let chain = config::chain(args.config.as_deref(), args.compact_share, args.compact_runs)?;
    let jobs = jobs(args, &source)?;
    let live = match &source {
        Source::Live(address) => Some(live::Capture::of(args, address)?),
        _ => None,
    };
    let keys = Keys {
        recipients: match args.encrypt.as_slice() {
            [] => None,
            words => Some(Recipients::read(words)?),
        },
        open_after_sealed: args.no_encrypt,
        ..open::identities(&args.store.key)?
    };
    open::refuse_read_only(&args.store)?;
    open::bucket_setting(&args.store.store, &args.store.bucket)?;
    if args.dry_run {
        return match &live {
            Some(live) => live.plan(output),
            None => plan(args, &jobs, output),
        };
    }
    let store = open_store(args, keys)?;
    let store = store.as_ref();
    let base = match &args.base {
        Base::Auto if args.codec.is_some() => dotctl_stores::base::Base::OfCodec,
        Base::Auto => dotctl_stores::base::Base::Auto,
        Base::None => dotctl_stores::base::Base::None,
        Base::Of(reference) => dotctl_stores::base::Base::Of(Box::new(resolve(store, reference)?)),
    };
    if let Some(live) = &live {
        let codec = codec_setting(CheckpointKind::Rows, codec, args.level)?;
        let made = live.capture(store, codec, chunk_size, chain, &base, output)?;
        tell_base(&made, &made.committed.manifest.namespace, output);
        report(store, &made, elapsed_ms(begun), output)?;
        return Ok(Exit::Done);
    }
    let capture = |job: &Job| {
        let created_at = open::now()?;
        let codec = codec_setting(job.kind, codec, args.level)?;
        let setting =
            SnapshotSetting { namespace: job.namespace.clone(), created_at, codec, chunk_size, chain };
        capture(store, job, &setting, &base, output)
    };
    if matches!(source, Source::Objects(_)) {
        return capture_all(store, &jobs, capture, begun, output);
    }
    if let [job] = jobs.as_slice() {
        report(store, &capture(job)?, elapsed_ms(begun), output)?;
    }
    Ok(Exit::Done)
}

fn open_store(args: &SnapshotArgs, keys: Keys) -> Result<Box<dyn Store>> {
    let overflow = config::overflow(args.store.overflow.as_deref(), args.config.as_deref(), args.placement)?;
    let (store, bucket) = (&args.store.store, &args.store.bucket);
    open::store_for_writing(store, overflow, bucket, args.object_backend, args.repair, keys)
}

/// One object that cannot be captured does not keep the others from it.
fn capture_all(
    store: &dyn Store,
    jobs: &[Job<'_>],
    capture: impl Fn(&Job<'_>) -> Result<Captured>,
    begun: Instant,
    output: &Output,
) -> Result<Exit> {
    let mut made = Vec::new();
    let mut failed = Vec::new();
    for job in jobs {
        match capture(job) {
            Ok(checkpoint) => made.push(checkpoint),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                error::report(output.format, &error);
                failed.push((job, error));
            }
        }
    }
    report_all(store, &made, &failed, elapsed_ms(begun), output)?;
    Ok(failed.first().map_or(Exit::Done, |(_, error)| Exit::of(error.kind())))
}

/// One checkpoint to make.
struct Job<'a> {
    namespace: Namespace,
    path: &'a Path,
    kind: CheckpointKind,
}

fn jobs<'a>(args: &SnapshotArgs, source: &'a Source) -> Result<Vec<Job<'a>>> {
    let of_database = match args.kind {
        None | Some(Kind::Image) => CheckpointKind::Image,
        Some(Kind::Rows) => CheckpointKind::Rows,
    };
    let one = |path: &'a Path, kind| -> Result<Vec<Job<'a>>> {
        let namespace = match &args.namespace {
            Some(namespace) => namespace.clone(),
            None => default_namespace(path)?,
        };
        Ok(vec![Job { namespace, path, kind }])
    };
    match source {
        Source::Database(path) => one(path, of_database),
        Source::State(path) => one(path, CheckpointKind::State),
        Source::Objects(objects) if args.namespace.is_none() => {
            Ok(objects.iter().map(|object| object_job(object, of_database)).collect())
        }
        Source::Objects(objects) => {
            Err(Error::malformed(format!("{} objects cannot share one namespace", objects.len()))
                .hint("leave out --namespace, each object has its own, or name one object's file"))
        }
        // It tells itself whose state it is.
        Source::Live(_) => Ok(Vec::new()),
        Source::Store(path) => Err(Error::malformed("this is a store of checkpoints, not a source of state")
            .at(path.display().to_string())
            .hint("restore a checkpoint from it first: `dotctl restore REF --to FILE --store …`")),
    }
}

fn object_job(object: &LocalObject, kind: CheckpointKind) -> Job<'_> {
    Job { namespace: object.namespace.clone(), path: &object.path, kind }
}

/// An object's own name, or the file's name up to its first `.`.
fn default_namespace(path: &Path) -> Result<Namespace> {
    if path.as_os_str() == "-" {
        return Namespace::new("stdin");
    }
    if let Some(namespace) = object_namespace(path)? {
        return Ok(namespace);
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or(&name);
    Namespace::new(stem).map_err(|error| error.hint("name it with --namespace"))
}

fn capture(
    store: &dyn Store,
    job: &Job<'_>,
    setting: &SnapshotSetting,
    base: &dotctl_stores::base::Base,
    output: &Output,
) -> Result<Captured> {
    output.explain(|| format!("capturing {} as {}", job.path.display(), job.namespace));
    let bar = Bar::new(output.progress);
    let captured = match job.kind {
        CheckpointKind::Image => capture_database(store, job.path, setting, base, &bar)?,
        CheckpointKind::Rows => capture_rows(store, job.path, setting, base, &bar)?,
        CheckpointKind::State => capture_state(store, job.path, setting, base, &bar)?,
    };
    if captured.reordered {
        let name = match job.path.to_str() {
            Some("-") => "standard input".to_owned(),
            _ => job.path.display().to_string(),
        };
        output.warn(&format!("{name} was not in the order of its keys and has been sorted"));
    }
    tell_base(&captured, &job.namespace, output);
    Ok(captured)
}

/// Tells why a checkpoint is a full one that should not be.
fn tell_base(captured: &Captured, namespace: &Namespace, output: &Output) {
    if let Some(damage) = &captured.base_damage {
        output.warn(&format!(
            "the newest checkpoint of {namespace} cannot be built on, a full one was made: {damage}"
        ));
    }
}

fn plan(args: &SnapshotArgs, jobs: &[Job<'_>], output: &Output) -> Result<Exit> {
    let documents: Vec<_> = jobs
        .iter()
        .map(|job| {
            json!({
                "namespace": job.namespace,
                "source": job.path.display().to_string(),
                "kind": job.kind,
            })
        })
        .collect();
    let document = json!({ "dry_run": true, "store": args.store.store, "checkpoints": documents });
    output.result(&document, || {
        jobs.iter()
            .map(|job| {
                let what = match job.kind {
                    CheckpointKind::Image => "the database",
                    CheckpointKind::Rows => "the rows of the database",
                    CheckpointKind::State => "the state",
                };
                format!("would capture {what} {} as {}\n", job.path.display(), job.namespace)
            })
            .chain([format!("into the store {}", args.store.store)])
            .collect()
    })?;
    Ok(Exit::Done)
}

fn report(store: &dyn Store, made: &Captured, duration_ms: u64, output: &Output) -> Result<()> {
    let document = json!({ "checkpoint": MadeDocument::new(made), "duration_ms": duration_ms });
    tell(store, output);
    output.result(&with_requests(document, store), || {
        let committed = &made.committed;
        let manifest = &committed.manifest;
        let records = match manifest.kind {
            CheckpointKind::Image => "pages",
            CheckpointKind::Rows => "rows and definitions",
            CheckpointKind::State => "entries",
        };
        format!(
            "checkpoint {} of {}\n{} {records}, {} raw, {} stored in {}\n{}\ncontent SHA-256 {}",
            short_id(committed.id),
            manifest.namespace,
            show_count(manifest.record_count),
            show_size(manifest.raw_bytes),
            show_size(manifest.stored_bytes()),
            show_duration(duration_ms),
            novelty(committed),
            manifest.content_sha256
        )
    })
}

fn novelty(committed: &Committed) -> String {
    if committed.new_bytes == 0 {
        return "no chunk is new: the store held all of it already".to_owned();
    }
    format!(
        "{} of {} chunks are new, {}",
        show_count(committed.new_chunk_count),
        show_count(committed.manifest.chunk_count()),
        show_size(committed.new_bytes)
    )
}

fn report_all(
    store: &dyn Store,
    made: &[Captured],
    failed: &[(&Job<'_>, Error)],
    duration_ms: u64,
    output: &Output,
) -> Result<()> {
    let documents: Vec<_> = made.iter().map(MadeDocument::new).collect();
    let failures: Vec<_> = failed
        .iter()
        .map(|(job, error)| json!({ "namespace": job.namespace, "kind": error.kind().name(), "message": error.to_string() }))
        .collect();
    let document = json!({ "checkpoints": documents, "failed": failures, "duration_ms": duration_ms });
    tell(store, output);
    output.result(&with_requests(document, store), || {
        let columns = [
            ("ID", Align::Left),
            ("RAW", Align::Right),
            ("STORED", Align::Right),
            ("NEW", Align::Right),
            ("NAMESPACE", Align::Left),
        ];
        let rows = made.iter().map(|made| {
            let manifest = &made.committed.manifest;
            vec![
                short_id(made.committed.id),
                show_size(manifest.raw_bytes),
                show_size(manifest.stored_bytes()),
                show_size(made.committed.new_bytes),
                crate::render::shorten(manifest.namespace.as_str(), 36),
            ]
        });
        let checkpoints = made.len();
        let failures = match failed.len() {
            0 => String::new(),
            count => format!(", {count} objects could not be captured"),
        };
        let duration = show_duration(duration_ms);
        format!("{}\n{checkpoints} checkpoints in {duration}{failures}", table(&columns, rows))
    })
}
