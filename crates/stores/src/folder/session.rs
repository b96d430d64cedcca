//! Writing one checkpoint into a folder.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dotctl_engine::checkpoint::{CheckpointFacts, PackSink};
use dotctl_engine::format::layout::{MANIFESTS, ManifestKey, PACKS};
use dotctl_engine::format::{Document, PackEntry};
use dotctl_engine::id::{Hash, Namespace, Time};
use dotctl_engine::{Error, ErrorKind, Result};

use super::catalog::{self, CATALOG};
use super::{FolderStore, GATE_LOCK, LOCK, ORDER_LOCK, STAGING, cleanup, read_names};
use crate::durable::{link_new, sync_folder, write_new};
use crate::store::{Adopted, Committed, Finish, Session, Store, keyed, pruned_meanwhile};
use crate::{interrupt, io_error};

/// A pack in the staging folder that the store does not hold yet.
struct StagedPack {
    path: PathBuf,
    sha256: Hash,
}

pub struct FolderSession<'a> {
    store: &'a FolderStore,
    staging: PathBuf,
    open: Option<(PathBuf, File)>,
    staged: Vec<StagedPack>,
    sealed_count: u64,
    sealed: HashSet<Hash>,
    syncer: Syncer,
    /// Whether packs have begun to move, so that only cleaning may remove the staging folder.
    moving: bool,
    _lock: File,
}

impl<'a> FolderSession<'a> {
    pub fn begin(store: &'a FolderStore) -> Result<Self> {
        let lock = lock_shared(store)?;
        let staging = make_staging(&store.root.join(STAGING))?;
        Ok(FolderSession {
            store,
            staging,
            open: None,
            staged: Vec::new(),
            sealed_count: 0,
            sealed: HashSet::new(),
            syncer: Syncer::start(),
            moving: false,
            _lock: lock,
        })
    }

    fn publish_packs(&mut self) -> Result<()> {
        self.syncer.finish()?;
        // The folder that explains packs without a manifest comes before them.
        sync_folder(&self.store.root.join(STAGING))?;
        self.moving = true;
        for pack in &self.staged {
            let path = self.store.pack_path(&pack.sha256);
            fs::rename(&pack.path, &path).map_err(|error| io_error("create the pack", &path, &error))?;
        }
        sync_folder(&self.store.root.join(PACKS))
    }

    /// Creates the manifest, lets others take the next number, and gives it its second name, as those
    /// of `names` that have none. Says whether it was not there yet.
    fn publish_manifest(
        &mut self,
        key: &ManifestKey,
        bytes: &[u8],
        mut names: Vec<String>,
        order: File,
    ) -> Result<bool> {
        let manifests = self.store.root.join(MANIFESTS);
        let namespace = key.namespace.encoded();
        let folder = manifests.join(&namespace);
        fs::create_dir_all(&folder).map_err(|error| io_error("create", &folder, &error))?;
        sync_folder(&manifests)?;
        let staged = self.staging.join("manifest");
        write_new(&staged, bytes)?;
        let new = link_new(&staged, &folder.join(key.name()))?;
        drop(order);
        names.push(key.name());
        catalog::complete(self.store, &namespace, &names)?;
        self.moving = false;
        Ok(new)
    }

    fn new_packs(&self) -> HashSet<Hash> {
        self.staged.iter().map(|pack| pack.sha256).collect()
    }

    /// The names of the namespace's manifests, and the number of its next checkpoint. That of a
    /// manifest that got lost is not taken again.
    fn numbered(&self, namespace: &Namespace) -> Result<(Vec<String>, u64)> {
        let folder = namespace.encoded();
        // Only its own folders: a store may have as many namespaces as there are objects.
        let names = |part| read_names(&self.store.root.join(part).join(&folder));
        let sequence = |name: &String| ManifestKey::parse(&folder, name).ok().map(|key| key.sequence);
        let mut manifests = names(MANIFESTS)?;
        manifests.retain(|name| sequence(name).is_some());
        let last = manifests.iter().chain(&names(CATALOG)?).filter_map(sequence).max();
        Ok((manifests, last.unwrap_or(0).saturating_add(1)))
    }
}

impl PackSink for FolderSession<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let (path, file) = match &mut self.open {
            Some(open) => open,
            none => {
                let path = self.staging.join(self.sealed_count.to_string());
                let file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .open(&path)
                    .map_err(|error| io_error("create the pack", &path, &error))?;
                none.insert((path, file))
            }
        };
        file.write_all(bytes).map_err(|error| io_error("write the pack", path, &error))
    }

    fn seal(&mut self, pack: &PackEntry) -> Result<()> {
        let Some((path, file)) = self.open.take() else {
            return Ok(());
        };
        self.sealed_count += 1;
        self.sealed.insert(pack.sha256);
        let known = self.staged.iter().any(|staged| staged.sha256 == pack.sha256);
        if known || self.store.holds(pack)? {
            return fs::remove_file(&path).map_err(|error| io_error("remove", &path, &error));
        }
        self.syncer.sync(path.clone(), file)?;
        self.staged.push(StagedPack { path, sha256: pack.sha256 });
        Ok(())
    }
}

