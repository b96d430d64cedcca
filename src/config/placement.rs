//! The table `placement`: what decides where checkpoints go.
//!
//! ```toml
//! [placement]
//! rule = "budget"                  # or "hybrid"; what follows changes single numbers of it
//! row_bytes_end = "1MiB"
//! warn_bytes = "50MiB"
//! chunk_bytes = "100MiB"
//! overflow_raw_bytes = "500MiB"
//! overflow_stored_bytes = "1MiB"
//! raw_bytes_end = "2GiB"
//! ```

use dotctl_engine::placement::PlacementPolicy;

use super::document::Section;
use crate::cli::PlacementRule;

/// The policy: `rule` if it is given, else the section's, with the section's numbers.
pub fn read(section: &Section<'_, '_>, rule: Option<PlacementRule>) -> PlacementPolicy {
    let own = section.choice("rule", &["budget", "hybrid"]).map(|name| match name.value {
        "hybrid" => PlacementRule::Hybrid,
        _ => PlacementRule::Budget,
    });
    let mut policy = match rule.or(own).unwrap_or(PlacementRule::Budget) {
        PlacementRule::Budget => PlacementPolicy::BUDGET,
        PlacementRule::Hybrid => PlacementPolicy::HYBRID,
    };
    let changes = [
        ("row_bytes_end", &mut policy.row_bytes_end),
        ("warn_bytes", &mut policy.warn_bytes),
        ("chunk_bytes", &mut policy.chunk_bytes),
        ("overflow_raw_bytes", &mut policy.overflow_raw_bytes),
        ("overflow_stored_bytes", &mut policy.overflow_stored_bytes),
        ("raw_bytes_end", &mut policy.raw_bytes_end),
    ];
    for (name, number) in changes {
        if let Some(size) = section.size(name) {
            *number = size.value;
        }
    }
    section.finish();
    policy
}
