//! Full-text tables (FTS5) on their way back. The runtime lets nobody write the tables in which FTS5 keeps them, so it is
//! FTS5 that is given their rows and settings, and makes the index anew.

use std::cmp::Reverse;
use std::collections::HashMap;

use dotctl_engine::rows::{Definition, FullText, FullTextContent, Module, RowKey, Value, rowid_of};
use dotctl_engine::{Error, ErrorKind, Result};

use super::form::{TableForm, quoted};
use super::insertion::{BATCH_BYTES, Insertion};
use super::schema::is_runtimes_name;
use super::watch::put_away;
use crate::packed::{Reader, Writer};
use crate::storage::{Parameter, Storage};

/// The rows that were in the indexes of tables whose texts are elsewhere, until those are there.
const INDEXED_TABLE: &str = "_dotctl_indexed";

/// The place of the setting that is FTS5's own: of which version the index is.
const VERSION_PLACE: &str = ":version";

const HINT: &str = "nothing was changed; dotctl restore makes a database file of the checkpoint";

/// What FTS5 keeps in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Settings,
    Content,
    /// How many words each row has.
    Sizes,
    Index,
}

/// A full-text table.
struct FullTextTable {
    name: String,
    form: FullText,
}

/// The full-text tables of a database, and the tables in which they are kept.
#[derive(Default)]
pub struct FullTexts {
    tables: Vec<FullTextTable>,
    parts: HashMap<String, (usize, Part)>,
    /// Tables that show what is in the index of one: they have no rows of their own.
    vocabularies: Vec<String>,
    indexed: Writer,
}

impl FullTexts {
    /// Those among `definitions`.
    ///
    /// # Errors
    /// Unsupported, by name, where the runtime has no such virtual table, or no way to put its rows in.
    pub fn of(definitions: &[Definition]) -> Result<Self> {
        let mut all = FullTexts::default();
        let is_made =
            |definition: &&Definition| definition.is_virtual() && !is_runtimes_name(&definition.name);
        for definition in definitions.iter().filter(is_made) {
            let name = definition.name.clone();
            let place = |error: Error| error.at(format!("the definition of {name:?}")).hint(HINT);
            match Module::of(&definition.sql) {
                Some(module) if module.name == "fts5vocab" => all.vocabularies.push(name),
                Some(module) if module.name == "fts5" => {
                    let form = FullText::of(&module.arguments);
                    refuse(&form).map_err(place)?;
                    all.tables.push(FullTextTable { name, form });
                }
                module => {
                    let module = module.map(|module| module.name).unwrap_or_default();
                    return Err(place(Error::unsupported(format!(
                        "a virtual table of the module {module:?}: the runtime lets nobody write the tables in which it \
                         keeps its rows"
                    ))));
                }
            }
        }
        // One may be called as a table of another one would be, and has to be there first.
        all.tables.sort_by_key(|table| Reverse(table.name.len()));
        for (number, FullTextTable { name, form }) in all.tables.iter().enumerate() {
            let mut part = |end: &str, part| all.parts.insert(format!("{name}_{end}"), (number, part));
            part("config", Part::Settings);
            part("data", Part::Index);
            part("idx", Part::Index);
            if form.content == FullTextContent::Own {
                part("content", Part::Content);
            }
            if form.has_sizes {
                part("docsize", Part::Sizes);
            }
        }
        Ok(all)
    }

    /// Whether FTS5 makes the table `name`.
    pub fn is_part(&self, name: &str) -> bool {
        self.parts.contains_key(name)
    }

    /// Whether `key` is of what FTS5 makes by itself of the rest, so that it may come out otherwise: tables and their
    /// definitions, the index, and counts of words.
    pub fn is_derived(&self, key: &RowKey<'_>) -> bool {
        match key {
            RowKey::Definition(kind, name) => *kind == "table" && self.is_part(name),
            RowKey::Row(table, place) => match self.parts.get(&**table) {
                Some((_, Part::Index | Part::Sizes)) => true,
                Some((_, Part::Settings)) => *place == VERSION_PLACE,
                Some((_, Part::Content)) | None => false,
            },
            RowKey::Database => false,
        }
    }

