//! How large a checkpoint will be, and where it will go, before there is one.
//!
//! `formula` knows nothing but counts and means; `sample` extrapolates from chunks that were really
//! compressed; `pieces` says what a checkpoint of a size is made of.

mod formula;
mod pieces;
mod sample;

pub use formula::{DEFAULT_COMPRESSION_RATIO, Shape, Sizes};
pub use pieces::{Backend, Estimate, KV_OVERHEAD_PERCENT_MAX, KV_OVERHEAD_PERCENT_MIN};
pub use sample::{Bounds, CHUNKS_MIN, ChunkFacts, Sample, Scale, choose, extrapolate, rescale};
