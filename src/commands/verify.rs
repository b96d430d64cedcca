//! `dotctl verify`: reading everything back.

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use dotctl_engine::finding::{Checked, Finding};
use dotctl_engine::format::{Document, Manifest};
use dotctl_engine::{Damage, Error, ErrorKind, Result};
use dotctl_stores::checksum::{Checksum, checksum_of};
use dotctl_stores::database::is_database;
use dotctl_stores::drive::{Verifier, check_database};
use dotctl_stores::object::{Backend, ObjectStore};
use dotctl_stores::reference::find_key;
use dotctl_stores::store::Store;

use super::requests::{tell, with_requests};
use super::{elapsed_ms, foreign};
use crate::cli::{StoreArgs, VerifyArgs};
use crate::error::{self, Exit};
use crate::open::{self, Stores};
use crate::output::Output;
use crate::render::Bar;
use crate::size::{show_count, show_duration, show_size};

pub fn run(args: &VerifyArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    let bar = Bar::new(output.progress);
    let mut verified = match &args.checksum {
        Some(expected) => verify_files(&args.targets, &expected.parse()?)?,
        None => verify_checkpoints(&with_live_object(args)?, &bar)?,
    };
    let store = verified.store.take();
    if let Some(warning) = &verified.warning {
        output.warn(warning);
    }
    for unread in &verified.unread {
        error::report(output.format, &unread.error);
    }
    report(store.as_deref(), &verified, elapsed_ms(begun), output)?;
    Ok(match (verified.unread.first(), verified.findings.as_slice()) {
        (Some(unread), _) => Exit::of(unread.error.kind()),
        (None, []) => Exit::Done,
        (None, _) => Exit::Found,
    })
}

/// What came of a check.
#[derive(Default)]
struct Verified {
    findings: Vec<Finding>,
    /// What could not be read, so that nothing is known of it.
    unread: Vec<Finding>,
    checked: Checked,
    /// The store that was read, if one was.
    store: Option<Box<dyn Store>>,
    /// What lies there and was not checked.
    warning: Option<String>,
}

impl Verified {
    /// Takes what came of a verifier.
    fn take(&mut self, verifier: Verifier<'_>) {
        self.findings.extend(verifier.findings);
        self.unread.extend(verifier.unread);
        self.checked.add(verifier.checked);
    }
}

fn verify_files(targets: &[String], expected: &Checksum) -> Result<Verified> {
    let mut verified = Verified::default();
    for target in targets {
        let (actual, bytes) = checksum_of(expected.algorithm, Path::new(target))?;
        verified.checked.bytes += bytes;
        if actual != *expected {
            let error = Error::damaged(Damage::Checksum, "the file", expected, actual);
            verified.findings.push(Finding { target: target.clone(), error });
        }
    }
    Ok(verified)
}

/// `args`, where a live object may be the one target: then it is the store of which all is verified.
fn with_live_object(args: &VerifyArgs) -> Result<VerifyArgs> {
    let mut args = args.clone();
    let is_live = |target: &String| Ok(open::door_address(Path::new(target))?.is_some());
    if let [target] = args.targets.as_slice()
        && is_live(target)?
    {
        args.store.store.clone_from(target);
        args.targets.clear();
    }
    match args.targets.iter().map(is_live).collect::<Result<Vec<_>>>()?.contains(&true) {
        false => Ok(args),
        true => Err(Error::malformed("a live object is verified by itself, without other targets")
            .hint("--store with its address, for single checkpoints in it")),
    }
}

