//! Checkpoints of the object that this runs in.

use std::collections::HashSet;
use std::rc::Rc;

use wasm_bindgen::JsValue;

use dotctl_engine::checkpoint::{ChainPolicy, CheckpointFacts, Foundation};
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::format::layout::{MANIFESTS, ManifestKey, PACKS, STORE_MARKER, pack_key};
use dotctl_engine::format::{CheckpointKind, Document, Manifest};
use dotctl_engine::id::{CheckpointId, Namespace, Time};
use dotctl_engine::placement::PlacementPolicy;
use dotctl_engine::retention::{Candidate, RetentionPolicy, reasons};
use dotctl_engine::rows::RowsSum;
use dotctl_engine::{Damage, Error, ErrorKind, Result};

use crate::capture::Capture;
use crate::chain::{ChainLines, Places};
use crate::full::Full;
use crate::increment::{Increment, Step};
use crate::pace::{Pace, WAKE_MS};
use crate::places::{Bucket, Place, Spool, discard_spool};
use crate::placing::Placing;
use crate::report::{CheckpointReport, Finding, PruneReport, RestoreReport, VerifyReport};
use crate::restore::{apply, discard, stage};
use crate::rows::{Tracked, forget, resume};
use crate::storage::{AlarmTime, Alarms, Guard, Storage, next_turn};
use crate::upload;

/// How an object's checkpoints are made.
pub struct Setting {
    /// Whose state it is, in every manifest.
    pub namespace: String,
    /// Where the checkpoints are kept.
    pub place: Where,
    /// The raw size that chunks aim at.
    pub chunk_size: ChunkSize,
    /// Whether the class has an `alarm` that calls [`Checkpointer::alarm`]. Without one a checkpoint has to be
    /// done with the processor time of the event that asked for it.
    pub has_alarm: bool,
    /// Whether triggers write down which rows change between checkpoints, so that the next one stores, and of tables
    /// reads, only those.
    pub tracks_changes: bool,
}

impl Setting {
    /// In the object's own tables, without tracking of changes, of a class that has an `alarm`. `namespace` says whose
    /// state it is: by custom the class's name, a slash, and the object's id.
    pub fn new(namespace: String) -> Self {
        Setting {
            namespace,
            place: Where::Object,
            chunk_size: ChunkSize::DEFAULT,
            has_alarm: true,
            tracks_changes: false,
        }
    }
}

/// Where checkpoints are kept.
pub enum Where {
    /// In the object's own tables.
    Object,
    /// In a bucket of R2.
    Bucket(BucketSetting),
    /// In the object's own tables; those that this policy has in R2 in the bucket.
    Overflowing(BucketSetting, PlacementPolicy),
}

/// A bucket of R2.
pub struct BucketSetting {
    /// The binding.
    pub binding: JsValue,
    /// What the keys begin with.
    pub prefix: String,
    /// How long an answer may take, in milliseconds, before the request is sent again.
    pub request_ms: f64,
}

impl BucketSetting {
    /// The same unless another is asked for: a pack of 8 MiB takes a second or two.
    pub const REQUEST_MS: f64 = 30_000.0;

    /// The bucket with this binding, in which keys begin with `prefix`.
    pub fn new(binding: JsValue, prefix: &str) -> Self {
        BucketSetting { binding, prefix: prefix.to_owned(), request_ms: Self::REQUEST_MS }
    }
}

/// Makes, lists, verifies, restores and prunes the checkpoints of one object.
#[derive(Clone)]
pub struct Checkpointer {
    pub(crate) storage: Storage,
    pub(crate) namespace: Namespace,
    pub(crate) places: Rc<Places>,
    chunk_size: ChunkSize,
    /// The object's alarm; none where the class answers to none.
    pub(crate) alarms: Option<Alarms>,
    tracks_changes: bool,
}

/// A checkpoint whose moment has passed, and of which nothing is made yet.
struct Begun {
    capture: Capture,
    alarm: AlarmTime,
    created_at: Time,
    _busy: Busy,
}

/// That a checkpoint or a restore goes on, until this is dropped: of the object, whoever asked for it.
pub(crate) struct Busy(Guard);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set_busy(false);
    }
}

