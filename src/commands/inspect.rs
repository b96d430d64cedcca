//! `dotctl inspect`: what is there and how near its limits.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use dotctl_engine::image::inspect::DatabaseReport;
use dotctl_engine::{Error, Result};
use dotctl_stores::bucket::BucketStore;
use dotctl_stores::dotdo::Foreign;
use dotctl_stores::drive::{inspect_database, inspect_state, inspect_store};
use dotctl_stores::folder::FolderStore;
use dotctl_stores::object::{Backend, ObjectStore};
use dotctl_stores::objects::LocalObject;
use dotctl_stores::store::Store;

use super::requests::{tell, with_requests};
use super::{elapsed_ms, foreign, live};
use crate::cli::InspectArgs;
use crate::error::{Exit, report};
use crate::open::{self, Source};
use crate::output::Output;
use crate::render::objects::ObjectFacts;
use crate::render::{self, Bar};

/// A report with what every kind of report says.
#[derive(Serialize)]
struct Document<'a, R> {
    target: &'a str,
    kind: &'static str,
    #[serde(flatten)]
    report: &'a R,
    duration_ms: u64,
}

/// What a database's report says besides what the engine found.
#[derive(Serialize)]
struct SizedDatabase<'a> {
    raw_bytes: u64,
    /// Checkpoints held inside.
    native_checkpoint_count: usize,
    #[serde(flatten)]
    report: &'a DatabaseReport,
    /// Checkpoints that TypeScript wrote, by the shape of their records.
    checkpoints: Vec<Value>,
}

pub fn run(args: &InspectArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    let target = &*args.target.display().to_string();
    let now = open::now()?;
    if let Some(object) = open::live_object_at(&args.target)? {
        return live::inspect(args, object, now, begun, output);
    }
    if let Some(setting) = open::bucket_setting(target, &args.bucket)? {
        return inspect_store_at(args, Box::new(BucketStore::open(&setting)?), begun, output);
    }
    if let Some(store) = open::persisted_store(target)? {
        return inspect_store_at(args, store, begun, output);
    }
    match open::source(&args.target)? {
        Source::Database(path) => {
            let bar = Bar::new(output.progress);
            let found = inspect_database(&path, now.unix_ms(), &bar)?;
            let raw_bytes = u64::from(found.page_bytes) * u64::from(found.page_count);
            let native_checkpoint_count = checkpoints_inside(&path);
            let held = held(&path, &found, output)?;
            let listed: Vec<_> = held.iter().flat_map(|held| &held.catalogue().checkpoints).collect();
            let checkpoints =
                held.iter().flat_map(|held| listed.iter().map(|one| foreign::document(held, one)));
            let sized = SizedDatabase {
                raw_bytes,
                native_checkpoint_count,
                report: &found,
                checkpoints: checkpoints.collect(),
            };
            let duration_ms = elapsed_ms(begun);
            let document = Document { target, kind: "database", report: &sized, duration_ms };
            output.result(&document, || {
                let mut text = render::database::show(target, &found, output.look);
                if native_checkpoint_count > 0 {
                    let store = "`dotctl list --store` shows them";
                    text.push_str(&format!(
                        "\n\ncheckpoints held inside: {native_checkpoint_count}; {store}"
                    ));
                }
                if let Some(held) = held.as_ref().filter(|_| !listed.is_empty()) {
                    text += &format!(
                        "\nCheckpoints by the shape of their records\n{}",
                        foreign::table_of(held, &listed)
                    );
                }
                text
            })?;
            Ok(exit(found.problem_count == 0))
        }
        Source::State(path) => {
            let found = inspect_state(&path, now, &Bar::new(output.progress))?;
            let duration_ms = elapsed_ms(begun);
            let document = Document { target, kind: "state", report: &found, duration_ms };
            output.result(&document, || render::state::show(target, &found, output.look))?;
            Ok(Exit::Done)
        }
        Source::Store(path) => inspect_store_at(args, Box::new(FolderStore::open(&path)?), begun, output),
        // Looked at above.
        Source::Live(address) => Err(Error::malformed("this is a live object").at(address.as_str())),
        Source::Objects(objects) => {
            let mut rows: Vec<Row> = objects.iter().map(|object| inspect_object(object, output)).collect();
            rows.sort_by_key(|row| std::cmp::Reverse(row.facts.as_ref().map_or(0, |facts| facts.raw_bytes)));
            for error in rows.iter().filter_map(|row| row.facts.as_ref().err()) {
                report(output.format, error);
            }
            let documents: Vec<_> = rows.iter().map(Row::document).collect();
            let duration_ms = elapsed_ms(begun);
            let document =
                Document { target, kind: "objects", report: &json!({ "objects": documents }), duration_ms };
            let sound = rows.iter().all(|row| row.facts.as_ref().is_ok_and(|facts| facts.problem_count == 0));
            output.result(&document, || show_objects(target, rows, output))?;
            Ok(exit(sound))
        }
    }
}

