//! `dotctl.toml`: what a project says about its checkpoints.
//!
//! ```toml
//! [placement]
//! rule = "budget"                  # or "hybrid"; what follows changes single numbers of it
//! row_bytes_end = "1MiB"
//! warn_bytes = "50MiB"
//! chunk_bytes = "100MiB"
//! overflow_raw_bytes = "500MiB"
//! overflow_stored_bytes = "1MiB"
//! raw_bytes_max = "2GiB"
//! ```

use std::path::Path;

use serde::{Deserialize, Deserializer};

use dotctl_engine::placement::PlacementPolicy;
use dotctl_engine::{Error, Result};

use crate::cli::PlacementRule;
use crate::size::parse_size;

/// Where the file is if nobody names another.
pub const DEFAULT_PATH: &str = "dotctl.toml";

/// The file. Its other tables are other commands'.
#[derive(Debug, Default, Deserialize)]
struct Config {
    #[serde(default)]
    placement: Placement,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Placement {
    rule: Option<PlacementRule>,
    row_bytes_end: Option<Size>,
    warn_bytes: Option<Size>,
    chunk_bytes: Option<Size>,
    overflow_raw_bytes: Option<Size>,
    overflow_stored_bytes: Option<Size>,
    raw_bytes_max: Option<Size>,
}

/// A size as people write it: a number of bytes, or text with a unit.
#[derive(Debug, Clone, Copy)]
struct Size(u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Spelled {
            Number(u64),
            Text(String),
        }
        match Spelled::deserialize(deserializer)? {
            Spelled::Number(bytes) => Ok(Size(bytes)),
            Spelled::Text(text) => parse_size(&text).map(Size).map_err(serde::de::Error::custom),
        }
    }
}

/// The second store, if one is named, with the policy that decides what goes there.
pub fn overflow<'s>(
    store: Option<&'s str>,
    path: Option<&Path>,
    rule: Option<PlacementRule>,
) -> Result<Option<(&'s str, PlacementPolicy)>> {
    store.map(|store| Ok((store, placement(path, rule)?))).transpose()
}

/// The policy that decides where checkpoints go: `rule` if it is given, else that of the file at
/// `path`, else the budget's; with the file's numbers in place of the rule's own.
fn placement(path: Option<&Path>, rule: Option<PlacementRule>) -> Result<PlacementPolicy> {
    let file = path.unwrap_or(Path::new(DEFAULT_PATH));
    let config = match std::fs::read_to_string(file) {
        Ok(text) => parse(&text).map_err(|error| error.at(file.display().to_string()))?,
        Err(error) if path.is_none() && error.kind() == std::io::ErrorKind::NotFound => Config::default(),
        Err(error) => return Err(dotctl_stores::io_error("read", file, &error)),
    };
    let own = config.placement;
    let mut policy = match rule.or(own.rule).unwrap_or(PlacementRule::Budget) {
        PlacementRule::Budget => PlacementPolicy::BUDGET,
        PlacementRule::Hybrid => PlacementPolicy::HYBRID,
    };
    let changes = [
        (own.row_bytes_end, &mut policy.row_bytes_end),
        (own.warn_bytes, &mut policy.warn_bytes),
        (own.chunk_bytes, &mut policy.chunk_bytes),
        (own.overflow_raw_bytes, &mut policy.overflow_raw_bytes),
        (own.overflow_stored_bytes, &mut policy.overflow_stored_bytes),
        (own.raw_bytes_max, &mut policy.raw_bytes_max),
    ];
    for (change, number) in changes {
        if let Some(Size(bytes)) = change {
            *number = bytes;
        }
    }
    Ok(policy)
}

fn parse(text: &str) -> Result<Config> {
    toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
        Error::malformed(error.message().to_owned())
            .at(format!("line {line}"))
            .hint("docs/OPERATIONS.md tells what [placement] may say")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn policy(text: &str, rule: Option<PlacementRule>) -> Result<PlacementPolicy> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dotctl.toml");
        std::fs::write(&path, text).unwrap();
        placement(Some(&path), rule)
    }

    #[test]
    fn numbers_take_the_place_of_the_rules_own() {
        assert_eq!(policy("", None).unwrap(), PlacementPolicy::BUDGET);
        assert_eq!(policy("[budget]\nx = 1\n", None).unwrap(), PlacementPolicy::BUDGET);
        assert_eq!(policy("[placement]\nrule = \"hybrid\"\n", None).unwrap(), PlacementPolicy::HYBRID);
        let own = policy(
            "[placement]\noverflow_raw_bytes = \"10MB\"\nrow_bytes_end = 4096\n",
            Some(PlacementRule::Budget),
        );
        let expected = PlacementPolicy {
            overflow_raw_bytes: 10_000_000,
            row_bytes_end: 4096,
            ..PlacementPolicy::BUDGET
        };
        assert_eq!(own.unwrap(), expected);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for text in ["[placement]\nrow_bytes = 1\n", "[placement]\nwarn_bytes = \"much\"\n", "[placement\n"] {
            let error = policy(text, None).unwrap_err();
            assert_eq!(error.kind(), dotctl_engine::ErrorKind::Malformed);
            assert!(error.to_string().contains("line "), "{error}");
        }
        assert!(placement(Some(Path::new("/nothing/here.toml")), None).is_err());
    }
}
