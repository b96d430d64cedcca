//! `dotctl verify`: reading everything back.

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use dotctl_engine::format::Manifest;
use dotctl_engine::{Damage, Error, ErrorKind, Result};
use dotctl_stores::checksum::{Checksum, checksum_of};
use dotctl_stores::database::is_database;
use dotctl_stores::dotdo::Foreign;
use dotctl_stores::drive::{Checked, Finding, Verifier, check_database};
use dotctl_stores::reference::find_key;

use super::{elapsed_ms, foreign};
use crate::cli::{StoreArgs, VerifyArgs};
use crate::error::Exit;
use crate::open;
use crate::output::Output;
use crate::render::Bar;
use crate::size::{show_count, show_duration, show_size};

pub fn run(args: &VerifyArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    let bar = Bar::new(output.progress);
    let (findings, checked) = match &args.checksum {
        Some(expected) => verify_files(&args.targets, &expected.parse()?)?,
        None => verify_checkpoints(args, &bar)?,
    };
    report(&findings, checked, elapsed_ms(begun), output)?;
    Ok(if findings.is_empty() { Exit::Done } else { Exit::Found })
}

fn verify_files(targets: &[String], expected: &Checksum) -> Result<(Vec<Finding>, Checked)> {
    let mut findings = Vec::new();
    let mut checked = Checked::default();
    for target in targets {
        let (actual, bytes) = checksum_of(expected.algorithm, Path::new(target))?;
        checked.bytes += bytes;
        if actual != *expected {
            let error = Error::damaged(Damage::Checksum, "the file", expected, actual);
            findings.push(Finding { target: target.clone(), error });
        }
    }
    Ok((findings, checked))
}

fn verify_checkpoints(args: &VerifyArgs, bar: &Bar) -> Result<(Vec<Finding>, Checked)> {
    if let Some(foreign) = open::foreign(&args.store)? {
        return verify_foreign(args, &foreign);
    }
    // A store whose marker is damaged is a finding, as any other of its files.
    let store = match open::store(&args.store) {
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => {
            return Ok((vec![Finding { target: args.store.store.clone(), error }], Checked::default()));
        }
        opened => opened,
    };
    let targets_are_files =
        !args.targets.is_empty() && args.targets.iter().all(|target| Path::new(target).is_file());
    let store = match store {
        Ok(store) => store,
        Err(_) if targets_are_files => return verify_databases(&args.targets, &args.store),
        Err(error) => return Err(error),
    };
    let mut verifier = Verifier::new(store.as_ref(), args.quick);
    let mut others = (Vec::new(), Checked::default());
    if args.targets.is_empty() {
        verifier.store(bar)?;
    }
    for target in &args.targets {
        let path = Path::new(target);
        if !path.is_file() {
            let key = find_key(store.as_ref(), target)?;
            verifier.checkpoint(&key, bar)?;
        } else if is_database(path)? {
            let (findings, checked) = verify_databases(std::slice::from_ref(target), &args.store)?;
            others.0.extend(findings);
            add(&mut others.1, checked);
        } else {
            verify_manifest_file(&mut verifier, target, bar)?;
        }
    }
    let mut checked = verifier.checked;
    add(&mut checked, others.1);
    let mut findings = verifier.findings;
    findings.extend(others.0);
    Ok((findings, checked))
}

fn add(sum: &mut Checked, more: Checked) {
    sum.checkpoints += more.checkpoints;
    sum.chunks += more.chunks;
    sum.bytes += more.bytes;
}

/// The checkpoints that TypeScript wrote: all, or those that are named; and databases.
fn verify_foreign(args: &VerifyArgs, foreign: &Foreign) -> Result<(Vec<Finding>, Checked)> {
    let mut checked = Checked::default();
    if args.targets.is_empty() {
        let findings = foreign::verify(foreign, None, &mut checked)?;
        return Ok((findings, checked));
    }
    let mut findings = Vec::new();
    for target in &args.targets {
        if let Some(found) = foreign.catalogue().find(target)? {
            findings.extend(foreign::verify(foreign, Some(found), &mut checked)?);
        } else if Path::new(target).is_file() {
            let (more, of_file) = verify_databases(std::slice::from_ref(target), &args.store)?;
            findings.extend(more);
            add(&mut checked, of_file);
        } else {
            return Err(foreign::missing(target));
        }
    }
    Ok((findings, checked))
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
    let manifest = match id {
        Some(id) => Manifest::read(id, &bytes),
        None => Manifest::parse(&bytes),
    };
    verifier.checked.checkpoints += 1;
    match manifest {
        Ok(manifest) => verifier.manifest(&manifest, bar),
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

/// Databases: every page of every tree in place, and each checkpoint inside.
fn verify_databases(targets: &[String], store: &StoreArgs) -> Result<(Vec<Finding>, Checked)> {
    let mut findings = Vec::new();
    let mut checked = Checked::default();
    for target in targets {
        let path = Path::new(target);
        if !is_database(path)? {
            return Err(no_target(target));
        }
        let problems = match check_database(path) {
            Ok((problems, bytes)) => {
                checked.bytes += bytes;
                problems
            }
            // Too damaged to be walked.
            Err(error) if Exit::of(error.kind()) != Exit::Failed => vec![error],
            Err(error) => return Err(error),
        };
        let is_sound = problems.is_empty();
        findings.extend(problems.into_iter().map(|error| Finding { target: target.clone(), error }));
        // In a damaged database its own damage is what there is to tell.
        if is_sound {
            let inside = StoreArgs { store: target.clone(), ..store.clone() };
            if let Some(foreign) = open::foreign(&inside)? {
                let bytes = checked.bytes;
                findings.extend(foreign::verify(&foreign, None, &mut checked)?);
                // The file's bytes were counted.
                checked.bytes = bytes;
            }
        }
    }
    Ok((findings, checked))
}

fn report(findings: &[Finding], checked: Checked, duration_ms: u64, output: &Output) -> Result<()> {
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
            })
        })
        .collect();
    let document = json!({
        "ok": findings.is_empty(),
        "checked": {
            "checkpoints": checked.checkpoints,
            "chunks": checked.chunks,
            "bytes": checked.bytes,
        },
        "findings": documents,
        "duration_ms": duration_ms,
    });
    output.result(&document, || {
        let mut text = String::new();
        for finding in findings {
            text.push_str(&format!("DAMAGED {}\n  {}\n", finding.target, finding.error));
        }
        let verdict = match findings.len() {
            0 => "all is as it was written".to_owned(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        };
        text.push_str(&format!(
            "{verdict}: {} checkpoints, {} chunks, {} read in {}\n",
            show_count(checked.checkpoints),
            show_count(checked.chunks),
            show_size(checked.bytes),
            show_duration(duration_ms)
        ));
        text
    })
}
