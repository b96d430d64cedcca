//! Triggers that keep something of each row before it is first changed: its values, or only what tells it apart.
//!
//! Only a statement's own conflict clause counts inside its triggers ("ON CONFLICT", SQLite's language
//! reference), so nothing here relies on `OR IGNORE`. Rows that a statement replaces fire no trigger of
//! theirs, so what is in the way of a new row is kept before it comes.

use super::form::{Identity, TableForm, quoted};

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// All values, and whether the row was there.
    Values,
    /// What tells the row apart.
    Keys,
}

/// A table beside another one, in which that is kept.
#[derive(Debug)]
pub struct Keeper<'a> {
    form: &'a TableForm,
    /// The table's name; those of its triggers begin with it.
    pub name: String,
    keeping: Keeping,
}

/// What the names of the triggers end with.
pub const EVENTS: [&str; 5] = ["inserting", "inserted", "updating", "updated", "deleting"];

impl<'a> Keeper<'a> {
    /// The table `name`, which keeps of the rows of `form`.
    pub fn new(form: &'a TableForm, name: String, keeping: Keeping) -> Self {
        Keeper { form, name, keeping }
    }

    /// The statement that makes the table.
    pub fn creation(&self) -> String {
        let Keeper { form, name, keeping } = self;
        let existed = |behind: &str| match keeping {
            Keeping::Values => format!("existed INTEGER{behind}"),
            Keeping::Keys => String::new(),
        };
        match &form.identity {
            Identity::Rowid(_) => {
                let columns: String = self.columns().iter().map(|column| format!(", {column}")).collect();
                let existed = existed("");
                let existed = if existed.is_empty() { existed } else { format!(", {existed}") };
                format!("CREATE TABLE {name} (place INTEGER PRIMARY KEY{existed}{columns})")
            }
            Identity::Key(key) => {
                let collated = |column: &String| {
                    let collation = key.iter().find(|(position, _)| *column == format!("c{position}"));
                    let collation =
                        collation.map_or(String::new(), |(_, name)| format!(" COLLATE {}", quoted(name)));
                    format!("{column}{collation}")
                };
                let columns: Vec<String> = self.columns().iter().map(collated).collect();
                let primary: Vec<String> = key.iter().map(|(column, _)| format!("c{column}")).collect();
                format!(
                    "CREATE TABLE {name} ({}{}, PRIMARY KEY ({})) WITHOUT ROWID",
                    existed(", "),
                    columns.join(", "),
                    primary.join(", ")
                )
            }
        }
    }

    /// The columns that stand for those of the table, in their order.
    fn columns(&self) -> Vec<String> {
        let all = self.form.kept_columns();
        match (self.keeping, &self.form.identity) {
            (Keeping::Values, _) => all,
            (Keeping::Keys, Identity::Rowid(_)) => Vec::new(),
            (Keeping::Keys, Identity::Key(_)) => all
                .into_iter()
                .enumerate()
                .filter(|(at, _)| self.form.is_key(*at))
                .map(|(_, column)| column)
                .collect(),
        }
    }

    /// What is kept of the row at `source`.
    fn row(&self, source: &str) -> Vec<String> {
        let named = self.form.named_columns();
        let place = match &self.form.identity {
            Identity::Rowid(name) => Some(format!("{source}{name}")),
            Identity::Key(_) => None,
        };
        let existed = (self.keeping == Keeping::Values).then(|| "1".to_owned());
        let has_values = self.keeping == Keeping::Values;
        let columns = named.iter().enumerate().filter(|(at, _)| has_values || self.form.is_key(*at));
        place.into_iter().chain(existed).chain(columns.map(|(_, name)| format!("{source}{name}"))).collect()
    }

    /// The same of a row that was not there, which is `NEW` now.
    fn absent(&self) -> Vec<String> {
        if self.keeping == Keeping::Keys {
            return self.row("NEW.");
        }
        let named = self.form.named_columns();
        let place = match &self.form.identity {
            Identity::Rowid(name) => Some(format!("NEW.{name}")),
            Identity::Key(_) => None,
        };
        let columns = named.iter().enumerate().map(|(at, name)| match self.form.is_key(at) {
            true => format!("NEW.{name}"),
            false => "NULL".into(),
        });
        place.into_iter().chain(["0".to_owned()]).chain(columns).collect()
    }

