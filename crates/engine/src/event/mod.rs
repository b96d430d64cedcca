//! Events: what a log of changes says of entities, and the state that it amounts to.
//!
//! [`EventParser`] takes events out of JSON text, whatever their shape. [`EventRecord`] carries one
//! from there to the others of its entity. [`sort_events`] puts an entity's events into their
//! order, and [`Fold`] makes the entity's state of them. [`SequenceSet`] knows which of a
//! namespace's sequence numbers were there. `docs/REPLAY.md` says what everything means.

mod fold;
mod identity;
mod order;
mod parse;
mod record;
mod sequence;
mod text;
mod time;
mod validate;

pub use fold::{Fold, FoldCount};
pub use identity::{Identity, bucket_of, entity_hash};
pub use order::{Last, sort_events};
pub use parse::{Event, EventKind, EventParser, Item, ParseStop};
pub use record::{EventRecord, KeyRecord};
pub use sequence::SequenceSet;
pub use validate::{collection_entities, validate_entity};
