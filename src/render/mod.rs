//! For people: tables, bars, histograms, trees of facts.

mod bar;
pub mod budget;
pub mod database;
mod entries;
pub mod estimate;
mod histogram;
mod key_values;
mod limits;
pub mod live;
mod look;
mod name;
pub mod objects;
pub mod plan;
pub mod plan_page;
mod plan_trace;
pub mod state;
pub mod store;
mod table;

pub use bar::Bar;
pub use entries::counted;
pub use look::Look;
pub use name::{escape, shorten_middle};
pub use table::{Align, facts, fitted, shorten, table};