    /// The statement that keeps every row there is.
    pub fn copy(&self) -> String {
        format!(
            "INSERT INTO {} SELECT {} FROM {}",
            self.name,
            self.row("").join(", "),
            quoted(&self.form.name)
        )
    }

    /// Whether the row at `source` is kept already. What is kept has no affinity, and `+` takes it from the
    /// other side, too: else the table of what is kept would be searched row by row.
    fn is_kept(&self, source: &str) -> String {
        let named = self.form.named_columns();
        let same = match &self.form.identity {
            Identity::Rowid(name) => format!("place = {source}{name}"),
            Identity::Key(key) => {
                let names = key.iter().filter_map(|(column, _)| Some((column, named.get(*column)?)));
                let equal: Vec<String> =
                    names.map(|(column, name)| format!("c{column} = +{source}{name}")).collect();
                equal.join(" AND ")
            }
        };
        format!("EXISTS (SELECT 1 FROM {} WHERE {same})", self.name)
    }

    /// The statements that make the triggers.
    pub fn triggers(&self) -> Vec<String> {
        let Keeper { form, name: kept, .. } = self;
        let (table, named) = (quoted(&form.name), form.named_columns());
        // A column that is dropped and added again leaves a schema that is the same to the letter, and rows that are not;
        // but only if the last one was dropped, and nobody can drop what a trigger names.
        let last = named.last().map_or(String::new(), |last| format!(" AND (OLD.{last} IS NULL OR 1)"));
        let keep_old = format!(
            "INSERT INTO {kept} SELECT {} WHERE NOT {}{last};",
            self.row("OLD.").join(", "),
            self.is_kept("OLD.")
        );
        // A row that was not there: of what tells it apart as much as is needed.
        let keep_absent = format!(
            "INSERT INTO {kept} SELECT {} WHERE NOT {};",
            self.absent().join(", "),
            self.is_kept("NEW.")
        );
        // What a row with NEW's values would replace.
        let same_identity = match &form.identity {
            Identity::Rowid(name) => format!("{table}.{name} = NEW.{name}"),
            Identity::Key(key) => {
                let names =
                    key.iter().filter_map(|(column, collation)| Some((named.get(*column)?, collation)));
                let equal: Vec<String> = names
                    .map(|(name, collation)| {
                        format!("{table}.{name} = NEW.{name} COLLATE {}", quoted(collation))
                    })
                    .collect();
                equal.join(" AND ")
            }
        };
        let same_unique = form.uniques.iter().map(|unique| {
            let equal: Vec<String> = unique
                .iter()
                .map(|(name, collation)| {
                    format!("{table}.{0} = NEW.{0} COLLATE {1}", quoted(name), quoted(collation))
                })
                .collect();
            equal.join(" AND ")
        });
        let prefix = format!("{table}.");
        let keep_in_the_way: String = std::iter::once(same_identity)
            .chain(same_unique)
            .map(|same| {
                format!(
                    "INSERT INTO {kept} SELECT {} FROM {table} WHERE {same} AND NOT {};",
                    self.row(&prefix).join(", "),
                    self.is_kept(&prefix)
                )
            })
            .collect();
        // An action of a foreign key may change the new row before AFTER UPDATE is told of it.
        let is_there = match &form.identity {
            Identity::Rowid(name) => format!("NEW.{name} IS NOT NULL"),
            Identity::Key(key) => {
                let names = key.iter().filter_map(|(column, _)| named.get(*column));
                names.map(|name| format!("NEW.{name} IS NOT NULL")).collect::<Vec<_>>().join(" AND ")
            }
        };
        let keep_absent_first = format!("{} AND {is_there};", keep_absent.trim_end_matches(';'));
        let updating = format!("{keep_old}{keep_in_the_way}{keep_absent_first}");
        let bodies = [
            ("BEFORE INSERT", &keep_in_the_way),
            ("AFTER INSERT", &keep_absent),
            ("BEFORE UPDATE", &updating),
            ("AFTER UPDATE", &keep_absent),
            ("BEFORE DELETE", &keep_old),
        ];
        let trigger = |(ending, (event, body)): (&str, (&str, &String))| {
            format!("CREATE TRIGGER {kept}_{ending} {event} ON {table} BEGIN {body} END")
        };
        EVENTS.into_iter().zip(bodies).map(trigger).collect()
    }
}