    /// Whether all rows of the table `name` are [`Self::is_derived`].
    pub fn is_derived_table(&self, name: &str) -> bool {
        matches!(self.parts.get(name), Some((_, Part::Index | Part::Sizes)))
    }

    /// How rows of `form` are put in, if they are a full-text table's.
    pub fn insertion(&self, storage: &Storage, form: &TableForm) -> Result<Option<Insertion>> {
        let Some((number, part)) = self.parts.get(&form.name) else {
            return Ok(None);
        };
        let Some(FullTextTable { name, .. }) = self.tables.get(*number) else {
            return Ok(None);
        };
        let columns = match part {
            Part::Content => {
                std::iter::once("rowid".to_owned()).chain(columns(storage, name)?).collect::<Vec<_>>()
            }
            _ => vec![quoted(name), "rank".into()],
        };
        Ok(Some(Insertion::through(form.clone(), name, &columns, HINT)))
    }

    /// Makes the virtual tables, once all others are there.
    pub fn make(&self, storage: &Storage, definitions: &[Definition]) -> Result<()> {
        let tables = self.tables.iter().map(|table| &table.name).chain(&self.vocabularies);
        for name in tables {
            for definition in definitions.iter().filter(|found| found.is_virtual() && found.name == *name) {
                storage.execute(&definition.sql, &[]).map_err(|error| {
                    // A tokenizer that the runtime does not have, for instance.
                    error.of_kind(ErrorKind::Unsupported).at(format!("the definition of {name:?}")).hint(HINT)
                })?;
            }
        }
        if self.tables.iter().any(FullTextTable::gets_rows_back) {
            put_away(storage, INDEXED_TABLE)?;
            let columns = "number INTEGER, place INTEGER, sizes BLOB, PRIMARY KEY (number, place)";
            let create = format!("CREATE TABLE IF NOT EXISTS {INDEXED_TABLE} ({columns}) WITHOUT ROWID");
            storage.execute(&create, &[])?;
        }
        Ok(())
    }

