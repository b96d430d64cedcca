//! What there was before, and what grew since.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use dotctl_engine::budget::{Used, growth};
use dotctl_engine::format::CheckpointKind;
use dotctl_engine::{Error, Result};
use dotctl_stores::reference::resolve;

use super::report::{BudgetReport, Growths, OperatorReport};
use crate::cli::StoreArgs;
use crate::open;

/// What objects and operators had: an object by its name, an operator behind that.
pub type Before = HashMap<(String, Option<String>), Used>;

/// What an earlier run printed, as far as it counts.
#[derive(Deserialize)]
struct Printed {
    objects: Vec<PrintedObject>,
}

#[derive(Deserialize)]
struct PrintedObject {
    name: String,
    operator_count: u64,
    raw_bytes: u64,
    compressed_bytes: u64,
    operators: Vec<PrintedOperator>,
}

#[derive(Deserialize)]
struct PrintedOperator {
    name: String,
    entries: u64,
    raw_bytes: u64,
    compressed_bytes: u64,
}

/// Reads the baseline: a file that `budget --format json` printed, or a checkpoint in the store, which stands for the
/// object or the operator whose name is its namespace,
/// or whose own checkpoint is of it.
pub fn read(baseline: &str, store: &StoreArgs, report: &BudgetReport) -> Result<Before> {
    let path = Path::new(baseline);
    if path.is_file() {
        return printed(path);
    }
    let store = open::store(store).map_err(|error| {
        let hint = "give a file that `dotctl budget --format json` printed, or a checkpoint and its --store";
        error.hint(hint)
    })?;
    let found = resolve(store.as_ref(), baseline)?;
    let (namespace, manifest) = (found.manifest.namespace.as_str(), &found.manifest);
    let used =
        |count| Used { count, raw_bytes: manifest.raw_bytes, compressed_bytes: manifest.stored_bytes() };
    let entries = if manifest.kind == CheckpointKind::State { manifest.record_count } else { 0 };
    let mut before = Before::new();
    for object in &report.objects {
        // The class of `<class>/<object id>` is the object's kind too.
        if [Some(namespace), namespace.split('/').next()].contains(&Some(&object.name)) {
            before.insert((object.name.clone(), None), used(0));
        }
        let is_of = |operator: &&OperatorReport| {
            operator.name == namespace || operator.namespace.as_deref() == Some(namespace)
        };
        for operator in object.operators.iter().filter(is_of) {
            before.insert((object.name.clone(), Some(operator.name.clone())), used(entries));
        }
    }
    if before.is_empty() {
        return Err(Error::malformed(format!(
            "no object or operator has the name `{namespace}`, of which {baseline} is"
        ))
        .hint("a checkpoint is a baseline for what has the name of its namespace"));
    }
    Ok(before)
}

fn printed(path: &Path) -> Result<Before> {
    let text = std::fs::read(path).map_err(|error| dotctl_stores::io_error("read", path, &error))?;
    let printed: Printed = serde_json::from_slice(&text).map_err(|error| {
        Error::malformed(format!("this is no report of `dotctl budget --format json`: {error}"))
            .at(path.display().to_string())
    })?;
    let mut before = Before::new();
    for object in printed.objects {
        let used = |count, raw_bytes, compressed_bytes| Used { count, raw_bytes, compressed_bytes };
        for operator in object.operators {
            let had = used(operator.entries, operator.raw_bytes, operator.compressed_bytes);
            before.insert((object.name.clone(), Some(operator.name)), had);
        }
        let had = used(object.operator_count, object.raw_bytes, object.compressed_bytes);
        before.insert((object.name, None), had);
    }
    Ok(before)
}

/// Notes in `report` what grew since `before`, and what grew by more than `allowed` percent.
pub fn compare(report: &mut BudgetReport, name: &str, before: &Before, allowed: Option<f64>) {
    let growths = |before: &Used, now: Used| Growths {
        count: growth(before.count, now.count, allowed),
        raw_bytes: growth(before.raw_bytes, now.raw_bytes, allowed),
        compressed_bytes: growth(before.compressed_bytes, now.compressed_bytes, allowed),
    };
    for object in &mut report.objects {
        let now = Used {
            count: object.operator_count,
            raw_bytes: object.raw_bytes,
            compressed_bytes: object.compressed_bytes,
        };
        object.growth = before.get(&(object.name.clone(), None)).map(|before| growths(before, now));
        for operator in &mut object.operators {
            let now = Used {
                count: operator.entries,
                raw_bytes: operator.raw_bytes,
                compressed_bytes: operator.compressed_bytes,
            };
            let key = (object.name.clone(), Some(operator.name.clone()));
            operator.growth = before.get(&key).map(|before| growths(before, now));
        }
    }
    report.baseline = Some(name.to_owned());
    report.growth_percent_max = allowed;
    report.settle();
}