fn verify_checkpoints(args: &VerifyArgs, bar: &Bar) -> Result<Verified> {
    // A store whose marker is damaged is a finding, as any other of its files.
    let stores = match open::stores(&args.store) {
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => {
            let findings = vec![Finding { target: args.store.store.clone(), error }];
            return Ok(Verified { findings, ..Verified::default() });
        }
        opened => opened,
    };
    let targets_are_files =
        !args.targets.is_empty() && args.targets.iter().all(|target| Path::new(target).is_file());
    let Stores { native, mut foreign, warning } = match stores {
        Ok(stores) => stores,
        Err(_) if targets_are_files => return verify_databases(args, bar),
        Err(error) => return Err(error),
    };
    let mut verified = Verified::default();
    let mut verifier = native.as_deref().map(|store| Verifier::new(store, args.quick));
    if args.targets.is_empty() {
        verified.warning = warning;
        if let Some(verifier) = &mut verifier {
            verifier.store(bar)?;
            if verifier.checked.checkpoints == 0 && foreign.is_none() {
                foreign = open::foreign_in_bucket(&args.store)?;
            }
        }
        if let Some(foreign) = &foreign {
            verified.findings.extend(foreign.verify(None, args.quick, &mut verified.checked)?);
        }
    }
    for target in &args.targets {
        let path = Path::new(target);
        if let Some((foreign, found)) = foreign::find(foreign.as_ref(), target)? {
            verified.findings.extend(foreign.verify(Some(found), args.quick, &mut verified.checked)?);
        } else if path.is_file() && is_database(path)? {
            verify_database(target, args, bar, &mut verified)?;
        } else if let (Some(verifier), Some(store)) = (&mut verifier, &native) {
            if path.is_file() {
                verify_manifest_file(verifier, target, bar)?;
            } else {
                match find_key(store.as_ref(), target) {
                    Ok(key) => drop(verifier.checkpoint(&key, bar)?),
                    Err(error) => verify_named(target, error, args, &mut verified)?,
                }
            }
        } else if path.is_file() {
            return Err(no_target(target));
        } else {
            return Err(foreign::missing(target));
        }
    }
    if let Some(verifier) = verifier {
        verified.take(verifier);
    }
    verified.store = native;
    Ok(verified)
}

/// A checkpoint that is none of ours, if TypeScript wrote one of this name into the bucket.
fn verify_named(target: &str, error: Error, args: &VerifyArgs, verified: &mut Verified) -> Result<()> {
    let foreign = match error.kind() {
        ErrorKind::Malformed | ErrorKind::Missing => open::foreign_in_bucket(&args.store)?,
        _ => None,
    };
    match foreign::find(foreign.as_ref(), target)? {
        Some((foreign, found)) => {
            verified.findings.extend(foreign.verify(Some(found), args.quick, &mut verified.checked)?);
            Ok(())
        }
        None => Err(error),
    }
}

