//! What operators have: by formula, from data, or from a checkpoint.

use dotctl_engine::Result;
use dotctl_engine::budget::Used;
use dotctl_engine::format::CheckpointKind;
use dotctl_stores::reference::resolve;

use crate::cli::{BucketArgs, IdentityArgs, StoreArgs};
use crate::config::{Config, Measured, OperatorDeclaration};
use crate::open;
use crate::output::Output;

/// What an operator has, and how that is known.
#[derive(Debug, Clone)]
pub struct Measurement {
    pub used: Used,
    pub source: &'static str,
    /// The namespace of the checkpoint that it is from.
    pub namespace: Option<String>,
}

/// What every operator of every object has, in the order of the configuration.
pub fn all(config: &Config, output: &Output) -> Result<Vec<Vec<Measurement>>> {
    let mut of_objects = Vec::new();
    for object in &config.objects {
        let mut of_operators = Vec::new();
        for operator in &object.operators {
            let measured = one(config, operator, output).map_err(|error| {
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

fn one(config: &Config, operator: &OperatorDeclaration, output: &Output) -> Result<Measurement> {
    match &operator.measured {
        Measured::Formula(shape) => {
            let sizes = shape.sizes();
            let used = Used {
                count: shape.entries(),
                raw_bytes: sizes.raw_bytes,
                compressed_bytes: sizes.compressed_bytes,
            };
            Ok(Measurement { used, source: "formula", namespace: None })
        }
        Measured::Sample { path, entries } => {
            let used = super::super::sample::used(&config.resolve(path), *entries, output)?;
            Ok(Measurement { used, source: "sample", namespace: None })
        }
        Measured::Database { path, prefix } => {
            let used = super::super::sample::used_by_operator(&config.resolve(path), prefix, output)?;
            Ok(Measurement { used, source: "database", namespace: None })
        }
        Measured::Checkpoint { store, reference, entries } => {
            let is_url = store.contains("://");
            let store = if is_url { store.clone() } else { config.resolve(store).display().to_string() };
            let bucket = BucketArgs { endpoint_url: None, region: None, max_requests_per_second: None };
            let store =
                open::store(&StoreArgs { store, overflow: None, key: IdentityArgs::default(), bucket })?;
            let found = resolve(store.as_ref(), reference)?;
            let manifest = &found.manifest;
            let counted = (manifest.kind == CheckpointKind::State).then_some(manifest.record_count);
            let used = Used {
                // Pages are no entries.
                count: entries.or(counted).unwrap_or(0),
                raw_bytes: manifest.raw_bytes,
                compressed_bytes: manifest.stored_bytes(),
            };
            let namespace = Some(manifest.namespace.as_str().to_owned());
            Ok(Measurement { used, source: "checkpoint", namespace })
        }
    }
}
