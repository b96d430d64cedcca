//! Entries by prefix, by size, and those that expire: the same for a database and a state snapshot.

use dotctl_engine::measure::{ExpiryReport, PrefixReport, SizeBucket};

use super::histogram::histogram;
use super::look::{Look, Tone};
use super::name::escape;
use super::table::{Align, fitted};
use crate::size::{show_count, show_size};

/// Rows shown of a table; the rest is summed up.
pub const ROWS_MAX: usize = 12;

/// How many entries have which prefix, and how large they are.
pub fn prefixes(prefixes: &[PrefixReport], look: Look) -> String {
    if prefixes.is_empty() {
        return String::new();
    }
    let columns = [
        ("PREFIX", Align::Left),
        ("ENTRIES", Align::Right),
        ("KEYS", Align::Right),
        ("VALUES", Align::Right),
        ("MEAN", Align::Right),
        ("P50", Align::Right),
        ("P95", Align::Right),
        ("MAX", Align::Right),
    ];
    let rows = prefixes.iter().take(ROWS_MAX).map(|group| {
        let about = if group.approximate { "~" } else { "" };
        vec![
            match group.prefix.as_deref() {
                Some("") => "(no prefix)".to_owned(),
                Some(prefix) => escape(prefix),
                None => "(others)".to_owned(),
            },
            show_count(group.count),
            show_size(group.key.total_bytes),
            show_size(group.value.total_bytes),
            show_size(group.value.mean_bytes),
            format!("{about}{}", show_size(group.value.p50_bytes)),
            format!("{about}{}", show_size(group.value.p95_bytes)),
            show_size(group.value.max_bytes),
        ]
    });
    let mut text = titled(look, "Entries by prefix", &fitted(&columns, rows.collect(), 0));
    let hidden = prefixes.get(ROWS_MAX..).unwrap_or_default();
    if !hidden.is_empty() {
        let count: u64 = hidden.iter().map(|group| group.count).sum();
        let bytes: u64 = hidden.iter().map(|group| group.key.total_bytes + group.value.total_bytes).sum();
        text += &format!(
            "and {} more with {} entries, {}\n",
            show_count(hidden.len() as u64),
            show_count(count),
            show_size(bytes)
        );
    }
    if prefixes.iter().take(ROWS_MAX).any(|group| group.approximate) {
        text += "~ there were too many prefixes or sizes to count each: up to an eighth less\n";
    }
    text
}

/// How many values have which size.
pub fn sizes(sizes: &[SizeBucket], look: Look) -> String {
    if sizes.is_empty() {
        return String::new();
    }
    titled(look, "Sizes of values", &histogram(sizes, look))
}

/// The entries that expire, in a line.
pub fn expiry(expiry: &ExpiryReport) -> String {
    let mut text = match expiry.expiring_count {
        0 => "no entry expires".to_owned(),
        count => format!(
            "{} entries expire, {} have expired ({})",
            show_count(count),
            show_count(expiry.expired_count),
            show_size(expiry.expired_bytes)
        ),
    };
    if expiry.unexamined_count > 0 {
        text += &format!("; {} too large to tell", show_count(expiry.unexamined_count));
    }
    text
}

/// A table or list under its title, an empty line before it.
pub fn titled(look: Look, title: &str, body: &str) -> String {
    format!("\n{}\n{body}", look.paint(Tone::Title, title))
}

/// A number of things that are called `thing`, or `things` where it is not one.
pub fn counted(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", show_count(count), if count == 1 { "" } else { "s" })
}
