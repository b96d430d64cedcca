//! `dotctl restore`: a checkpoint back into a file.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use dotctl_engine::checkpoint::StateForm;
use dotctl_engine::format::{CheckpointKind, Manifest};
use dotctl_engine::id::Time;
use dotctl_engine::{Error, ErrorKind, Result};
use dotctl_stores::drive::{Kept, RestoreForm, Restored, restore, restore_prefix};
use dotctl_stores::journal::Journal;
use dotctl_stores::local::LocalPlace;
use dotctl_stores::reference::Found;
use dotctl_stores::rows::{restore_database, restore_database_stream};
use dotctl_stores::store::Store;
use dotctl_stores::target::Target;

use super::foreign::{self, Named};
use super::requests::{tell, tell_apart, with_requests};
use super::sink::Sink;
use super::{elapsed_ms, live, short_id};
use crate::cli::{Form, RestoreArgs};
use crate::error::Exit;
use crate::open;
use crate::output::{Output, print};
use crate::render::Bar;
use crate::size::{show_count, show_duration, show_size};

pub fn run(args: &RestoreArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    if open::door_address(&args.to)?.is_some() {
        return live::restore(args, begun, output);
    }
    open::check_path(&args.to)?;
    let (store, found) = match foreign::resolve_in(&args.store, &args.reference)? {
        Named::Native(store, found) => (store, found),
        Named::Foreign(_, found) if args.key_prefix.is_some() => {
            return Err(Error::unsupported("of a checkpoint that TypeScript wrote all is restored")
                .at(found.id)
                .hint("leave out --key-prefix"));
        }
        Named::Foreign(foreign, found) => return foreign::restore(args, &foreign, &found, begun, output),
    };
    if let Some(prefix) = &args.key_prefix {
        return restore_part(args, store.as_ref(), &found, prefix, begun, output);
    }
    let form = restore_form(args.form, &found.manifest)?;
    let to = args.to.display().to_string();
    if args.dry_run {
        return plan(args, &found, &to, output);
    }
    if to == "-" {
        restore_to_stdout(store.as_ref(), &found.manifest, form, output)?;
        tell_apart(store.as_ref(), output);
        return Ok(Exit::Done);
    }
    let written_bytes = written_bytes(&found.manifest, form);
    // What lies far away goes on where a stopped run ended.
    let goes_on = store.requests().is_some() && found.manifest.content_packs().count() > 1;
    let (target, mut journal) = match goes_on {
        false => (Target::begin(&args.to, written_bytes, args.force)?, None),
        true => {
            let what = format!("{} {form:?}", found.id());
            let (target, journal) = Target::begin_or_go_on(&args.to, written_bytes, args.force, &what)?;
            (target, Some(journal))
        }
    };
    let local = match form {
        RestoreForm::Database => LocalPlace::hold(&args.to)?,
        RestoreForm::State(_) => None,
    };
    let bar = Bar::new(output.progress);
    let written = |offset: u64, bytes: &[u8]| target.write_at(offset, bytes);
    let kept = journal.as_mut().map(|journal| Kept { target: &target, journal });
    let restored = match is_built(&found.manifest, form) {
        true => restore_database(store.as_ref(), &found.manifest, target.partial(), &bar),
        false => restore(store.as_ref(), &found.manifest, form, Some(&written), &mut |_| Ok(()), kept, &bar),
    };
    let restored = match restored {
        Ok(restored) => restored,
        Err(error) => return Err(leave(refuse(error, &to), target, journal.as_ref())),
    };
    let alarm = match local {
        Some(place) => Some(publish_local(place, target)?),
        None => {
            target.publish()?;
            None
        }
    };
    report(store.as_ref(), &found, &to, restored, alarm, elapsed_ms(begun), output)?;
    Ok(Exit::Done)
}