impl Checkpointer {
    /// Begins to serve the object whose `ctx.storage` this is. What an earlier life of the object left
    /// unfinished is put away: nothing of it was ever a checkpoint.
    ///
    /// # Errors
    /// Malformed where the setting is.
    pub fn new(storage: JsValue, setting: Setting) -> Result<Self> {
        let storage = Storage::new(storage)?;
        if !storage.guard().busy() {
            storage.transaction(|| {
                if !setting.tracks_changes {
                    forget(&storage)?;
                }
                resume(&storage)?;
                discard_spool(&storage)?;
                upload::forget_old(&storage)?;
                discard(&storage)
            })?;
        }
        let bucket = |bucket: BucketSetting| {
            Place::Bucket(Bucket::new(bucket.binding, &bucket.prefix, bucket.request_ms))
        };
        let budget = PlacementPolicy::BUDGET;
        let (near, far, policy) = match setting.place {
            Where::Object => (Place::object(&storage), None, budget),
            Where::Bucket(setting) => (bucket(setting), None, budget),
            Where::Overflowing(setting, policy) => (Place::object(&storage), Some(bucket(setting)), policy),
        };
        Ok(Checkpointer {
            namespace: Namespace::new(setting.namespace)?,
            places: Rc::new(Places { near, far, policy }),
            chunk_size: setting.chunk_size,
            alarms: setting.has_alarm.then(|| Alarms::new(&storage)),
            tracks_changes: setting.tracks_changes,
            storage,
        })
    }

    pub(crate) fn begin(&self) -> Result<Busy> {
        let guard = self.storage.guard();
        if guard.busy() {
            return Err(Error::new(ErrorKind::Busy, "a checkpoint or a restore is going on already")
                .hint("wait until it has ended"));
        }
        guard.set_busy(true);
        Ok(Busy(guard.clone()))
    }

    /// Makes a checkpoint of the state as it is when this is called, and gives it once it is there for
    /// good. Other events have their turns meanwhile.
    ///
    /// # Errors
    /// Busy while another one is made; unsupported for what cannot be carried losslessly; those of
    /// storage and R2. Then there is no checkpoint, and the state is as it was.
    pub fn checkpoint(&self) -> impl Future<Output = Result<CheckpointReport>> + use<> {
        // Here and not in what is awaited: from here to the first line of `finish` nothing else happens.
        let begun = self.begin_checkpoint();
        let this = self.clone();
        async move { this.finish(begun?).await }
    }

    fn begin_checkpoint(&self) -> Result<Begun> {
        let busy = self.begin()?;
        let created_at = Time::from_unix_ms(js_sys::Date::now() as i64)?;
        let alarm = self.storage.alarm();
        let capture = Capture::begin(&self.storage)?;
        Ok(Begun { capture, alarm, created_at, _busy: busy })
    }

    async fn finish(&self, begun: Begun) -> Result<CheckpointReport> {
        let Begun { mut capture, alarm, created_at, _busy } = begun;
        let made = async {
            capture.alarm = alarm.get().await?;
            self.make(&capture, created_at).await
        };
        let made = made.await;
        // If this fails, the next checkpoint begins with it, and is a full one.
        let _ = match &made {
            Ok(report) => capture.end(&self.storage, &report.id, self.tracks_changes),
            Err(_) => self.storage.transaction(|| resume(&self.storage)),
        };
        if let Some(alarms) = &self.alarms {
            alarms.end().await?;
        }
        made
    }

