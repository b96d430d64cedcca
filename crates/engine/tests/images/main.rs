//! Images read here against what SQLite reads in the same files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The tests may use the machine.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod build;
mod damage;
mod directory;
mod lookup;
mod report;
mod rows;
mod support;