/// Checkpoints that the object holds; what cannot be read is among the report's problems.
fn checkpoints_inside(path: &Path) -> usize {
    ObjectStore::open(path, Backend::Sqlite)
        .and_then(|store| store.manifests())
        .map_or(0, |listing| listing.keys.len())
}

fn inspect_store_at(
    args: &InspectArgs,
    store: Box<dyn Store>,
    begun: Instant,
    output: &Output,
) -> Result<Exit> {
    let target = &*args.target.display().to_string();
    let store = open::with_identities(store, &args.key)?;
    let store = store.as_ref();
    let found = inspect_store(store)?;
    let document = Document { target, kind: "store", report: &found, duration_ms: elapsed_ms(begun) };
    let document = serde_json::to_value(&document)
        .map_err(|error| Error::malformed(format!("the result is not JSON: {error}")))?;
    tell(store, output);
    output.result(&with_requests(document, store), || render::store::show(target, &found, output.look))?;
    Ok(exit(found.problems.is_empty() && found.missing_pack_count == 0))
}

/// The checkpoints that TypeScript wrote into a database; `None` where its damage is in the way,
/// which the report tells.
fn held(path: &Path, report: &DatabaseReport, output: &Output) -> Result<Option<Foreign>> {
    let may_hold = report.key_values.as_ref().is_some_and(|found| found.may_hold_records);
    if report.problem_count > 0 || !may_hold {
        return Ok(None);
    }
    match Foreign::database(path, None) {
        Ok(held) => Ok(Some(held)),
        Err(error) if Exit::of(error.kind()) != Exit::Failed => {
            output.warn(&format!("checkpoints inside cannot be listed: {error}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn exit(sound: bool) -> Exit {
    if sound { Exit::Done } else { Exit::Found }
}

/// One object of a folder.
struct Row<'a> {
    namespace: &'a str,
    path: &'a Path,
    facts: Result<ObjectFacts>,
}

fn inspect_object<'a>(object: &'a LocalObject, output: &Output) -> Row<'a> {
    let facts = open::now().and_then(|now| {
        let report = inspect_database(&object.path, now.unix_ms(), &Bar::new(output.progress))?;
        Ok(ObjectFacts::of(&report))
    });
    Row { namespace: object.namespace.as_str(), path: &object.path, facts }
}

impl Row<'_> {
    fn document(&self) -> Value {
        let path = self.path.display().to_string();
        match &self.facts {
            Ok(facts) => json!({
                "namespace": self.namespace,
                "path": path,
                "raw_bytes": facts.raw_bytes,
                "entry_count": facts.entry_count,
                "table_count": facts.table_count,
                "alarm": facts.alarm,
                "nearest_limit": facts.nearest_limit,
                "problem_count": facts.problem_count,
            }),
            Err(error) => json!({
                "namespace": self.namespace,
                "path": path,
                "error": {
                    "kind": error.kind().name(),
                    "message": error.to_string(),
                    "hint": error.next_step(),
                },
            }),
        }
    }
}

fn show_objects(target: &str, rows: Vec<Row<'_>>, output: &Output) -> String {
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| (row.namespace.to_owned(), row.facts.map_err(|error: Error| error.to_string())))
        .collect();
    render::objects::show(target, &rows, output.look)
}
