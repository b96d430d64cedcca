//! Chunks: stretches of records, compressed by themselves.
//!
//! A chunk is the unit of decoding, checking and random access. Where one ends depends on the
//! records alone, so that equal stretches of two checkpoints become equal chunks.

mod border;
mod directory;
mod size;
mod state;
mod store;

pub use border::{PackBorder, RecordBorder};
pub use directory::DirectoryChunker;
pub use size::ChunkSize;
pub use state::{RawState, StateChunker};
pub use store::{ChunkReader, ChunkWriter, StoredChunk, raw_bytes};
