//! What operators have: by formula, from data, or from a checkpoint.

use std::collections::HashMap;
use std::path::PathBuf;

use dotctl_engine::budget::Used;
use dotctl_engine::format::CheckpointKind;
use dotctl_engine::image::inspect::DatabaseReport;
use dotctl_engine::{Error, ErrorKind, Result};
use dotctl_stores::drive::inspect_database;
use dotctl_stores::reference::resolve;

use crate::cli::{BucketArgs, StoreArgs};
use crate::config::{Config, Measured, OperatorDeclaration};
use crate::open;
use crate::output::Output;
use crate::render::Bar;

/// What an operator has, and how that is known.
#[derive(Debug, Clone, Copy)]
pub struct Measurement {
    pub used: Used,
    pub source: &'static str,
}

/// Databases that were read, so that each is read once.
type Databases = HashMap<PathBuf, DatabaseReport>;

/// What every operator of every object has, in the order of the configuration.
pub fn all(config: &Config, output: &Output) -> Result<Vec<Vec<Measurement>>> {
    let mut databases = Databases::new();
    let mut of_objects = Vec::new();
    for object in &config.objects {
        let mut of_operators = Vec::new();
        for operator in &object.operators {
            let measured = one(config, operator, &mut databases, output).map_err(|error| {
                error.at(format!(
                    "{}, line {}, operator {}.{}",
                    config.path.display(),
                    operator.spot.line,
                    object.name,
                    operator.name
                ))
            })?;
            of_operators.push(measured);
        }
        of_objects.push(of_operators);
    }
    Ok(of_objects)
}

fn one(
    config: &Config,
    operator: &OperatorDeclaration,
    databases: &mut Databases,
    output: &Output,
) -> Result<Measurement> {
    match &operator.measured {
        Measured::Formula(shape) => {
            let sizes = shape.sizes();
            let used = Used {
                count: shape.entries(),
                raw_bytes: sizes.raw_bytes,
                compressed_bytes: sizes.compressed_bytes,
            };
            Ok(Measurement { used, source: "formula" })
        }
        Measured::Sample { path, entries } => {
            let used = super::super::sample::used(&config.resolve(path), *entries, output)?;
            Ok(Measurement { used, source: "sample" })
        }
        Measured::Database { path, prefix, compression_ratio } => {
            let path = config.resolve(path);
            let report = match databases.entry(path.clone()) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(free) => {
                    let now = open::now()?.unix_ms();
                    free.insert(inspect_database(&path, now, &Bar::new(output.progress))?)
                }
            };
            let used = below_prefix(report, prefix, *compression_ratio)
                .map_err(|error| error.at(path.display().to_string()))?;
            Ok(Measurement { used, source: "database" })
        }
        Measured::Checkpoint { store, reference, entries } => {
            let is_url = store.contains("://");
            let store = if is_url { store.clone() } else { config.resolve(store).display().to_string() };
            let bucket = BucketArgs { endpoint_url: None, region: None, max_requests_per_second: None };
            let store = open::store(&StoreArgs { store, overflow: None, bucket })?;
            let found = resolve(store.as_ref(), reference)?;
            let manifest = &found.manifest;
            let counted = (manifest.kind == CheckpointKind::State).then_some(manifest.record_count);
            let used = Used {
                // Pages are no entries.
                count: entries.or(counted).unwrap_or(0),
                raw_bytes: manifest.raw_bytes,
                compressed_bytes: manifest.stored_bytes(),
            };
            Ok(Measurement { used, source: "checkpoint" })
        }
    }
}

/// The entries of `_cf_KV` whose keys begin with `prefix`, which is one of those that a report tells apart, or
/// nothing for all of them.
fn below_prefix(report: &DatabaseReport, prefix: &str, compression_ratio: f64) -> Result<Used> {
    let groups = report.key_values.as_ref().map(|found| &*found.prefixes).unwrap_or_default();
    let mut used = Used::default();
    for group in groups.iter().filter(|group| prefix.is_empty() || group.prefix.as_deref() == Some(prefix)) {
        used.count += group.count;
        let bytes = group.key.total_bytes.saturating_add(group.value.total_bytes);
        used.raw_bytes = used.raw_bytes.saturating_add(bytes);
    }
    if used.count == 0 && !groups.is_empty() && !prefix.is_empty() {
        let known: Vec<&str> = groups.iter().filter_map(|group| group.prefix.as_deref()).take(8).collect();
        return Err(Error::new(ErrorKind::Missing, format!("no key begins with `{prefix}`"))
            .hint(format!("set `prefix` to one of those there are: {}", known.join(", "))));
    }
    used.compressed_bytes = (used.raw_bytes as f64 * compression_ratio).ceil() as u64;
    Ok(used)
}
