//! The table `snapshot`: how far a chain of increments may grow.
//!
//! ```toml
//! [snapshot]
//! compact_share = 0.5   # a full checkpoint once the changes take more than this share of the last one
//! compact_runs = 8      # the newest runs of changes are joined once there are as many, 1 to 16
//! ```

use dotctl_engine::checkpoint::ChainPolicy;
use dotctl_engine::format::Manifest;

use super::document::Section;

/// The policy: the default one with the section's numbers.
pub fn read(section: &Section<'_, '_>) -> ChainPolicy {
    let mut policy = ChainPolicy::DEFAULT;
    if let Some(share) = section.number("compact_share") {
        policy.delta_millionths_max = millionths(share.value);
    }
    if let Some(runs) = section.count("compact_runs") {
        match usize::try_from(runs.value).ok().filter(|runs| (1..=Manifest::DELTA_RUNS_MAX).contains(runs)) {
            Some(count) => policy.delta_runs_max = count,
            None => section.note_at(
                runs.spot,
                format!(
                    "`compact_runs` is to be a number from 1 to {}, it is {}",
                    Manifest::DELTA_RUNS_MAX,
                    runs.value
                ),
            ),
        }
    }
    section.finish();
    policy
}

/// A share in millionths: rounded, and past what the number holds as if there were no bound.
pub fn millionths(share: f64) -> u64 {
    (share * 1e6) as u64
}