/// Restores what has keys that begin with `prefix`.
fn restore_part(
    args: &RestoreArgs,
    store: &dyn Store,
    found: &Found,
    prefix: &str,
    begun: Instant,
    output: &Output,
) -> Result<Exit> {
    let RestoreForm::State(form) = restore_form(args.form, &found.manifest)? else {
        return Err(match found.manifest.kind {
            CheckpointKind::Image => Error::unsupported("the pages of a database have no keys to choose by")
                .hint(
                    "`dotctl get REF KEY` prints single values; --kind rows captures rows, which have keys",
                ),
            _ => Error::unsupported("some rows of a database are no database")
                .hint("--as ndjson writes them as lines; leave out --key-prefix for the database"),
        });
    };
    let to = args.to.display().to_string();
    if args.dry_run {
        return plan(args, found, &to, output);
    }
    let mut sink = Sink::to(&args.to, args.force)?;
    let mut write = |bytes: &[u8]| sink.write(bytes);
    let bar = Bar::new(output.progress && to != "-");
    let part = restore_prefix(store, &found.manifest, prefix.as_bytes(), form, &mut write, &bar)
        .map_err(|error| refuse(error, &to))?;
    sink.finish()?;
    if to == "-" {
        tell_apart(store, output);
        return Ok(Exit::Done);
    }
    let document = json!({
        "checkpoint": found.id(),
        "to": to,
        "key_prefix": prefix,
        "record_count": part.record_count,
        "raw_bytes": part.restored.raw_bytes,
        "sha256": part.restored.sha256,
        "checked": "chunks",
        "duration_ms": elapsed_ms(begun),
    });
    tell(store, output);
    output.result(&with_requests(document, store), || {
        format!(
            "restored {} entries of {} of {} to {to}\n{} in {}; the hashes of the chunks that were read are \
             checked, the whole content's is not\nSHA-256 {}",
            show_count(part.record_count),
            short_id(found.id()),
            found.manifest.namespace,
            show_size(part.restored.raw_bytes),
            show_duration(elapsed_ms(begun)),
            part.restored.sha256
        )
    })?;
    Ok(Exit::Done)
}

/// What has arrived stays for the next run, if that can go on with it.
fn leave(error: Error, target: Target, journal: Option<&Journal>) -> Error {
    let is_damage = matches!(error.kind(), ErrorKind::Corrupt(_));
    if is_damage || journal.and_then(Journal::last).is_none() {
        return error;
    }
    let path = target.leave();
    let next = format!("the same command goes on with what has arrived in {}", path.display());
    let hint = error.next_step().map_or(next.clone(), |first| format!("{first}; {next}"));
    error.hint(hint)
}

/// What an object's restore did besides its file.
struct Listed {
    alarms_file: PathBuf,
    alarm: Option<Time>,
}

/// Publishes an object's database where workerd keeps it, its alarm with it.
fn publish_local(place: LocalPlace, target: Target) -> Result<Listed> {
    let alarms_file = place.alarms_file().to_owned();
    let alarm = place.publish(target)?;
    let alarm = alarm.map(|time| Time::from_unix_ms(time.div_euclid(1_000_000))).transpose()?;
    Ok(Listed { alarms_file, alarm })
}

fn restore_form(asked: Option<Form>, manifest: &Manifest) -> Result<RestoreForm> {
    match (manifest.kind, asked) {
        (CheckpointKind::Image | CheckpointKind::Rows, None | Some(Form::Sqlite)) => {
            Ok(RestoreForm::Database)
        }
        (CheckpointKind::State, None) | (CheckpointKind::State | CheckpointKind::Rows, Some(Form::Json)) => {
            Ok(RestoreForm::State(StateForm::Array))
        }
        (CheckpointKind::State | CheckpointKind::Rows, Some(Form::Ndjson)) => {
            Ok(RestoreForm::State(StateForm::Lines))
        }
        (CheckpointKind::State, Some(Form::Sqlite)) => {
            Err(Error::unsupported("a checkpoint of state does not restore to a database")
                .hint("--as json or --as ndjson"))
        }
        (CheckpointKind::Image, Some(_)) => {
            Err(Error::unsupported("a checkpoint of a database restores to a database")
                .hint("leave out --as; `dotctl get REF KEY` prints single values"))
        }
    }
}

/// Whether SQLite makes a database of rows, whose bytes nobody knows before.
fn is_built(manifest: &Manifest, form: RestoreForm) -> bool {
    manifest.kind == CheckpointKind::Rows && form == RestoreForm::Database
}

