//! `dotctl get`: one entry of a checkpoint.

use serde_json::value::RawValue;

use dotctl_engine::format::CheckpointKind;
use dotctl_engine::state::shown_key;
use dotctl_engine::{Error, ErrorKind, Result};
use dotctl_stores::drive::{Got, StoredValue, get_entry, get_value};
use dotctl_stores::reference::resolve;

use super::requests::tell_apart;
use crate::cli::{Format, GetArgs};
use crate::error::Exit;
use crate::open;
use crate::output::{Output, print};

pub fn run(args: &GetArgs, output: &Output) -> Result<Exit> {
    let store = open::store(&args.store)?;
    let found = resolve(store.as_ref(), &args.reference)?;
    let text = match found.manifest.kind {
        CheckpointKind::State => {
            let got = explain(get_entry(store.as_ref(), &found.manifest, args.key.as_bytes())?, output);
            got.map(|text| state_entry(text, output.format)).transpose()?
        }
        CheckpointKind::Rows => {
            let got = explain(get_entry(store.as_ref(), &found.manifest, args.key.as_bytes())?, output);
            got.map(|text| row(text, output.format)).transpose()?
        }
        CheckpointKind::Image => {
            let got = explain(get_value(store.as_ref(), &found.manifest, args.key.as_bytes())?, output);
            got.map(|value| stored_value(&value, &args.key, output.format))
        }
    };
    let Some(mut text) = text else {
        return Err(Error::new(
            ErrorKind::Missing,
            format!("no entry has the key {}", shown_key(args.key.as_bytes())),
        )
        .at(found.key.to_string())
        .hint("keys are compared byte for byte; `dotctl inspect` groups the keys by prefix"));
    };
    text.push(b'\n');
    print(&text)?;
    tell_apart(store.as_ref(), output);
    Ok(Exit::Done)
}

/// Tells what the look-up took, and gives what it found.
fn explain<T>(got: Got<T>, output: &Output) -> Option<T> {
    if let Some(damage) = got.directory_damage {
        output
            .warn(&format!("the checkpoint's directory is damaged, its tree was searched instead: {damage}"));
    }
    output.explain(|| format!("read {} chunks", got.chunks_read));
    got.found
}

/// The entry as captured, `["key",{…}]`; as JSON one object, the entry's members behind its key.
fn state_entry(text: Vec<u8>, format: Format) -> Result<Vec<u8>> {
    if format != Format::Json {
        return Ok(text);
    }
    let wrong = |error: serde_json::Error| Error::corrupt(format!("the entry is no JSON: {error}"));
    let (spelled_key, members): (&RawValue, &RawValue) = serde_json::from_slice(&text).map_err(wrong)?;
    let rest = members.get().strip_prefix('{').unwrap_or_default();
    let comma = if rest == "}" { "" } else { "," };
    Ok(format!("{{\"key\":{spelled_key}{comma}{rest}").into_bytes())
}

/// The row as captured, `["key",[…]]`; as JSON one object.
fn row(text: Vec<u8>, format: Format) -> Result<Vec<u8>> {
    if format != Format::Json {
        return Ok(text);
    }
    let (key, values): (&RawValue, &RawValue) = serde_json::from_slice(&text)
        .map_err(|error| Error::corrupt(format!("the row is no JSON: {error}")))?;
    Ok(format!("{{\"key\":{key},\"values\":{values}}}").into_bytes())
}

/// The value stored under a key, as `docs/VALUES.md` spells it; as JSON in one object.
fn stored_value(value: &StoredValue, key: &str, format: Format) -> Vec<u8> {
    let StoredValue { kind, json, value_bytes } = value;
    let key = serde_json::Value::from(key);
    match format {
        Format::Json => {
            format!("{{\"key\":{key},\"type\":\"{kind}\",\"value_bytes\":{value_bytes},\"value\":{json}}}")
                .into_bytes()
        }
        _ => json.clone().into_bytes(),
    }
}
