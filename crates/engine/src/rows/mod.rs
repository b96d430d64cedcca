//! Rows: a database as its schema and its rows, each a line of JSON text with a key that orders it.
//!
//! What SQLite says of a value is kept to the bit; how its pages were laid out is not. `docs/FORMAT.md`
//! describes the lines. Reading a database into lines and lines into a database is the adapters' work:
//! here is how a line is spelled ([`push_line`]), what it says ([`Line`]), what many of them come
//! to ([`RowsSum`]) and what is in them ([`RowsMeasure`]).

mod definition;
mod key;
mod line;
mod measure;
mod parse;
mod sql;
mod sum;
mod virtual_table;

pub use definition::{Definition, OWN_NAMES, SEQUENCE_TABLE, tables_with_rows};
pub use key::{RowKey, RowPlace, push_place, push_rowid, rowid_of, table_prefix};
pub use line::{Value, push_line, spelled_values_bytes};
pub use measure::{ObjectReport, RowsMeasure, RowsReport, TableReport};
pub use parse::Line;
pub use sql::{definition_statement, push_name, push_sql_value};
pub use sum::RowsSum;
pub use virtual_table::{FullText, FullTextContent, Module};
