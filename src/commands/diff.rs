//! `dotctl diff`: what differs between two checkpoints of a store.

use std::time::Instant;

use serde::Serialize;
use serde_json::value::RawValue;

use dotctl_engine::checkpoint::{Difference, page_number};
use dotctl_engine::format::CheckpointKind;
use dotctl_engine::id::CheckpointId;
use dotctl_engine::rows::RowKey;
use dotctl_engine::state::split_line;
use dotctl_engine::{Error, Result};
use dotctl_stores::drive::{diff_entries, diff_stored};
use dotctl_stores::reference::{Found, resolve};
use dotctl_stores::rows::{RowsChangeset, RowsSide};
use dotctl_stores::store::Store;

use super::foreign::{self, Named};
use super::requests::{requests_of, tell, tell_apart};
use super::sink::Sink;
use super::{elapsed_ms, short_id};
use crate::cli::{DiffArgs, DiffForm, Format};
use crate::error::Exit;
use crate::output::Output;
use crate::render::{Align, Bar, escape, fitted, shorten_middle, table};
use crate::size::{show_count, show_duration};

/// Changes that are shown unless another number is given: to people, and as JSON.
const SHOWN_DEFAULT: (u64, u64) = (20, 1000);

/// Bytes of changes that one JSON object has at most.
const CHANGES_BYTES_MAX: usize = 8 << 20;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    State,
    Rows,
    Pages,
}

pub fn run(args: &DiffArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    let (store, old) = match foreign::resolve_in(&args.store, &args.old)? {
        Named::Native(store, found) => (store, found),
        Named::Foreign(_, found) => {
            return Err(Error::unsupported("checkpoints that TypeScript wrote are not compared")
                .at(found.id)
                .hint("`dotctl copy` brings them into a store of ours"));
        }
    };
    let store = store.as_ref();
    let new = resolve(store, &args.new)?;
    let unit = unit(args, &old, &new)?;
    let lines = args.form == Some(DiffForm::Ndjson);
    let to_stdout = args.changeset.as_deref().is_some_and(|path| path.as_os_str() == "-");
    if lines && to_stdout {
        return Err(Error::malformed("both the changes and the changeset would go to stdout")
            .hint("name a file: --changeset FILE"));
    }
    if args.changeset.is_some() && unit == Unit::Pages {
        return Err(Error::unsupported("there is no changeset of pages").hint("leave out --pages"));
    }
    let default = if output.format == Format::Json { SHOWN_DEFAULT.1 } else { SHOWN_DEFAULT.0 };
    let mut found = FoundChanges::new(unit, if lines { 0 } else { args.limit.unwrap_or(default) });
    let mut printed = Sink::stdout();
    let mut changeset = args.changeset.as_deref().map(|path| Sink::to(path, args.force)).transpose()?;
    let bar = Bar::new(output.progress && !lines && !to_stdout);
    let mut count = |one: Difference<'_>| {
        let text = found.take(&one)?;
        match lines {
            true => printed.write(format!("{}\n", text.map_or_else(|| spell(unit, &one), Ok)?).as_bytes()),
            false => Ok(()),
        }
    };
    compare(store, unit, &old, &new, changeset.as_mut(), &mut count, &bar)?;
    printed.finish()?;
    if let Some(changeset) = changeset {
        changeset.finish()?;
    }
    let differ = found.added + found.modified + found.deleted > 0;
    if lines || to_stdout {
        tell_apart(store, output);
    } else {
        tell(store, output);
        let document = DiffDocument {
            old: old.id(),
            new: new.id(),
            unit,
            added: found.added,
            modified: found.modified,
            deleted: found.deleted,
            tables: (unit == Unit::Rows).then_some(&found.tables),
            changes: &found.changes,
            changes_cut: found.is_cut(),
            duration_ms: elapsed_ms(begun),
            requests: requests_of(store),
        };
        output.result(&document, || human(&found, &old, &new, elapsed_ms(begun)))?;
    }
    Ok(if differ { Exit::Found } else { Exit::Done })
}

#[derive(Serialize)]
struct DiffDocument<'a> {
    old: CheckpointId,
    new: CheckpointId,
    unit: Unit,
    added: u64,
    modified: u64,
    deleted: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tables: Option<&'a Vec<TableCount>>,
    changes: &'a [Box<RawValue>],
    changes_cut: bool,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<serde_json::Value>,
}

fn unit(args: &DiffArgs, old: &Found, new: &Found) -> Result<Unit> {
    use CheckpointKind::{Image, State};
    let kinds = (old.manifest.kind, new.manifest.kind);
    match (kinds, args.pages) {
        ((Image, Image), true) if old.manifest.page_bytes == new.manifest.page_bytes => Ok(Unit::Pages),
        ((Image, Image), true) => {
            Err(Error::unsupported("their pages have two sizes").hint("leave out --pages"))
        }
        (_, true) => {
            Err(Error::unsupported("only two checkpoints of kind image have pages").hint("leave out --pages"))
        }
        ((State, State), false) => Ok(Unit::State),
        ((State, _) | (_, State), false) => Err(Error::unsupported(format!(
            "one checkpoint is of kind {} and the other of kind {}",
            kinds.0.name(),
            kinds.1.name()
        ))
        .hint("state is compared with state, a database with a database")),
        _ => Ok(Unit::Rows),
    }
}

