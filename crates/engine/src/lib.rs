//! The checkpoint engine of dotctl.
//!
//! Formats, codecs and algorithms, and nothing of the machine: no terminal, network, file system,
//! clock, randomness or threads. What a verb needs from outside is handed in, what it produces is
//! handed out, so the same code runs in the command line and inside a Durable Object.
//!
//! The rooms depend on each other in one direction:
//! `id, error, limits, prices -> measure -> codec, format, state, image, value -> chunk -> checkpoint`;
//! beside them `limits, placement, measure -> estimate, budget -> plan` and `state -> event`.

pub mod budget;
pub mod checkpoint;
pub mod chunk;

pub mod codec;
pub mod columnar;
pub mod dotdo;
pub mod error;
pub mod estimate;
pub mod event;
pub mod finding;
pub mod format;
pub mod id;
pub mod image;
pub mod limits;
pub mod measure;
pub mod placement;
pub mod plan;
pub mod prices;
pub mod retention;
pub mod rows;
pub mod state;
pub mod tag;
pub mod value;

pub use error::{Damage, Error, ErrorKind, Result};
