//! Images: a SQLite database as pages, read without SQLite.

mod pages;

pub use pages::{PageReader, PageSource};
