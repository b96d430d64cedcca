//! Native adapters: where dotctl reads state from and keeps checkpoints on this machine, and the
//! threads that drive the engine's verbs.

mod alone;
pub mod base;
#[cfg(feature = "bucket")]
pub mod bucket;
mod buffer;
pub mod checksum;
pub mod database;
mod dictionary;
mod direct;
#[cfg(feature = "bucket")]
pub mod door;
pub mod dotdo;
pub mod drive;
mod durable;
mod edges;
pub mod entries;
pub mod folder;
pub mod guarded;
mod image_file;
pub mod input;
pub mod interrupt;
mod io_error;
pub mod journal;
pub mod local;
pub mod memory;
pub mod object;
pub mod objects;
pub mod persisted;
mod pipeline;
pub mod placed;
pub mod prune;
pub mod reference;
pub mod replay;
pub mod rows;
pub mod sealed;
pub mod source;
pub mod spill;
pub mod store;
pub mod takeover;
pub mod target;

pub use io_error::io_error;
