//! Columns of texts: which coding suits them.

use std::collections::HashMap;

use super::SLOT;
use super::integers::Integers;
use super::node::Node;
use super::number::{DIGITS_MAX, parse_digits};

/// Patterns, and texts in a dictionary, that may be looked at before their share of the column counts.
const ENTRIES_FREE: usize = 16;

/// Runs of digits in one text; a text with more is no pattern.
const RUNS_MAX: usize = 16;

/// Columns of digits, of all patterns together.
const DIGIT_COLUMNS_MAX: usize = 256;

/// The column of `texts` in the coding that takes the least.
pub fn texts(texts: &[&[u8]]) -> Node {
    let mut best = plainly(texts);
    if let Some(node) = dictionary(texts) {
        best = best.or(node);
    }
    if let Some(node) = patterns(texts) {
        best = best.or(node);
    }
    best
}

fn plainly(texts: &[&[u8]]) -> Node {
    Node::plain(texts).or(Node::front(texts))
}

/// Whether so many different entries among `seen` texts are too many.
fn too_many(entries: usize, seen: usize, share: usize) -> bool {
    entries > ENTRIES_FREE + seen / share
}

/// Which of the different texts each is.
fn dictionary(texts: &[&[u8]]) -> Option<Node> {
    let mut known: HashMap<&[u8], i64> = HashMap::new();
    let (mut entries, mut which) = (Vec::new(), Vec::with_capacity(texts.len()));
    for (seen, text) in texts.iter().enumerate() {
        let next = entries.len() as i64;
        let entry = *known.entry(text).or_insert(next);
        if entry == next {
            entries.push(*text);
        }
        which.push(entry);
        if too_many(entries.len(), seen, 2) {
            return None;
        }
    }
    (entries.len() < texts.len()).then(|| Node::Dictionary {
        count: entries.len(),
        entries: Box::new(plainly(&entries)),
        which: Integers::new(which),
    })
}

/// Texts with numbers in them: what is around the numbers, and columns of those.
fn patterns(texts: &[&[u8]]) -> Option<Node> {
    let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
    // Of each pattern the column that its first run of digits is in.
    let (mut first_columns, mut which) = (Vec::new(), Vec::with_capacity(texts.len()));
    let mut columns: Vec<Vec<&[u8]>> = Vec::new();
    let (mut pattern, mut runs) = (Vec::new(), Vec::new());
    for (seen, text) in texts.iter().enumerate() {
        cut(text, &mut pattern, &mut runs);
        if runs.len() > RUNS_MAX {
            return None;
        }
        let entry = match known.get(&pattern) {
            Some(entry) => *entry,
            None => {
                let entry = known.len();
                known.insert(pattern.clone(), entry);
                first_columns.push(columns.len());
                columns.resize_with(columns.len() + runs.len(), Vec::new);
                entry
            }
        };
        which.push(entry as i64);
        let first = first_columns.get(entry).copied().unwrap_or(0);
        for (column, run) in columns.iter_mut().skip(first).zip(&runs) {
            column.push(*run);
        }
        if too_many(known.len(), seen, 16) || columns.len() > DIGIT_COLUMNS_MAX {
            return None;
        }
    }
    if columns.is_empty() {
        return None;
    }
    let mut entries: Vec<(Vec<u8>, usize)> = known.into_iter().collect();
    entries.sort_unstable_by_key(|(_, entry)| *entry);
    let entries: Vec<&[u8]> = entries.iter().map(|(pattern, _)| pattern.as_slice()).collect();
    Some(Node::Patterns {
        count: entries.len(),
        entries: Box::new(plainly(&entries)),
        which: Integers::new(which),
        digits: columns.iter().map(|runs| digits(runs)).collect(),
    })
}

/// Cuts the runs of digits out of `text`.
fn cut<'a>(text: &'a [u8], pattern: &mut Vec<u8>, runs: &mut Vec<&'a [u8]>) {
    pattern.clear();
    runs.clear();
    let mut rest = text;
    while let Some(byte) = rest.first() {
        let is_digits = byte.is_ascii_digit();
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit() == is_digits).count();
        let (run, after) = rest.split_at(length);
        if is_digits {
            pattern.push(SLOT);
            runs.push(run);
        } else {
            pattern.extend_from_slice(run);
        }
        rest = after;
    }
}

/// A column of runs of digits.
fn digits(runs: &[&[u8]]) -> Node {
    let plain = |run: &&[u8]| run.len() == 1 || run.first() != Some(&b'0');
    let width = runs.first().map_or(0, |run| run.len());
    let fixed = runs.iter().all(|run| run.len() == width);
    let numbers: Option<Vec<i64>> = runs.iter().map(|run| parse_digits(run)).collect();
    match numbers {
        Some(numbers) if fixed && width <= DIGITS_MAX => {
            Node::Digits { width: width as u8, values: Integers::new(numbers) }
        }
        Some(numbers) if runs.iter().all(plain) => Node::Integers(Integers::new(numbers)),
        _ => match dictionary(runs) {
            Some(node) => plainly(runs).or(node),
            None => plainly(runs),
        },
    }
}
