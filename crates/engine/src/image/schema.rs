//! The schema: which b-trees a database has and whose they are.

use std::borrow::Cow;

use super::geometry::TextEncoding;
use super::record::{Column, Columns};
use super::sql::TableShape;
use crate::error::{Error, Result};

/// The root page of the schema's own table.
pub const SCHEMA_ROOT: u32 = 1;

/// What a row of the schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TreeKind {
    /// A table with rowids.
    Table,
    /// A table stored as an index.
    WithoutRowid,
    /// A virtual table; its data is in other tables, if anywhere.
    Virtual,
    /// An index, declared or automatic.
    Index,
    /// A view: nothing is stored.
    View,
    /// A trigger: nothing is stored.
    Trigger,
}

/// One row of `sqlite_schema`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaEntry<'a> {
    /// What it describes.
    pub kind: TreeKind,
    /// Its name.
    pub name: Cow<'a, str>,
    /// The table that it belongs to; its own name for a table.
    pub table_name: Cow<'a, str>,
    /// The root page; 0 where nothing is stored.
    pub root: u32,
    /// Columns of a table.
    pub column_count: u32,
    /// A table whose first column is `key TEXT PRIMARY KEY` and whose rows are in the order of
    /// that key's bytes.
    pub by_key_bytes: bool,
}

/// Text of a database as UTF-8; what is no valid text is replaced by U+FFFD.
pub fn text(bytes: &[u8], encoding: TextEncoding) -> Cow<'_, str> {
    let units = |unit: fn([u8; 2]) -> u16| {
        let (pairs, _) = bytes.as_chunks();
        char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
            .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect::<String>()
    };
    match encoding {
        TextEncoding::Utf8 => String::from_utf8_lossy(bytes),
        TextEncoding::Utf16Le => units(u16::from_le_bytes).into(),
        TextEncoding::Utf16Be => units(u16::from_be_bytes).into(),
    }
}

impl<'a> SchemaEntry<'a> {
    /// Reads the schema row whose record is `payload`.
    ///
    /// # Errors
    /// Malformed where its columns are not those of a schema.
    pub fn parse(payload: &'a [u8], encoding: TextEncoding) -> Result<SchemaEntry<'a>> {
        let wrong = |column: &str| Error::malformed(format!("a schema row has no {column}"));
        let mut columns = Columns::of(payload)?;
        let mut text_column = |name: &str| match columns.next() {
            Some(Ok(Column::Text(bytes))) => Ok(text(bytes, encoding)),
            Some(Err(error)) => Err(error),
            _ => Err(wrong(name)),
        };
        let kind = text_column("type")?;
        let name = text_column("name")?;
        let table_name = text_column("table name")?;
        let root = match columns.next().transpose()? {
            Some(Column::Integer(root)) => u32::try_from(root)
                .map_err(|_| Error::malformed(format!("page {root} is no root page")).at(name.as_ref()))?,
            Some(Column::Null) => 0,
            _ => return Err(wrong("root page").at(name.as_ref())),
        };
        let sql = match columns.next().transpose()? {
            Some(Column::Text(bytes)) => text(bytes, encoding),
            _ => Cow::Borrowed(""),
        };
        let shape = TableShape::of(&sql);
        let kind = match kind.as_ref() {
            "table" if shape.is_virtual => TreeKind::Virtual,
            "table" if shape.without_rowid => TreeKind::WithoutRowid,
            "table" => TreeKind::Table,
            "index" => TreeKind::Index,
            "view" => TreeKind::View,
            "trigger" => TreeKind::Trigger,
            other => {
                let shown: String = other.chars().take(40).collect();
                return Err(Error::malformed(format!("\"{shown}\" is no kind of schema row.")));
            }
        };
        Ok(SchemaEntry {
            kind,
            name,
            table_name,
            root,
            by_key_bytes: kind == TreeKind::WithoutRowid && shape.by_key_bytes,
            column_count: match kind {
                TreeKind::Table | TreeKind::WithoutRowid | TreeKind::Virtual => shape.column_count,
                _ => 0,
            },
        })
    }

    /// Whether a b-tree belongs to the entry.
    pub fn has_tree(&self) -> bool {
        self.root != 0 && matches!(self.kind, TreeKind::Table | TreeKind::WithoutRowid | TreeKind::Index)
    }
}
