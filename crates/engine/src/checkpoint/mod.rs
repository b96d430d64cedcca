//! Checkpoints: what joins the other rooms into verbs.

mod assemble;
mod content;
mod find;
mod open;
mod setting;

pub use assemble::{Assembler, CheckpointFacts, PackSink};
pub use content::{ContentHash, StateForm};
pub use find::{Found, KeyFinder, KeyStep};
pub use open::{PackReading, index_range};
pub use setting::codec_setting;
