//! The rows of one table of a database, by the table's name.

use dotctl_engine::Result;
use dotctl_engine::image::PageReader;
use dotctl_engine::image::geometry::{Basics, Geometry, TextEncoding};
use dotctl_engine::image::rows::Rows;
use dotctl_engine::image::schema::{SCHEMA_ROOT, SchemaEntry, TreeKind};

use crate::database::LiveDatabase;

/// A table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    geometry: Geometry,
    root: u32,
}

impl Table {
    /// The table called `name`; `None` where there is none.
    pub fn find(database: &LiveDatabase, name: &str) -> Result<Option<Self>> {
        if database.page_count() == 0 {
            return Ok(None);
        }
        let mut page = vec![0; database.page_bytes() as usize];
        database.read_pages(1, &mut page)?;
        let basics = Basics::parse(&page, database.page_count())?;
        if basics.text_encoding != TextEncoding::Utf8 {
            // workerd writes UTF-8 only: this is no object's.
            return Ok(None);
        }
        let mut rows = Rows::new(basics.geometry, SCHEMA_ROOT);
        while rows.advance(&mut page, |number, into| database.read_pages(number, into))? {
            // A row that cannot be read is `verify`'s to tell, with the database's damage.
            let Ok(entry) = SchemaEntry::parse(rows.payload(), basics.text_encoding) else {
                continue;
            };
            let is_table = matches!(entry.kind, TreeKind::Table | TreeKind::WithoutRowid);
            if is_table && entry.name.eq_ignore_ascii_case(name) && basics.geometry.contains(entry.root) {
                return Ok(Some(Table { geometry: basics.geometry, root: entry.root }));
            }
        }
        Ok(None)
    }

    /// Shows each row's record to `visit`, and the bytes that it has; records of more than
    /// `payload_bytes_max` are not whole.
    pub fn rows(
        &self,
        database: &LiveDatabase,
        payload_bytes_max: u64,
        mut visit: impl FnMut(&[u8], u64) -> Result<()>,
    ) -> Result<()> {
        let mut rows = Rows::new(self.geometry, self.root).with_payload_max(payload_bytes_max);
        let mut page = Vec::new();
        while rows.advance(&mut page, |number, into| database.read_pages(number, into))? {
            visit(rows.payload(), rows.payload_bytes())?;
        }
        Ok(())
    }
}