    /// To be called when the object's alarm comes. Says whether it is the object's own, so that what
    /// the object does at its alarms is due; then [`Checkpointer::alarm_answered`] has to be called. A checkpoint that
    /// was being made when the object was restarted is made again, of the state as it is now, after this returns.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn alarm(&self) -> Result<bool> {
        let Some(alarms) = &self.alarms else {
            return Ok(true);
        };
        let is_own = alarms.came(WAKE_MS).await?;
        if alarms.wanted() && !self.storage.guard().busy() {
            let again = self.checkpoint();
            // Not in the object's alarm, which it would keep from ending. What fails is tried again at the next one.
            wasm_bindgen_futures::spawn_local(async move {
                let _ = again.await;
            });
        }
        Ok(is_own)
    }

    /// Says how the object has answered its own alarm; where it failed, the alarm comes again.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn alarm_answered(&self, well: bool) -> Result<()> {
        match &self.alarms {
            Some(alarms) => alarms.answered(well).await,
            None => Ok(()),
        }
    }

    async fn make(&self, capture: &Capture, created_at: Time) -> Result<CheckpointReport> {
        let near = &self.places.near;
        let mut pace = Pace::new(self.alarms.as_ref());
        let changes = match &capture.tracked {
            Some(tracked) => self.changes(capture, tracked, &mut pace).await?,
            None => None,
        };
        let (facts, mut placing) = match changes {
            Some(made) => made,
            None => self.all(capture, &mut pace).await?,
        };
        let overflows = placing.overflows;
        capture.check(&self.storage)?;
        let sequence = self.next_sequence().await?;
        let mut manifest = facts.manifest(self.namespace.clone(), sequence, created_at);
        if overflows {
            manifest.overflow();
        }
        placing.check(&manifest).await?;
        let (id, bytes) = manifest.write()?;
        let key = ManifestKey { namespace: self.namespace.clone(), sequence, id };
        if let Some(second) = self.places.second(overflows) {
            // Until the object has it too, it is a checkpoint of the second place alone.
            second.create_small(&key.to_string(), &bytes, &self.storage).await?;
        }
        if let Place::Object(_) = near {
            // A bucket has no such mark.
            let (marker, content) = STORE_MARKER;
            near.create_small(marker, content, &self.storage).await?;
        }
        near.create_small(&key.to_string(), &bytes, &self.storage).await?;
        Ok(CheckpointReport::of(id, &manifest))
    }

    /// Everything that there was at the moment of `capture`, and how its packs were placed.
    async fn all(&self, capture: &Capture, pace: &mut Pace<'_>) -> Result<(CheckpointFacts, Placing<'_>)> {
        let (mut full, mut spool) = (Full::new(capture.scan(), self.chunk_size)?, Spool::new(&self.storage)?);
        let mut placing = Placing::new(&self.places, &self.storage, false);
        while let Some(bytes) = full.step(&self.storage, &mut spool)? {
            placing.put(&mut spool).await?;
            if pace.worked(bytes).await? {
                capture.check(&self.storage)?;
            }
        }
        let facts = full.finish(&mut spool)?;
        placing.put(&mut spool).await?;
        Ok((facts, placing))
    }

    /// What has changed until the moment of `capture`, and how its packs were placed; none where a full checkpoint is due.
    async fn changes(
        &self,
        capture: &Capture,
        tracked: &Tracked,
        pace: &mut Pace<'_>,
    ) -> Result<Option<(CheckpointFacts, Placing<'_>)>> {
        let found = async {
            let Some((base, foundation)) = self.foundation(tracked).await? else {
                return Ok::<_, Error>(None);
            };
            let overflowed = foundation.runs.iter().any(|run| run.place.is_some());
            let (mut spool, mut placing) =
                (Spool::new(&self.storage)?, Placing::new(&self.places, &self.storage, overflowed));
            let stretches = capture.stretches(tracked);
            let mut increment =
                Increment::new(&self.places, &base, &foundation, stretches, self.chunk_size).await?;
            loop {
                let step = increment.step(&self.storage, &mut spool).await?;
                placing.put(&mut spool).await?;
                match step {
                    Step::Outgrown => return Ok(None),
                    Step::Ended => break,
                    Step::More(bytes) => {
                        if pace.worked(bytes).await? {
                            capture.check(&self.storage)?;
                        }
                    }
                }
            }
            let facts = increment.finish(&mut spool)?;
            placing.put(&mut spool).await?;
            // A checkpoint lies in one place with all its packs, so also with its base's.
            let stored_bytes = facts.content_packs().map(|pack| pack.stored_bytes).sum();
            let overflows = self.places.overflow(facts.raw_bytes(), stored_bytes)?;
            Ok((overflows == overflowed && placing.overflows == overflowed).then_some((facts, placing)))
        };
        match found.await {
            // What is damaged is not built on.
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_) | ErrorKind::Sealed) => Ok(None),
            found => found,
        }
    }

    /// The checkpoint since which changes are known, and what of it the next one is laid over; none where a full one is
    /// due.
    async fn foundation(&self, tracked: &Tracked) -> Result<Option<(Manifest, Foundation)>> {
        let keys = self.keys().await?;
        let Some(key) = keys.iter().find(|key| key.id == tracked.base) else {
            return Ok(None);
        };
        let base = self.read_manifest(key).await?;
        let foundation = ChainPolicy::DEFAULT.foundation(key.id, &base);
        // With fewer of its runs the rest would have to be stored again, about as much as everything is.
        let is_whole = |foundation: &Foundation| foundation.runs.len() == base.content_runs().count();
        Ok(foundation
            .filter(is_whole)
            .filter(|_| base.kind == CheckpointKind::Rows)
            .map(|found| (base.clone(), found)))
    }

    async fn next_sequence(&self) -> Result<u64> {
        let mut last = self.keys().await?.last().map_or(0, |key| key.sequence);
        if let Some(far) = &self.places.far {
            // The object may have lost some since: emptied, or put back to an earlier time by the platform.
            let there = manifest_keys(far.list(&self.manifests_prefix()).await?)?;
            last = last.max(there.last().map_or(0, |key| key.sequence));
        }
        Ok(last.saturating_add(1))
    }

    /// The manifests' keys of this object's namespace, oldest first.
    pub(crate) async fn keys(&self) -> Result<Vec<ManifestKey>> {
        manifest_keys(self.places.near.list(&self.manifests_prefix()).await?)
    }

    fn manifests_prefix(&self) -> String {
        format!("{MANIFESTS}/{}/", self.namespace.encoded())
    }

    async fn read_manifest(&self, key: &ManifestKey) -> Result<Manifest> {
        let place = || format!("{}, {key}", self.places.near.location());
        let bytes = self.places.near.read_all(&key.to_string()).await?;
        let bytes = bytes
            .ok_or_else(|| Error::damaged(Damage::Missing, "the manifest", key.id, "nothing").at(place()))?;
        let actual = CheckpointId::of(&bytes);
        if actual != key.id {
            return Err(Error::damaged(Damage::Checksum, "the manifest", key.id, actual).at(place()));
        }
        match Document::parse(&bytes).map_err(|error| error.at(place()))? {
            Document::Open(manifest) => Ok(manifest),
            Document::Sealed(_) => Err(Error::new(
                ErrorKind::Sealed,
                "the checkpoint is sealed, and there is no key inside an object",
            )
            .at(place())),
        }
    }

    /// This object's checkpoints, newest first.
    ///
    /// # Errors
    /// Those of storage and R2; corrupt where a manifest is not as it was written.
    pub async fn list(&self) -> Result<Vec<CheckpointReport>> {
        let mut reports = Vec::new();
        for key in self.keys().await?.iter().rev() {
            reports.push(CheckpointReport::of(key.id, &self.read_manifest(key).await?));
        }
        Ok(reports)
    }

    /// The checkpoint that `reference` means: an id, its first digits, or `latest`.
    async fn find(&self, reference: &str) -> Result<(ManifestKey, Manifest)> {
        let keys = self.keys().await?;
        let matches: Vec<&ManifestKey> = match reference {
            "latest" => keys.last().into_iter().collect(),
            id => keys.iter().filter(|key| id.len() >= 4 && key.id.to_string().starts_with(id)).collect(),
        };
        match matches.as_slice() {
            [key] => Ok(((*key).clone(), self.read_manifest(key).await?)),
            [] => Err(Error::new(ErrorKind::Missing, format!("there is no checkpoint {reference:?}"))
                .hint("list says which there are")),
            _ => Err(Error::malformed(format!("{reference:?} is the beginning of several checkpoints"))),
        }
    }

    /// Reads and checks every chunk of the checkpoint that `reference` means, or of all.
    ///
    /// # Errors
    /// Those of storage and R2. What is damaged is a finding.
    pub async fn verify(&self, reference: Option<&str>) -> Result<VerifyReport> {
        let keys = match reference {
            Some(reference) => vec![self.find(reference).await?.0],
            None => self.keys().await?,
        };
        let mut findings = Vec::new();
        for key in &keys {
            match self.verify_one(key).await {
                Ok(()) => {}
                Err(error) => match error.kind() {
                    ErrorKind::Corrupt(damage) => findings.push(Finding::of(&key.id, damage, &error)),
                    _ => return Err(error),
                },
            }
        }
        Ok(VerifyReport { ok: findings.is_empty(), checkpoints: keys.len() as u64, findings })
    }

    async fn verify_one(&self, key: &ManifestKey) -> Result<()> {
        let manifest = self.read_manifest(key).await?;
        if manifest.kind != CheckpointKind::Rows {
            return Err(Error::unsupported(format!(
                "a checkpoint of the kind {} is not verified inside an object",
                manifest.kind.name()
            ))
            .hint("dotctl verify does it from outside"));
        }
        let mut lines = ChainLines::new(&self.places, &manifest).await?;
        let (mut piece, mut sum) = (Vec::new(), RowsSum::default());
        while lines.next_piece(&mut piece).await? {
            sum.add_lines(&piece);
            next_turn().await?;
        }
        let (actual, _) = sum.finish();
        match actual == manifest.content_sha256 {
            true => Ok(()),
            false => Err(Error::damaged(Damage::Checksum, "the content", manifest.content_sha256, actual)),
        }
    }

    /// Puts the checkpoint that `reference` means in the place of the object's state: at once for whoever reads
    /// it, and only after all of it was checked. Checkpoints in the object's tables stay.
    ///
    /// # Errors
    /// Busy while a checkpoint is made; corrupt, unsupported, and those of storage and R2. Then the state is as it was.
    pub async fn restore(&self, reference: &str) -> Result<RestoreReport> {
        let _busy = self.begin()?;
        let restored = self.put_back(reference).await;
        if restored.is_err() {
            // If this fails too, the next restore begins with it.
            let _ = discard(&self.storage);
        }
        restored
    }

    async fn put_back(&self, reference: &str) -> Result<RestoreReport> {
        let (key, manifest) = self.find(reference).await?;
        if let Some(alarms) = &self.alarms {
            // A checkpoint that an earlier life of the object has begun is no longer wanted.
            alarms.end().await?;
        }
        let staged = stage(&self.storage, &self.places, &manifest).await?;
        let alarm = apply(&self.storage, &staged)?;
        self.storage.set_alarm(alarm).await?;
        Ok(RestoreReport {
            checkpoint: key.id,
            record_count: manifest.record_count,
            raw_bytes: manifest.raw_bytes,
            content_sha256: staged.sum.finish().0.to_string(),
        })
    }

    /// Removes the checkpoints that `policy` does not keep, and from the object's own tables the packs that
    /// nobody needs any more. Packs in a bucket, which others may be about to name, are left to `dotctl prune`. The
    /// newest checkpoint is always kept.
    ///
    /// # Errors
    /// Busy while a checkpoint is made; those of storage and R2; corrupt where a manifest that stays cannot be
    /// read: it may need any pack.
    pub async fn prune(&self, policy: &RetentionPolicy) -> Result<PruneReport> {
        let _busy = self.begin()?;
        let near = &self.places.near;
        let now = Time::from_unix_ms(js_sys::Date::now() as i64)?;
        let (mut candidates, mut manifests) = (Vec::new(), Vec::new());
        for key in self.keys().await? {
            let manifest = self.read_manifest(&key).await?;
            candidates.push(Candidate { key, created_at: manifest.created_at, tags: Vec::new() });
            manifests.push(manifest);
        }
        let kept = reasons(&candidates, policy, now);
        let (mut doomed, mut needed) = (Vec::new(), HashSet::new());
        for ((candidate, manifest), reasons) in candidates.iter().zip(&manifests).zip(kept) {
            match reasons.is_empty() {
                true => doomed.push(candidate.key.to_string()),
                false => needed.extend(manifest.packs().map(|pack| pack_key(&pack.sha256))),
            }
        }
        near.remove(&doomed).await?;
        if let Some(far) = &self.places.far {
            far.remove(&doomed).await?;
        }
        let mut unneeded = Vec::new();
        if let Place::Object(_) = near {
            // In its own tables an object is alone: what nobody names is left over.
            let packs = near.list(&format!("{PACKS}/")).await?;
            unneeded.extend(packs.into_iter().map(|(key, _)| key).filter(|key| !needed.contains(key)));
            let others = near.list(&format!("{MANIFESTS}/")).await?.len() > candidates.len() - doomed.len();
            if others {
                // Checkpoints of another namespace that the command line put there.
                unneeded.clear();
            }
        }
        near.remove(&unneeded).await?;
        Ok(PruneReport { removed_checkpoints: doomed.len() as u64, removed_packs: unneeded.len() as u64 })
    }
}

fn manifest_keys(items: Vec<(String, u64)>) -> Result<Vec<ManifestKey>> {
    let mut keys = Vec::new();
    for (key, _) in items {
        let wrong = || Error::corrupt("no manifest has this name").at(key.clone());
        let mut parts = key.splitn(3, '/').skip(1);
        let (namespace, name) = (parts.next().ok_or_else(wrong)?, parts.next().ok_or_else(wrong)?);
        keys.push(ManifestKey::parse(namespace, name)?);
    }
    keys.sort();
    Ok(keys)
}
