//! A database as lines of rows, and lines of rows as a database.
//!
//! Rows are read out of the pages themselves, so that a database in use is no obstacle and nothing is
//! written beside it. What its tables look like is asked of SQLite, which is given the same schema in
//! memory.

mod build;
mod changeset;
mod form;
mod restore;
mod schema;
mod side;
mod source;

use build::build_database;
pub use changeset::RowsChangeset;
pub use restore::{restore_database, restore_database_stream};
pub use side::RowsSide;
pub use source::RowSource;