fn compare(
    store: &dyn Store,
    unit: Unit,
    old: &Found,
    new: &Found,
    changeset: Option<&mut Sink>,
    count: &mut dyn FnMut(Difference<'_>) -> Result<()>,
    bar: &Bar,
) -> Result<()> {
    let (old, new) = (&old.manifest, &new.manifest);
    if unit != Unit::Rows {
        let mut changeset = changeset;
        let mut visit = |one: Difference<'_>| {
            if let Some(changeset) = &mut changeset {
                changeset.write(&state_change(&one)?)?;
            }
            count(one)
        };
        return diff_stored(store, old, new, &mut visit, bar);
    }
    let both_stored = (old.kind, new.kind) == (CheckpointKind::Rows, CheckpointKind::Rows);
    let is_equal = old.kind == new.kind && old.content_sha256 == new.content_sha256;
    if is_equal && changeset.is_none() {
        return Ok(());
    }
    let (old_side, new_side) = (RowsSide::open(store, old, bar)?, RowsSide::open(store, new, bar)?);
    let mut write = changeset.map(|changeset| move |bytes: &[u8]| changeset.write(bytes));
    let mut statements = match &mut write {
        Some(write) => Some(RowsChangeset::begin(store, &old_side, &new_side, write, bar)?),
        None => None,
    };
    let mut visit = |one: Difference<'_>| {
        if let Some(statements) = &mut statements {
            statements.add(&one)?;
        }
        count(one)
    };
    match both_stored {
        true => diff_stored(store, old, new, &mut visit, bar)?,
        false => {
            let (mut old, mut new) = (old_side.lines(b"", bar)?, new_side.lines(b"", bar)?);
            diff_entries(old.as_mut(), new.as_mut(), &mut visit, bar)?;
        }
    }
    match statements {
        Some(statements) => statements.finish(&new_side, bar),
        None => Ok(()),
    }
}

/// A line of a changeset of state: `{"put":["key",{…}]}` or `{"delete":"key"}`.
fn state_change(one: &Difference<'_>) -> Result<Vec<u8>> {
    Ok(match (one.old, one.new) {
        (_, Some(line)) => [b"{\"put\":", line, b"}\n"].concat(),
        (Some(line), None) => [b"{\"delete\":", split_line(line)?.0, b"}\n"].concat(),
        (None, None) => Vec::new(),
    })
}

