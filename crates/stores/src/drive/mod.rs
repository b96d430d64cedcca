//! The engine's verbs, driven by this machine's threads.

mod chain;
mod chunks;
mod compact;
mod copy;
mod diff;
mod directory;
mod events;
mod get;
mod image;
mod increment;
mod inspect;
mod joined;
mod lines;
mod merged;
mod progress;
mod prune;
mod restore;
mod sample;
mod state;
mod trace;
mod tracked;
mod verify;

pub use chunks::load_dictionary;
pub use compact::{CompactSetting, Compacted, compact};
pub use copy::copy;
pub use diff::{Visit, diff_entries, diff_stored};
pub use get::{Got, LineLookup, StoredValue, get_entry, get_value};
pub use image::snapshot_image;
pub use increment::{Increment, increment_image, increment_lines};
pub use inspect::{
    NamespaceReport, StoreReport, check_database, inspect_database, inspect_rows, inspect_state,
    inspect_store,
};
pub use lines::{StoredLines, with_prefix};
pub use progress::{NoProgress, Progress};
pub use prune::{Judged, PruneOutcome, PruneSetting, prune};
pub use restore::{Kept, RestoreForm, Restored, RestoredPart, read_rows, restore, restore_prefix};
pub use sample::{
    CodecReport, SampleKind, SampleReport, SampleSetting, sample_database, sample_file, sample_operator,
};
pub use state::{EntrySource, snapshot_lines};
pub use trace::{TraceSource, trace_log};
pub use tracked::{CurrentLine, increment_tracked};
pub use verify::{Verifier, refuse_first, require_whole};

use dotctl_engine::checkpoint::ChainPolicy;
use dotctl_engine::chunk::{ChunkSize, StoredChunk};
use dotctl_engine::codec::CodecSetting;
use dotctl_engine::id::{Namespace, Time};
use dotctl_engine::image::leaf_keys::LeafKeysPart;

use crate::pipeline::Slot;

/// How a checkpoint is to be made.
#[derive(Debug, Clone)]
pub struct SnapshotSetting {
    /// Whose state it is.
    pub namespace: Namespace,
    /// The clock's reading.
    pub created_at: Time,
    /// How chunks are compressed.
    pub codec: CodecSetting,
    /// How large chunks are.
    pub chunk_size: ChunkSize,
    /// How far a chain may grow.
    pub chain: ChainPolicy,
}

/// The buffers of a chunk on its way into a pack or out of one.
#[derive(Default)]
struct ChunkSlot {
    raw: Vec<u8>,
    stored: StoredChunk,
    leaf_keys: LeafKeysPart,
}

impl Slot for ChunkSlot {
    fn held_bytes(&self) -> usize {
        self.raw.capacity() + self.stored.bytes.capacity()
    }
}
