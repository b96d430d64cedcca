//! The engine of dotctl inside a Durable Object.
//!
//! Nothing outside an object can read its storage. So this runs in the object: [`Checkpointer`] makes
//! checkpoints of its tables and key-value entries, keeps them in the object's own tables or in R2, lists,
//! verifies, restores and prunes them, in the formats that the command line reads and writes
//! (`docs/FORMAT.md`). `docs/WORKER.md` says how it is built into an object and what it costs.
//!
//! ```text
//! storage (what the runtime offers) -> rows (an object's state as lines, and back)
//! storage -> places (where packs lie) -> chain (checkpoints as lines)
//! rows -> capture (the moment) -> full, increment (what is read of it); chain -> base -> increment
//! capture, full, increment, restore, upload -> checkpointer -> javascript, named -> door
//! ```

mod base;
mod capture;
mod chain;
mod checkpointer;
mod door;
mod full;
mod increment;
mod javascript;
mod named;
mod pace;
mod packed;
mod places;
mod placing;
mod report;
mod restore;
mod rows;
mod storage;
mod upload;

pub use checkpointer::{BucketSetting, Checkpointer, Setting, Where};
pub use door::{Door, door};
pub use dotctl_engine::placement::PlacementPolicy;
pub use dotctl_engine::retention::RetentionPolicy;
pub use dotctl_engine::{Error, ErrorKind};
pub use report::{CheckpointReport, Finding, PruneReport, RestoreReport, VerifyReport};
