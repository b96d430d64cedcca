//! For people: tables, bars, trees of facts.

mod bar;
mod table;

pub use bar::Bar;
pub use table::{Align, facts, shorten, table};
