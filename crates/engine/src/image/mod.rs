//! Images: a SQLite database as pages, read without SQLite.

pub mod btree;
pub mod build;
pub mod geometry;
pub mod header;
pub mod inspect;
pub mod journal;
pub mod key_walk;
pub mod leaf_keys;
pub mod lookup;
mod pages;
pub mod record;
pub mod rows;
pub mod schema;
pub(crate) mod sql;
mod varint;
pub mod wal;

pub use pages::{PageReader, PageSource};