    /// Takes a row that [`Self::is_derived`].
    pub fn derived(
        &mut self,
        storage: &Storage,
        table: &str,
        place: &str,
        values: &[Value<'_>],
    ) -> Result<()> {
        let Some((number, Part::Sizes)) = self.parts.get(table) else {
            return Ok(());
        };
        if self.tables.get(*number).is_some_and(FullTextTable::gets_rows_back) {
            let rowid = rowid_of(place).ok_or_else(|| Error::corrupt("a row's key has no rowid"))?;
            let sizes = values.iter().find_map(|value| match value {
                Value::Blob(sizes) => Some(&**sizes),
                _ => None,
            });
            self.indexed.count(0);
            self.indexed.count(3);
            self.indexed.text(&number.to_string());
            self.indexed.text(&rowid.to_string());
            self.indexed.blob(sizes.unwrap_or_default());
            if self.indexed.len() >= BATCH_BYTES {
                self.flush(storage)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, storage: &Storage) -> Result<()> {
        let insert =
            format!("INSERT INTO {INDEXED_TABLE} VALUES (CAST(? AS INTEGER), CAST(? AS INTEGER), ?)");
        storage.run(&[insert], self.indexed.as_bytes())?;
        self.indexed.clear();
        Ok(())
    }

    /// Makes the indexes of what is elsewhere, once that is there, and has FTS5 check all.
    pub fn finish(&mut self, storage: &Storage) -> Result<()> {
        self.flush(storage)?;
        for (number, table) in self.tables.iter().enumerate() {
            let made = table.index(storage, number).and_then(|is_whole| table.check(storage, is_whole));
            made.map_err(|error| {
                let place = format!("the index of {:?}", table.name);
                error.of_kind(ErrorKind::Unsupported).at(place).hint(HINT)
            })?;
        }
        put_away(storage, INDEXED_TABLE)
    }
}

/// Whether the virtual table that `sql` makes has no rows of its own, but shows those of another, which may be gone.
pub fn may_show_nothing(sql: &str) -> bool {
    Module::of(sql).is_some_and(|module| match module.name.as_str() {
        "fts5vocab" => true,
        "fts5" => matches!(FullText::of(&module.arguments).content, FullTextContent::Of { .. }),
        _ => false,
    })
}

/// Refuses what FTS5 itself cannot be given.
fn refuse(form: &FullText) -> Result<()> {
    if form.content == FullTextContent::None {
        return Err(Error::unsupported(
            "a full-text table without content (content=''): the texts of which its index was made are nowhere",
        ));
    }
    match form.has_locale {
        true => Err(Error::unsupported(
            "a full-text table with a locale for each text (locale=1), which cannot be put in again",
        )),
        false => Ok(()),
    }
}

impl FullTextTable {
    /// Whether its index is made of texts that are elsewhere, of the rows that it had.
    fn gets_rows_back(&self) -> bool {
        self.form.has_sizes && matches!(self.form.content, FullTextContent::Of { .. })
    }

    /// Makes the index, where FTS5 was not given the texts, and says whether it is that of all texts. Where it is
    /// known which rows were in it these are: triggers may have left others out.
    fn index(&self, storage: &Storage, number: usize) -> Result<bool> {
        let FullTextContent::Of { table, rowid } = &self.form.content else {
            return Ok(true);
        };
        if !self.form.has_sizes {
            self.command(storage, "'rebuild'", "NULL")?;
            return Ok(true);
        }
        let indexed = format!("SELECT 1 FROM {INDEXED_TABLE} WHERE number = {number}");
        if storage.number(&format!("SELECT EXISTS ({indexed})"), &[])? == 0 {
            return Ok(false);
        }
        let (content, rowid) = (quoted(table), format!("T.{}", quoted(rowid)));
        let named = columns(storage, &self.name)?;
        let texts: String = named.iter().map(|column| format!(", T.{column}")).collect();
        let insert = format!(
            "INSERT INTO {} (rowid, {}) SELECT {rowid}{texts} FROM {content} AS T \
             WHERE EXISTS ({indexed} AND place = {rowid}) ORDER BY {rowid}",
            quoted(&self.name),
            named.join(", "),
        );
        storage.execute(&insert, &[])?;
        let sizes = quoted(&format!("{}_docsize", self.name));
        // Triggers that index something else than the columns would take out of the index what is not in it.
        let differs = format!(
            "SELECT EXISTS (SELECT 1 FROM {INDEXED_TABLE} AS I JOIN {sizes} AS D ON D.id = I.place \
             WHERE I.number = {number} AND D.sz IS NOT I.sizes)"
        );
        if storage.number(&differs, &[])? != 0 {
            return Err(Error::unsupported(format!(
                "it was made of other texts than {content} has, and those are nowhere"
            )));
        }
        let is_whole = format!("SELECT (SELECT count(*) FROM {sizes}) = (SELECT count(*) FROM {content})");
        Ok(storage.number(&is_whole, &[])? != 0)
    }

    /// Has FTS5 look whether all is in step; also with texts that are elsewhere, if the index is that of all of them.
    fn check(&self, storage: &Storage, is_whole: bool) -> Result<()> {
        self.command(storage, "'integrity-check'", if is_whole { "1" } else { "0" })
    }

    fn command(&self, storage: &Storage, command: &str, argument: &str) -> Result<()> {
        let name = quoted(&self.name);
        storage.execute(&format!("INSERT INTO {name} ({name}, rank) VALUES ({command}, {argument})"), &[])
    }
}

/// The columns of a full-text table, as SQL.
fn columns(storage: &Storage, name: &str) -> Result<Vec<String>> {
    let told =
        storage.query("SELECT name FROM pragma_table_info(?) ORDER BY cid", &[Parameter::Text(name)])?;
    let mut reader = Reader::new(&told);
    let mut columns = Vec::new();
    while let Some(column) = reader.next()? {
        columns.push(quoted(column.text()?));
    }
    Ok(columns)
}
