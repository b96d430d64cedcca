//! Checkpoints of the object that this runs in.

use std::collections::HashSet;
use std::rc::Rc;

use wasm_bindgen::JsValue;

use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::format::layout::{MANIFESTS, ManifestKey, PACKS, STORE_MARKER, pack_key};
use dotctl_engine::format::{CheckpointKind, Document, Manifest};
use dotctl_engine::id::{CheckpointId, Namespace, Time};
use dotctl_engine::retention::{Candidate, RetentionPolicy, reasons};
use dotctl_engine::rows::RowsSum;
use dotctl_engine::{Damage, Error, ErrorKind, Result};

use crate::capture::Capture;
use crate::chain::{ChainLines, Places};
use crate::places::{Bucket, Place};
use crate::report::{CheckpointReport, Finding, PruneReport, RestoreReport, VerifyReport};
use crate::restore::{apply, discard, stage};
use crate::rows::unwatch;
use crate::storage::{AlarmTime, Alarms, Guard, Storage, next_turn};

/// Raw bytes after which other events get their turn: about a tenth of a second of work.
const TURN_BYTES: usize = 1 << 20;

/// Raw bytes after which the work goes on in a new event: some 10 of the 30 seconds of processor time that
/// each has (`docs/BENCHMARKS.md` has the rates).
const EVENT_BYTES: usize = 64 << 20;

/// When an object is woken that was restarted while a checkpoint was made, in milliseconds after that
/// has last shown a sign of life.
const WAKE_MS: f64 = 30_000.0;

/// How an object's checkpoints are made.
pub struct Setting {
    /// Whose state it is, in every manifest.
    pub namespace: String,
    /// A bucket of R2 for the checkpoints. Without one they are kept in the object's own tables.
    pub bucket: Option<BucketSetting>,
    /// The raw size that chunks aim at.
    pub chunk_size: ChunkSize,
    /// Whether the class has an `alarm` that calls [`Checkpointer::alarm`]. Without one a checkpoint has to be
    /// done with the processor time of the event that asked for it.
    pub has_alarm: bool,
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
}

/// Makes, lists, verifies, restores and prunes the checkpoints of one object.
#[derive(Clone)]
pub struct Checkpointer {
    storage: Storage,
    namespace: Namespace,
    places: Rc<Places>,
    chunk_size: ChunkSize,
    /// The object's alarm; none where the class answers to none.
    alarms: Option<Alarms>,
}

/// A checkpoint whose moment has passed, and of which nothing is made yet.
struct Begun {
    capture: Capture,
    alarm: AlarmTime,
    created_at: Time,
    _busy: Busy,
}

/// That a checkpoint or a restore goes on, until this is dropped: of the object, whoever asked for it.
struct Busy(Guard);

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
                unwatch(&storage)?;
                discard(&storage)
            })?;
        }
        let near = match setting.bucket {
            Some(BucketSetting { binding, prefix, request_ms }) => {
                Place::Bucket(Bucket::new(binding, &prefix, request_ms))
            }
            None => Place::object(&storage),
        };
        Ok(Checkpointer {
            namespace: Namespace::new(setting.namespace)?,
            places: Rc::new(Places { near, far: None }),
            chunk_size: setting.chunk_size,
            alarms: setting.has_alarm.then(|| Alarms::new(&storage)),
            storage,
        })
    }

    fn begin(&self) -> Result<Busy> {
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
        let capture = Capture::begin(&self.storage, self.chunk_size)?;
        Ok(Begun { capture, alarm, created_at, _busy: busy })
    }

    async fn finish(&self, begun: Begun) -> Result<CheckpointReport> {
        let Begun { mut capture, alarm, created_at, _busy } = begun;
        let made = async {
            capture.set_alarm(alarm.get().await?);
            self.make(capture, created_at).await
        };
        let made = made.await;
        if made.is_err() {
            // If this fails too, the next checkpoint begins with it.
            let _ = unwatch(&self.storage);
        }
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

    async fn make(&self, mut capture: Capture, created_at: Time) -> Result<CheckpointReport> {
        let near = &self.places.near;
        let (mut turn_bytes, mut event_bytes) = (0, 0);
        let facts = loop {
            let facts = capture.step(&self.storage)?;
            turn_bytes += capture.chunk_bytes();
            for (pack, pieces) in std::mem::take(&mut capture.sink.sealed) {
                near.create(&pack_key(&pack.sha256), &pieces).await?;
            }
            if let Some(facts) = facts {
                break facts;
            }
            if turn_bytes >= TURN_BYTES {
                let is_first = event_bytes == 0;
                event_bytes += std::mem::take(&mut turn_bytes);
                match &self.alarms {
                    // What is done within one turn needs nobody to wake the object for it.
                    Some(alarms) if is_first && !alarms.wanted() => alarms.begin(WAKE_MS).await?,
                    Some(alarms) if event_bytes >= EVENT_BYTES => {
                        event_bytes = 0;
                        alarms.turn().await?;
                    }
                    _ => {}
                }
                next_turn().await?;
                capture.check(&self.storage)?;
            }
        };
        capture.check(&self.storage)?;
        unwatch(&self.storage)?;
        let sequence = self.next_sequence().await?;
        let manifest = facts.manifest(self.namespace.clone(), sequence, created_at);
        for pack in manifest.packs() {
            if !near.has_pack(pack).await? {
                return Err(Error::damaged(Damage::Missing, "the pack", pack.sha256, "nothing")
                    .at(near.location())
                    .hint("somebody has removed it meanwhile: make the checkpoint again"));
            }
        }
        let (id, bytes) = manifest.write()?;
        let key = ManifestKey { namespace: self.namespace.clone(), sequence, id };
        if let Place::Object(_) = near {
            // A bucket has no such mark.
            let (marker, content) = STORE_MARKER;
            near.create(marker, &[content.to_vec()]).await?;
        }
        near.create(&key.to_string(), &[bytes]).await?;
        Ok(CheckpointReport::of(id, &manifest))
    }

    async fn next_sequence(&self) -> Result<u64> {
        Ok(self.keys().await?.last().map_or(0, |key| key.sequence).saturating_add(1))
    }

    /// The manifests' keys of this object's namespace, oldest first.
    async fn keys(&self) -> Result<Vec<ManifestKey>> {
        let prefix = format!("{MANIFESTS}/{}/", self.namespace.encoded());
        manifest_keys(self.places.near.list(&prefix).await?)
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
        if let Some(alarms) = &self.alarms {
            // A checkpoint that an earlier life of the object has begun is no longer wanted.
            alarms.end().await?;
        }
        let (key, manifest) = self.find(reference).await?;
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
