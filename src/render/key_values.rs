//! What is in an object's key-value storage: the same for a database and a live object.

use dotctl_engine::measure::{AlarmReport, InnerCheckpoint, KeyValueReport};

use super::entries::{ROWS_MAX, expiry, prefixes, sizes, titled};
use super::look::Look;
use super::name::escape;
use super::table::{Align, fitted};
use crate::size::{show_count, show_size};

/// How many entries there are, and which of them expire.
pub fn facts(key_values: &KeyValueReport) -> [(&'static str, String); 2] {
    let entries = format!(
        "{} in _cf_KV: {} of keys, {} of values",
        show_count(key_values.count),
        show_size(key_values.key_bytes),
        show_size(key_values.value_bytes)
    );
    [("entries", entries), ("expiry", expiry(&key_values.expiry))]
}

/// When the object asked to be woken.
pub fn alarm(alarm: Option<&AlarmReport>) -> (&'static str, String) {
    ("alarm", alarm.map_or("none".to_owned(), |alarm| alarm.time.to_string()))
}

/// The entries by prefix, type and size, and the checkpoints among them.
pub fn tables(key_values: &KeyValueReport, look: Look) -> String {
    let mut text = prefixes(&key_values.prefixes, look);
    text += &types(key_values, look);
    text += &sizes(&key_values.sizes, look);
    text += &checkpoints(&key_values.checkpoints, look);
    text
}

fn types(key_values: &KeyValueReport, look: Look) -> String {
    if key_values.types.is_empty() {
        return String::new();
    }
    let columns = [("TYPE OF VALUE", Align::Left), ("ENTRIES", Align::Right), ("VALUES", Align::Right)];
    let rows = key_values
        .types
        .iter()
        .take(ROWS_MAX)
        .map(|found| vec![found.name.to_owned(), show_count(found.count), show_size(found.value_bytes)]);
    let mut text = titled(look, "Entries by type", &fitted(&columns, rows.collect(), 0));
    let hidden = key_values.types.get(ROWS_MAX..).unwrap_or_default();
    if !hidden.is_empty() {
        let count: u64 = hidden.iter().map(|found| found.count).sum();
        text += &format!("and {} more types with {} entries\n", hidden.len(), show_count(count));
    }
    text
}

fn checkpoints(checkpoints: &[InnerCheckpoint], look: Look) -> String {
    if checkpoints.is_empty() {
        return String::new();
    }
    let columns = [
        ("CHECKPOINT INSIDE", Align::Left),
        ("MANIFEST", Align::Left),
        ("CHUNKS", Align::Right),
        ("SIZE", Align::Right),
    ];
    let rows = checkpoints.iter().take(ROWS_MAX).map(|checkpoint| {
        vec![
            checkpoint.id.as_deref().map_or("(others)".to_owned(), escape),
            if checkpoint.has_manifest { "yes" } else { "missing" }.to_owned(),
            show_count(checkpoint.chunk_count),
            show_size(checkpoint.value_bytes),
        ]
    });
    let mut text = titled(look, "Checkpoints held inside", &fitted(&columns, rows.collect(), 0));
    let hidden = checkpoints.len().saturating_sub(ROWS_MAX);
    if hidden > 0 {
        text += &format!("and {} more\n", show_count(hidden as u64));
    }
    text
}
