//! Packs to where they belong: beside the manifest, or, of a checkpoint that is too large for that, into the second
//! place, all of them.

use dotctl_engine::format::layout::pack_key;
use dotctl_engine::format::{Manifest, PackEntry};
use dotctl_engine::placement::Placement;
use dotctl_engine::{Damage, Error, Result};

use crate::chain::Places;
use crate::places::{Marks, Place, Spool};
use crate::storage::Storage;

/// The packs of one checkpoint.
pub struct Placing<'a> {
    places: &'a Places,
    storage: &'a Storage,
    /// Those that were put beside the manifest, while it may turn out that all belong into the second place; each with
    /// whether it was not there before.
    near: Vec<(PackEntry, bool)>,
    raw_bytes: u64,
    stored_bytes: u64,
    /// Whether they go into the second place.
    pub overflows: bool,
    /// Which packs somebody is about to remove from a bucket.
    marks: Marks,
}

impl<'a> Placing<'a> {
    /// Nothing yet; for changes to a checkpoint that overflows, `overflows`.
    pub fn new(places: &'a Places, storage: &'a Storage, overflows: bool) -> Self {
        Placing {
            places,
            storage,
            near: Vec::new(),
            raw_bytes: 0,
            stored_bytes: 0,
            overflows,
            marks: Marks::default(),
        }
    }

    /// Takes packs that are whole out of `spool`.
    ///
    /// # Errors
    /// Unsupported where the checkpoint is too large for either place; those of the places.
    pub async fn put(&mut self, spool: &mut Spool) -> Result<()> {
        for pack in std::mem::take(&mut spool.sealed) {
            let stored_bytes = pack.entry.stored_bytes;
            self.raw_bytes = self.raw_bytes.saturating_add(pack.entry.raw_bytes);
            self.stored_bytes = self.stored_bytes.saturating_add(stored_bytes);
            if !self.overflows && self.places.overflow(self.raw_bytes, self.stored_bytes)? {
                self.move_away().await?;
            }
            let key = pack_key(&pack.entry.sha256);
            let place = match &self.places.far {
                Some(far) if self.overflows => far,
                _ => &self.places.near,
            };
            if let Place::Bucket(bucket) = place {
                self.marks.before_pack(bucket, pack.entry.sha256).await?;
            }
            let is_new = place.create(&key, stored_bytes, &pack.source, self.storage).await?;
            spool.forget(&pack)?;
            if self.places.far.is_some() && !self.overflows {
                self.near.push((pack.entry, is_new));
            }
        }
        Ok(())
    }

    /// Makes sure that the packs of `manifest`, all of which lie in one place, are there, and stay.
    ///
    /// # Errors
    /// Corrupt where one is missing; those of the places.
    pub async fn check(&mut self, manifest: &Manifest) -> Result<()> {
        let place = self.places.second(self.overflows).unwrap_or(&self.places.near);
        if let Place::Bucket(bucket) = place {
            self.marks.before_manifest(bucket, manifest.packs().map(|pack| pack.sha256)).await?;
        }
        match place.missing_pack(manifest.packs()).await? {
            None => Ok(()),
            Some(pack) => Err(Error::damaged(Damage::Missing, "the pack", pack.sha256, "nothing")
                .at(place.location())
                .hint("somebody has removed it meanwhile: make the checkpoint again")),
        }
    }

    /// Moves what is there already.
    async fn move_away(&mut self) -> Result<()> {
        self.overflows = true;
        let Some(far) = &self.places.far else {
            return Ok(());
        };
        for (pack, is_new) in std::mem::take(&mut self.near) {
            let key = pack_key(&pack.sha256);
            let there = self.places.near.source(&key).await?;
            let there = there.ok_or_else(|| {
                Error::damaged(Damage::Missing, "the pack", pack.sha256, "nothing")
                    .at(self.places.near.location())
            })?;
            if let Place::Bucket(bucket) = far {
                self.marks.before_pack(bucket, pack.sha256).await?;
            }
            far.create(&key, pack.stored_bytes, &there, self.storage).await?;
            if is_new {
                self.places.near.remove(&[key]).await?;
            }
        }
        Ok(())
    }
}

impl Places {
    /// Whether a checkpoint of these sizes belongs into the second place.
    ///
    /// # Errors
    /// Unsupported where it is too large for either.
    pub fn overflow(&self, raw_bytes: u64, stored_bytes: u64) -> Result<bool> {
        if self.far.is_none() {
            return Ok(false);
        }
        match self.policy.place(raw_bytes, stored_bytes) {
            Placement::Rejected => Err(Error::unsupported(format!(
                "the state has {} bytes or more, and is placed nowhere",
                self.policy.raw_bytes_end
            ))
            .hint("set a larger placement.rawBytesEnd")),
            Placement::R2 => Ok(true),
            Placement::DoRow | Placement::DoChunks => Ok(false),
        }
    }

    /// Where the manifest lies besides, of a checkpoint that overflows.
    pub fn second(&self, overflows: bool) -> Option<&Place> {
        self.far.as_ref().filter(|_| overflows)
    }
}
