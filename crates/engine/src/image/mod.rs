//! Images: a SQLite database as pages, read without SQLite.

pub mod header;
pub mod journal;
mod pages;
pub mod wal;

pub use pages::{PageReader, PageSource};
