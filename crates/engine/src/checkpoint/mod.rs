//! Checkpoints: what joins the other rooms into verbs.

mod assemble;
mod chain;
mod content;
mod diff;
mod directory;
mod find;
mod increment;
mod merge;
mod open;
mod run;
mod setting;
mod tracker;

pub use assemble::{Assembler, CheckpointFacts};
pub use chain::{ChainPolicy, Foundation};
pub use content::{ContentHash, StateForm, shape_content};
pub use diff::{Difference, compare_lines, compare_pages, diff_lines, diff_pages};
pub use directory::{DirectoryBuilder, DirectoryCheck, KeyPlace, find_page};
pub use find::{Found, KeyFinder, KeyStep};
pub use increment::{DeltaAssembler, DeltaJoiner, RowChange, write_delta};
pub use merge::{KeyRange, RunMerge, find_line, merge_lines, merge_pages, page_number};
pub use open::{PackReading, index_range};
pub use run::{DICTIONARY_CODEC, PackSink, packed_bytes, read_dictionary, write_dictionary};
pub use setting::codec_setting;
pub use tracker::ChangeTracker;
