//! `dotctl verify`: reading everything back.

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use dotctl_engine::format::Manifest;
use dotctl_engine::{Damage, Error, ErrorKind, Result};
use dotctl_stores::checksum::{Checksum, checksum_of};
use dotctl_stores::database::is_database;
use dotctl_stores::drive::{Checked, Finding, Verifier, check_database};
use dotctl_stores::reference::find_key;
use dotctl_stores::store::Store;

use super::elapsed_ms;
use super::requests::{tell, with_requests};
use crate::cli::VerifyArgs;
use crate::error::Exit;
use crate::open;
use crate::output::Output;
use crate::render::Bar;
use crate::size::{show_count, show_duration, show_size};

pub fn run(args: &VerifyArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    let bar = Bar::new(output.progress);
    let (findings, checked, store) = match &args.checksum {
        Some(expected) => {
            let (findings, checked) = verify_files(&args.targets, &expected.parse()?)?;
            (findings, checked, None)
        }
        None => verify_checkpoints(args, &bar)?,
    };
    report(store.as_deref(), &findings, checked, elapsed_ms(begun), output)?;
    Ok(if findings.is_empty() { Exit::Done } else { Exit::Found })
}

/// What was found and looked at, and the store, if one was read.
type Verified = (Vec<Finding>, Checked, Option<Box<dyn Store>>);

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

fn verify_checkpoints(args: &VerifyArgs, bar: &Bar) -> Result<Verified> {
    // A store whose marker is damaged is a finding, as any other of its files.
    let store = match open::store(&args.store) {
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => {
            return Ok((vec![Finding { target: args.store.store.clone(), error }], Checked::default(), None));
        }
        opened => opened,
    };
    let targets_are_files =
        !args.targets.is_empty() && args.targets.iter().all(|target| Path::new(target).is_file());
    let store = match store {
        Ok(store) => store,
        Err(_) if targets_are_files => {
            let (findings, checked) = verify_databases(&args.targets)?;
            return Ok((findings, checked, None));
        }
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
            let (findings, checked) = verify_databases(std::slice::from_ref(target))?;
            others.0.extend(findings);
            others.1.bytes += checked.bytes;
        } else {
            verify_manifest_file(&mut verifier, target, bar)?;
        }
    }
    let mut checked = verifier.checked;
    checked.bytes += others.1.bytes;
    let mut findings = verifier.findings;
    findings.extend(others.0);
    Ok((findings, checked, Some(store)))
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

/// Databases: every page of every tree in place.
fn verify_databases(targets: &[String]) -> Result<(Vec<Finding>, Checked)> {
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
        findings.extend(problems.into_iter().map(|error| Finding { target: target.clone(), error }));
    }
    Ok((findings, checked))
}

fn report(
    store: Option<&dyn Store>,
    findings: &[Finding],
    checked: Checked,
    duration_ms: u64,
    output: &Output,
) -> Result<()> {
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