/// Bytes that the target will have: lines need no brackets around them.
fn written_bytes(manifest: &Manifest, form: RestoreForm) -> u64 {
    match (manifest.kind, form) {
        (_, RestoreForm::State(StateForm::Lines)) => manifest.records_bytes(),
        // SQLite decides.
        (_, RestoreForm::Database) if is_built(manifest, form) => 0,
        (CheckpointKind::Rows, _) => manifest.raw_bytes.saturating_add(1).max(2),
        (_, RestoreForm::State(StateForm::Array) | RestoreForm::Database) => manifest.raw_bytes,
    }
}

/// Into a pipe bytes go as they are decoded; that they were right is said by the exit code.
fn restore_to_stdout(
    store: &dyn Store,
    manifest: &Manifest,
    form: RestoreForm,
    output: &Output,
) -> Result<()> {
    let bar = Bar::new(output.progress);
    if is_built(manifest, form) {
        return restore_database_stream(store, manifest, &mut |bytes| print(bytes), &bar).map(drop);
    }
    restore(store, manifest, form, None, &mut |bytes| print(bytes), None, &bar).map_err(|error| {
        error.hint("what was written to stdout so far is not to be trusted; run `dotctl verify`")
    })?;
    Ok(())
}

pub(super) fn refuse(error: Error, to: &str) -> Error {
    match error.kind() {
        ErrorKind::Corrupt(_) => {
            let next = error.next_step().unwrap_or("run `dotctl verify` for everything that is damaged");
            let hint = format!("nothing was written to {to}; {next}");
            error.hint(hint)
        }
        _ => error,
    }
}

fn plan(args: &RestoreArgs, found: &Found, to: &str, output: &Output) -> Result<Exit> {
    let exists = args.to.symlink_metadata().is_ok();
    tell_plan(args, found, to, &format!("to {to}"), exists, output)
}

/// Says what a restore to `to` would do, which people know as `place`, and which `exists` or does not.
pub(super) fn tell_plan(
    args: &RestoreArgs,
    found: &Found,
    to: &str,
    place: &str,
    exists: bool,
    output: &Output,
) -> Result<Exit> {
    let manifest = &found.manifest;
    let document = json!({
        "dry_run": true,
        "checkpoint": found.id(),
        "to": to,
        "raw_bytes": manifest.raw_bytes,
        "stored_bytes": manifest.stored_bytes(),
        "target_exists": exists,
    });
    output.result(&document, || {
        let consequence = consequence(exists, args.force);
        format!(
            "would restore {} of {} ({}, {}) {place}{consequence}",
            short_id(found.id()),
            manifest.namespace,
            manifest.created_at,
            show_size(manifest.raw_bytes),
        )
    })?;
    Ok(Exit::Done)
}

/// What becomes of a target that exists, or not.
pub fn consequence(exists: bool, force: bool) -> &'static str {
    match (exists, force) {
        (false, _) => "",
        (true, true) => ", replacing it",
        (true, false) => "; but it exists, so this needs --force",
    }
}

fn report(
    store: &dyn Store,
    found: &Found,
    to: &str,
    restored: Restored,
    listed: Option<Listed>,
    duration_ms: u64,
    output: &Output,
) -> Result<()> {
    let mut document = json!({
        "checkpoint": found.id(),
        "to": to,
        "raw_bytes": restored.raw_bytes,
        "sha256": restored.sha256,
        "duration_ms": duration_ms,
    });
    if let Some(listed) = &listed {
        document["alarm"] = json!(listed.alarm);
        document["alarms_file"] = json!(listed.alarms_file.display().to_string());
    }
    tell(store, output);
    output.result(&with_requests(document, store), || {
        let alarm = match &listed {
            Some(Listed { alarm: Some(alarm), alarms_file }) => {
                format!("\nalarm at {alarm}, in {} too", alarms_file.display())
            }
            _ => String::new(),
        };
        format!(
            "restored {} of {} to {to}\n{} in {}, every hash checked\nSHA-256 {}{alarm}",
            short_id(found.id()),
            found.manifest.namespace,
            show_size(restored.raw_bytes),
            show_duration(duration_ms),
            restored.sha256
        )
    })
}
