//! An object's state as lines, and lines as its state.

mod batch;
mod build;
mod form;
mod full_text;
mod insertion;
mod keep;
mod scan;
mod schema;
mod touched;
mod tracking;
mod watch;

pub use build::{Build, STATISTICS_TABLE, is_runtimes};
pub use form::quoted;
pub use full_text::{FullTexts, may_show_nothing};
pub use scan::{Scan, ScannedTable};
pub use schema::{ENTRIES_TABLE, METADATA_TABLE, Schema, drop_all, is_runtimes_name};
pub use touched::TouchedScan;
pub use tracking::{Tracked, forget, go_on_from, is_tracked, pause, resume};
pub use watch::{WatchedForm, put_away, triggers, unwatch, watch};