impl Session for FolderSession<'_> {
    fn commit_as(
        &mut self,
        facts: CheckpointFacts,
        namespace: &Namespace,
        created_at: Time,
        finish: &Finish<'_>,
    ) -> Result<Committed> {
        self.publish_packs()?;
        // Two writers at once must not take the same number.
        let order = lock_alone(self.store, ORDER_LOCK)?;
        let (names, sequence) = self.numbered(namespace)?;
        let manifest = finish(facts.manifest(namespace.clone(), sequence, created_at))?;
        // Nobody prunes as long as we have the lock.
        let foreign = manifest.packs().map(|pack| &pack.sha256).filter(|pack| !self.sealed.contains(pack));
        for path in foreign.map(|pack| self.store.pack_path(pack)) {
            if !path.exists() {
                return Err(pruned_meanwhile(path.display().to_string()));
            }
        }
        let (id, bytes) = manifest.write()?;
        let key = ManifestKey { namespace: namespace.clone(), sequence, id };
        // An equal manifest that is there already is this one, made twice at one moment.
        self.publish_manifest(&key, &bytes, names, order)?;
        Ok(Committed::new(id, manifest, &self.new_packs()))
    }

    fn adopt(&mut self, document: Document) -> Result<Option<Adopted>> {
        self.publish_packs()?;
        let order = lock_alone(self.store, ORDER_LOCK)?;
        let (key, bytes) = keyed(&document)?;
        let (names, _) = self.numbered(&key.namespace)?;
        let new = self.publish_manifest(&key, &bytes, names, order)?;
        Ok(new.then(|| Adopted::new(&document, &self.new_packs())))
    }

    fn discard(&mut self) -> Result<()> {
        match self.open.take() {
            Some((path, _)) => fs::remove_file(&path).map_err(|error| io_error("remove", &path, &error)),
            None => Ok(()),
        }
    }
}

impl Drop for FolderSession<'_> {
    fn drop(&mut self) {
        // Packs that moved without a manifest need the staging folder as their explanation.
        if !self.moving {
            let _ = fs::remove_dir_all(&self.staging);
        }
    }
}

/// Waits until nobody else holds `name`, then holds it until dropped.
pub fn lock_alone(store: &FolderStore, name: &str) -> Result<File> {
    let lock = open_lock(store, name)?;
    lock.lock().map_err(|error| io_error("lock", &store.root.join(name), &error))?;
    Ok(lock)
}

fn open_lock(store: &FolderStore, name: &str) -> Result<File> {
    let path = store.root.join(name);
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| io_error("lock", &path, &error))
}

/// How long nobody may begin to write while somebody waits for the writers to end.
const GATE_CLOSED: Duration = Duration::from_secs(10);

/// How long to wait between two attempts at a lock.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Waits until nobody writes, then keeps others from it until dropped. Writers that overlap without
/// end are kept out meanwhile, now and then, so that they do end; one that takes hours does not keep
/// the others waiting all the time.
pub fn lock_for_pruning(store: &FolderStore) -> Result<File> {
    let failed = |name: &str, error: &io::Error| io_error("lock", &store.root.join(name), error);
    let lock = open_lock(store, LOCK)?;
    let gate = open_lock(store, GATE_LOCK)?;
    loop {
        for closed in [true, false] {
            if closed {
                gate.lock().map_err(|error| failed(GATE_LOCK, &error))?;
            } else {
                gate.unlock().map_err(|error| failed(GATE_LOCK, &error))?;
            }
            let until = Instant::now() + GATE_CLOSED;
            while Instant::now() < until {
                match lock.try_lock() {
                    Ok(()) => return Ok(lock),
                    Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                    Err(TryLockError::Error(error)) => return Err(failed(LOCK, &error)),
                }
                interrupt::check()?;
            }
        }
    }
}

/// Cleans up if nobody else is at work, then joins the writers.
pub fn lock_shared(store: &FolderStore) -> Result<File> {
    let failed = |error: &io::Error| io_error("lock the store", &store.root, error);
    let gate = open_lock(store, GATE_LOCK)?;
    gate.lock_shared().map_err(|error| failed(&error))?;
    let lock = open_lock(store, LOCK)?;
    if lock.try_lock().is_ok() {
        let cleaned = cleanup::clean(store);
        lock.unlock().map_err(|error| failed(&error))?;
        cleaned?;
    }
    lock.lock_shared().map_err(|error| failed(&error))?;
    Ok(lock)
}

/// Makes a folder in the staging folder `parent` that tells of unfinished work.
pub fn make_staging(parent: &Path) -> Result<PathBuf> {
    fs::create_dir_all(parent).map_err(|error| io_error("create", parent, &error))?;
    for attempt in 0..1000 {
        let path = parent.join(format!("{}-{attempt}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error("create", &path, &error)),
        }
    }
    Err(Error::new(ErrorKind::Busy, "too many writers have been stopped here")
        .at(parent.display().to_string())
        .hint("empty this folder while no snapshot runs"))
}

/// Makes sealed packs durable while the next ones are being compressed.
struct Syncer {
    packs: Option<Sender<(PathBuf, File)>>,
    results: Receiver<Error>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    fn start() -> Self {
        let (packs, incoming) = channel::<(PathBuf, File)>();
        let (failures, results) = channel();
        let thread = std::thread::spawn(move || {
            for (path, file) in incoming {
                if let Err(error) = file.sync_all() {
                    let _ = failures.send(io_error("make durable", &path, &error));
                }
            }
        });
        Syncer { packs: Some(packs), results, thread: Some(thread) }
    }

    fn sync(&mut self, path: PathBuf, file: File) -> Result<()> {
        let died = || Error::new(ErrorKind::Io, "the thread that makes packs durable died");
        self.packs.as_ref().ok_or_else(died)?.send((path, file)).map_err(|_| died())
    }

    /// Waits until everything is durable.
    fn finish(&mut self) -> Result<()> {
        self.packs = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            return Err(Error::new(ErrorKind::Io, "the thread that makes packs durable died"));
        }
        self.results.try_recv().map_or(Ok(()), Err)
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}
