//! Native adapters: where dotctl reads state from and keeps checkpoints on this machine, and the
//! threads that drive the engine's verbs.

pub mod checksum;
pub mod database;
pub mod drive;
pub mod folder;
mod io_error;
pub mod objects;
mod pipeline;
pub mod reference;
pub mod source;
pub mod store;
pub mod target;

pub use io_error::io_error;