fn name_of(one: &Difference<'_>) -> &'static str {
    match (one.old, one.new) {
        (None, _) => "added",
        (_, None) => "deleted",
        _ => "modified",
    }
}

/// A change as a JSON object.
fn spell(unit: Unit, one: &Difference<'_>) -> Result<String> {
    let change = name_of(one);
    if unit == Unit::Pages {
        return Ok(format!("{{\"change\":\"{change}\",\"page\":{}}}", page_number(one.key)?));
    }
    let text = |bytes| {
        std::str::from_utf8(bytes).map_err(|_| Error::corrupt("a checkpoint has a line that is not UTF-8"))
    };
    let (mut key, mut values) = ("null", ["null"; 2]);
    for (line, value) in [one.old, one.new].into_iter().zip(&mut values) {
        if let Some(line) = line {
            let (spelled, rest) = split_line(line)?;
            (key, *value) = (text(spelled)?, text(rest)?);
        }
    }
    let table = match unit {
        Unit::Rows => match RowKey::parse(one.key)? {
            RowKey::Row(table, _) => format!("\"table\":{},", serde_json::Value::from(table.into_owned())),
            _ => String::new(),
        },
        _ => String::new(),
    };
    let [old, new] = values;
    Ok(format!("{{\"change\":\"{change}\",{table}\"key\":{key},\"old\":{old},\"new\":{new}}}"))
}

/// What differs in one table.
#[derive(Debug, Serialize)]
struct TableCount {
    table: String,
    added: u64,
    modified: u64,
    deleted: u64,
}

/// The changes counted, and the first of them.
struct FoundChanges {
    unit: Unit,
    limit: u64,
    added: u64,
    modified: u64,
    deleted: u64,
    tables: Vec<TableCount>,
    changes: Vec<Box<RawValue>>,
    changes_bytes: usize,
}

impl FoundChanges {
    fn new(unit: Unit, limit: u64) -> Self {
        FoundChanges {
            unit,
            limit,
            added: 0,
            modified: 0,
            deleted: 0,
            tables: Vec::new(),
            changes: Vec::new(),
            changes_bytes: 0,
        }
    }

    fn is_cut(&self) -> bool {
        self.changes.len() as u64 != self.added + self.modified + self.deleted
    }

    /// Counts the change, and gives its JSON where it is one of those that are kept.
    fn take(&mut self, one: &Difference<'_>) -> Result<Option<String>> {
        let was_cut = self.is_cut();
        let numbers = match name_of(one) {
            "added" => (1, 0, 0),
            "deleted" => (0, 0, 1),
            _ => (0, 1, 0),
        };
        self.added += numbers.0;
        self.modified += numbers.1;
        self.deleted += numbers.2;
        if self.unit == Unit::Rows
            && let RowKey::Row(table, _) = RowKey::parse(one.key)?
        {
            // The rows of a table follow each other.
            if self.tables.last().is_none_or(|last| last.table != table) {
                let table = table.into_owned();
                self.tables.push(TableCount { table, added: 0, modified: 0, deleted: 0 });
            }
            if let Some(last) = self.tables.last_mut() {
                last.added += numbers.0;
                last.modified += numbers.1;
                last.deleted += numbers.2;
            }
        }
        if was_cut || self.changes.len() as u64 >= self.limit {
            return Ok(None);
        }
        let text = spell(self.unit, one)?;
        if self.changes_bytes.saturating_add(text.len()) > CHANGES_BYTES_MAX {
            return Ok(Some(text));
        }
        self.changes_bytes += text.len();
        let raw = RawValue::from_string(text.clone())
            .map_err(|error| Error::corrupt(format!("a checkpoint has a line that is no JSON: {error}")))?;
        self.changes.push(raw);
        Ok(Some(text))
    }
}

fn human(found: &FoundChanges, old: &Found, new: &Found, duration_ms: u64) -> String {
    let shown_side = |found: &Found| {
        format!("{} of {}, {}", short_id(found.id()), found.manifest.namespace, found.manifest.created_at)
    };
    let mut text = format!("from {}\nto   {}\n", shown_side(old), shown_side(new));
    let total = found.added + found.modified + found.deleted;
    if total == 0 {
        return text + "no difference\n";
    }
    let records = match found.unit {
        Unit::State => "entries",
        Unit::Rows => "rows and definitions",
        Unit::Pages => "pages",
    };
    text += &format!(
        "{} {records} added, {} modified, {} deleted, compared in {}\n\n",
        show_count(found.added),
        show_count(found.modified),
        show_count(found.deleted),
        show_duration(duration_ms)
    );
    if found.tables.len() > 1 {
        let columns = [
            ("TABLE", Align::Left),
            ("ADDED", Align::Right),
            ("MODIFIED", Align::Right),
            ("DELETED", Align::Right),
        ];
        let rows = found.tables.iter().map(|one| {
            let counts = [one.added, one.modified, one.deleted].map(show_count);
            [vec![shorten_middle(&escape(&one.table), 40)], counts.to_vec()].concat()
        });
        text += &(table(&columns, rows) + "\n");
    }
    if found.changes.is_empty() {
        return text;
    }
    let columns = [("CHANGE", Align::Left), ("KEY", Align::Left), ("VALUE", Align::Left)];
    let rows = found.changes.iter().map(|change| shown(change.get())).collect();
    text += &fitted(&columns, rows, 2);
    let more = total.saturating_sub(found.changes.len() as u64);
    if more > 0 {
        text += &format!("and {} more; --limit N shows more, --as ndjson all\n", show_count(more));
    }
    text
}

/// Columns of a key in a table.
const KEY_COLUMNS_MAX: usize = 28;

/// A change as a row of a table.
fn shown(change: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Shown<'a> {
        change: &'a str,
        #[serde(default)]
        page: Option<u32>,
        #[serde(borrow, default)]
        key: Option<&'a RawValue>,
        #[serde(borrow, default)]
        old: Option<&'a RawValue>,
        #[serde(borrow, default)]
        new: Option<&'a RawValue>,
    }
    let Ok(one) = serde_json::from_str::<Shown<'_>>(change) else { return Vec::new() };
    let key = match (one.page, one.key) {
        (Some(page), _) => format!("page {page}"),
        (None, key) => serde_json::from_str::<String>(key.map_or("", RawValue::get))
            .unwrap_or_else(|_| key.map_or(String::new(), |key| key.get().to_owned())),
    };
    let value = match (one.old.map(RawValue::get), one.new.map(RawValue::get)) {
        (Some(old), Some(new)) => contrast(old, new),
        (Some(only), None) | (None, Some(only)) => {
            escape(&only.chars().take(VALUE_CHARACTERS_MAX).collect::<String>())
        }
        (None, None) => String::new(),
    };
    vec![one.change.to_owned(), shorten_middle(&escape(&key), KEY_COLUMNS_MAX), value]
}

/// Characters of a value that are looked at: more never fit.
const VALUE_CHARACTERS_MAX: usize = 80;

/// Where two values begin to differ, with what lies before it.
fn contrast(old: &str, new: &str) -> String {
    const BEFORE: usize = 8;
    let common = old.chars().zip(new.chars()).take_while(|(one, other)| one == other).count();
    let skipped = common.saturating_sub(BEFORE);
    let part = |text: &str| {
        let dots = if skipped > 0 { "…" } else { "" };
        let part: String = text.chars().skip(skipped).take(VALUE_CHARACTERS_MAX).collect();
        shorten_middle(&format!("{dots}{}", escape(&part)), 18)
    };
    format!("{} → {}", part(old), part(new))
}
