//! Names that people give to checkpoints.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::id::{CheckpointId, Namespace, Time};

/// A name for checkpoints. One name may stand for several, of different namespaces for instance.
///
/// It is spelled in a store as a namespace is, and is no other way to name a checkpoint: not
/// `latest`, not the beginning of an id, not a time, without `@`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Namespace);

/// Fewest digits of an id that are taken for one.
pub const ID_DIGITS_MIN: usize = 4;

impl Tag {
    /// Takes a name that names no checkpoint otherwise.
    ///
    /// # Errors
    /// Malformed, where it is one of those, or no namespace could have it.
    pub fn new(name: &str) -> Result<Self> {
        let refused = |why: &str| {
            Err(Error::malformed(format!("`{name}` cannot be a tag: {why}"))
                .hint("take a word, as in `dotctl tag latest before-migration`"))
        };
        if name.is_empty() || name.chars().any(char::is_control) {
            return refused("it is empty or has a control character");
        }
        if name == "latest" || name.contains('@') {
            return refused("`latest` and `@` have a meaning of their own");
        }
        if is_id_prefix(name) || name.parse::<Time>().is_ok() {
            return refused("it looks like an id or a time");
        }
        match Namespace::new(name) {
            Ok(spelled) => Ok(Tag(spelled)),
            Err(_) => refused("it is too long"),
        }
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name as one path component, as [`Namespace::encoded`] spells it.
    pub fn encoded(&self) -> String {
        self.0.encoded()
    }

    /// Reads what [`Tag::encoded`] wrote, and nothing else.
    pub fn decode(component: &str) -> Result<Self> {
        Tag::new(Namespace::decode(component)?.as_str())
    }
}

/// Whether `name` may be the beginning of an id, as references take it.
pub fn is_id_prefix(name: &str) -> bool {
    name.len() >= ID_DIGITS_MIN
        && name.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Tag {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Tag::new(name)
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// That a checkpoint has a tag. Ordered by tag, then by id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tagged {
    /// The name.
    pub tag: Tag,
    /// Who has it.
    pub checkpoint: CheckpointId,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tag_is_no_other_reference() {
        for name in ["latest", "a@b", "beef", "0123", "12", "2026-01-31T12:00:00Z", "", "a\nb"] {
            assert!(Tag::new(name).is_err(), "{name}");
        }
        assert!(Tag::new(&"é".repeat(43)).is_err());
        for name in ["v1", "abc", "before migration/7", ".x", "Beef"] {
            let tag = Tag::new(name).unwrap();
            assert_eq!(Tag::decode(&tag.encoded()).unwrap(), tag);
        }
        assert!(Tag::decode("beef").is_err());
    }
}
