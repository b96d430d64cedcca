//! An object's state as lines, and lines as its state.

mod build;
mod form;
mod scan;
mod schema;
mod watch;

pub use build::{Build, STATISTICS_TABLE, is_runtimes};
pub use form::TableForm;
pub use scan::{Scan, ScannedTable};
pub use schema::{Schema, drop_all};
pub use watch::{put_away, triggers, unwatch, watch};