/// A manifest that somebody holds as a file; its packs are looked for in the store.
fn verify_manifest_file(verifier: &mut Verifier<'_>, target: &str, bar: &Bar) -> Result<()> {
    let path = Path::new(target);
    let failed = |error: std::io::Error| dotctl_stores::io_error("read", path, &error);
    if path.metadata().map_err(failed)?.len() > Manifest::BYTES_MAX {
        return Err(no_target(target));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    // Under its native name the file must also hash to its id.
    let id = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .and_then(|stem| stem.split_once('-'))
        .and_then(|(_, id)| id.parse().ok());
    let document = match id {
        Some(id) => Document::read(id, &bytes),
        None => Document::parse(&bytes),
    };
    verifier.checked.checkpoints += 1;
    match document {
        Ok(document) => verifier.document(document, bar).map(drop),
        Err(error) if id.is_some() => {
            verifier.findings.push(Finding { target: target.to_owned(), error });
            Ok(())
        }
        Err(_) => Err(no_target(target)),
    }
}

fn no_target(target: &str) -> Error {
    Error::malformed("neither a checkpoint manifest of this store nor a database")
        .at(target)
        .hint("say what the file must hash to with --checksum sha256:HEX or murmur3:HEX")
}

/// Databases: every page of every tree in place, and the checkpoints held inside.
fn verify_databases(args: &VerifyArgs, bar: &Bar) -> Result<Verified> {
    let mut verified = Verified::default();
    for target in &args.targets {
        if !is_database(Path::new(target))? {
            return Err(no_target(target));
        }
        verify_database(target, args, bar, &mut verified)?;
    }
    Ok(verified)
}

fn verify_database(target: &str, args: &VerifyArgs, bar: &Bar, verified: &mut Verified) -> Result<()> {
    let path = Path::new(target);
    let problems = match check_database(path) {
        Ok((problems, bytes)) => {
            verified.checked.bytes += bytes;
            problems
        }
        // Too damaged to be walked.
        Err(error) if matches!(Exit::of(error.kind()), Exit::Found | Exit::Usage) => vec![error],
        Err(error) => return Err(error),
    };
    let sound = problems.is_empty();
    verified.findings.extend(problems.into_iter().map(|error| Finding { target: target.to_owned(), error }));
    // In a damaged database its own damage is what there is to tell.
    if sound {
        verify_inside(path, args, bar, verified)?;
        let inside = StoreArgs { store: target.to_owned(), ..args.store.clone() };
        if let Some(foreign) = open::foreign(&inside)? {
            // The file's bytes were counted.
            let bytes = verified.checked.bytes;
            verified.findings.extend(foreign.verify(None, args.quick, &mut verified.checked)?);
            verified.checked.bytes = bytes;
        }
    }
    Ok(())
}

/// The checkpoints that an object holds.
fn verify_inside(path: &Path, args: &VerifyArgs, bar: &Bar, verified: &mut Verified) -> Result<()> {
    let store = match ObjectStore::open(path, Backend::Sqlite) {
        Ok(store) => store,
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => {
            verified.findings.push(Finding { target: path.display().to_string(), error });
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let store = open::with_identities(Box::new(store), &args.store.key)?;
    let mut verifier = Verifier::new(store.as_ref(), args.quick);
    verifier.store(bar)?;
    verified.take(verifier);
    Ok(())
}

fn report(store: Option<&dyn Store>, verified: &Verified, duration_ms: u64, output: &Output) -> Result<()> {
    let Verified { findings, unread, checked, .. } = verified;
    let failures: Vec<_> = unread
        .iter()
        .map(|Finding { target, error }| {
            json!({ "target": target, "kind": error.kind().name(), "message": error.to_string() })
        })
        .collect();
    let documents: Vec<_> = findings
        .iter()
        .map(|finding| {
            let kind = match finding.error.kind() {
                ErrorKind::Corrupt(damage) => damage.name(),
                _ => Damage::Malformed.name(),
            };
            let contrast = finding.error.contrast();
            json!({
                "target": finding.target,
                "kind": kind,
                "expected": contrast.map(|(expected, _)| expected),
                "actual": contrast.map(|(_, actual)| actual),
                "detail": finding.error.to_string(),
                "hint": finding.error.next_step(),
            })
        })
        .collect();
    let document = json!({
        "ok": findings.is_empty() && unread.is_empty(),
        "checked": {
            "checkpoints": checked.checkpoints,
            "chunks": checked.chunks,
            "bytes": checked.bytes,
            "unopened_checkpoints": checked.unopened_checkpoints,
        },
        "findings": documents,
        "failed": failures,
        "duration_ms": duration_ms,
    });
    let document = match store {
        Some(store) => {
            tell(store, output);
            with_requests(document, store)
        }
        None => document,
    };
    output.result(&document, || {
        let mut text = String::new();
        for finding in findings {
            text.push_str(&format!("DAMAGED {}\n  {}\n", finding.target, finding.error));
            if let Some(hint) = finding.error.next_step() {
                text.push_str(&format!("  hint: {hint}\n"));
            }
        }
        let verdict = match (findings.len(), unread.len()) {
            (0, 0) if checked.unopened_checkpoints > 0 => "what lies there is as it was written".to_owned(),
            (0, 0) => "all is as it was written".to_owned(),
            (0, _) => "what could be read is as it was written".to_owned(),
            (1, _) => "1 finding".to_owned(),
            (count, _) => format!("{count} findings"),
        };
        let verdict = match unread.len() {
            0 => verdict,
            count => format!("{verdict}, {count} could not be read"),
        };
        text.push_str(&format!(
            "{verdict}: {} checkpoints, {} chunks, {} read in {}\n",
            show_count(checked.checkpoints),
            show_count(checked.chunks),
            show_size(checked.bytes),
            show_duration(duration_ms)
        ));
        if checked.unopened_checkpoints > 0 {
            text.push_str(&format!(
                "NOT CHECKED: the content of {} sealed checkpoints; only stored bytes were compared with their \
                 hashes. Who has the key checks more, with --identity FILE\n",
                show_count(checked.unopened_checkpoints)
            ));
        }
        text
    })
}
