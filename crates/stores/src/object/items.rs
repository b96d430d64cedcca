//! Reading items, wherever they lie and however they are read.

use dotctl_engine::{Damage, Error, ErrorKind, Result};

use super::layout::{Backend, Head};

/// The items of one state of an object's database.
pub trait Items {
    /// The keys in `backend` that begin with `prefix`, with the bytes that each has.
    fn list(&self, backend: Backend, prefix: &str) -> Result<Vec<(String, u64)>>;

    /// What is said of the item `key` in `backend`.
    fn head(&self, backend: Backend, key: &str) -> Result<Option<Head>>;

    /// Part `number` of the item; `None` if it is not there.
    fn part(&self, key: &str, head: &Head, number: u64) -> Result<Option<Vec<u8>>>;
}

/// What is malformed in a store was damaged there.
pub fn stored(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Malformed | ErrorKind::Missing => error.of_kind(ErrorKind::Corrupt(Damage::Malformed)),
        _ => error,
    }
}

/// What is said of the item `key`.
pub fn find(items: &dyn Items, key: &str) -> Result<Option<Head>> {
    for backend in Backend::ALL {
        if let Some(head) = items.head(backend, key)? {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// The keys that begin with `prefix`, ordered, each once.
pub fn list(items: &dyn Items, prefix: &str) -> Result<Vec<(String, u64)>> {
    let mut keys = Vec::new();
    for backend in Backend::ALL {
        keys.extend(items.list(backend, prefix)?);
    }
    // Stable: of equal keys the one that `find` gives stays.
    keys.sort_by(|(one, _), (other, _)| one.cmp(other));
    keys.dedup_by(|(later, _), (earlier, _)| later == earlier);
    Ok(keys)
}

/// Part `number` of the item, as long as it must be.
pub fn part(items: &dyn Items, key: &str, head: &Head, number: u64) -> Result<Vec<u8>> {
    let what = || format!("part {number}");
    let part = items
        .part(key, head, number)?
        .ok_or_else(|| Error::damaged(Damage::Missing, &what(), head.part_bytes(number), "nothing"))?;
    if part.len() as u64 != head.part_bytes(number) {
        return Err(Error::damaged(Damage::Size, &what(), head.part_bytes(number), part.len()));
    }
    Ok(part)
}

/// All bytes of the item, which the caller has found to be few enough.
pub fn whole(items: &dyn Items, key: &str, head: &Head) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for number in 0..head.part_count() {
        bytes.extend(part(items, key, head, number)?);
    }
    Ok(bytes)
}
