//! Checkpoints: what joins the other rooms into verbs.

mod assemble;
mod content;
mod directory;
mod find;
mod open;
mod run;
mod setting;

pub use assemble::{Assembler, CheckpointFacts};
pub use content::{ContentHash, StateForm};
pub use directory::{DirectoryBuilder, DirectoryCheck, KeyPlace, find_page};
pub use find::{Found, KeyFinder, KeyStep};
pub use open::{PackReading, index_range};
pub use run::PackSink;
pub use run::packed_bytes;
pub use setting::codec_setting;
