//! What entries amount to, whatever holds them: by prefix, by size, near which limits. Memory does
//! not grow with their number.

mod expiry;
mod groups;
mod key_values;
mod object;
mod octaves;
mod sizes;
mod watch;

pub use expiry::ExpiryReport;
pub use groups::{MAX_PREFIX_BYTES, MAX_PREFIX_GROUPS, PrefixGroups, PrefixReport, prefix};
pub(crate) use key_values::{Entry, HEAD_BYTES, KeyValues, MAX_EXAMINED_BYTES};
pub use key_values::{InnerCheckpoint, KeyValueReport, MAX_CHECKPOINTS, TypeReport, ValueFacts};
pub use object::AlarmReport;
pub(crate) use object::{object_limit, object_limits, see_row};
pub(crate) use octaves::Octaves;
pub use octaves::SizeBucket;
pub use sizes::{MAX_DISTINCT_SIZES, SizeSummary};
pub use watch::LimitFinding;
pub(crate) use watch::Watch;
